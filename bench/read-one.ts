// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads one recording into the ledger, in a process of its own. Prints the seconds from opening the file to its last event. */
import { readLedger } from '../src/ledger/account.ts'
import { openFile } from '../src/node/open.ts'

const started = performance.now()
const recording = await openFile(process.argv[2]!)
const { events } = await readLedger(recording)
console.log(JSON.stringify({ events, seconds: (performance.now() - started) / 1e3 }))
await recording.close()

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check --ftrace FILE`: writes a counterexample as a recording. */
import { account } from '../ledger/index.ts'
import type { Verified } from '../linux/index.ts'
import { counterexampleFtrace } from '../report/check.ts'
import { condemnedText } from '../report/condemned.ts'
import { BytesSource, openRecording } from '../trace/index.ts'
import { complain } from './complain.ts'
import { writeOutput } from './write-report.ts'

/** Writes a counterexample as ftrace text, and prints on stderr what the ledger finds in that text. */
export async function writeCounterexample(file: string, broken: Verified): Promise<void> {
  const bytes = new TextEncoder().encode(counterexampleFtrace(broken))
  writeOutput(file, bytes)
  const read = await account(await openRecording(new BytesSource(file, bytes)))
  complain('lastput check', `${file} written; ${condemnedText(broken, read)}`)
}

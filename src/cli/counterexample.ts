// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check --ftrace FILE`. */
import { writeFile } from 'node:fs/promises'
import { account } from '../ledger/index.ts'
import type { Verified } from '../linux/index.ts'
import { counterexampleFtrace } from '../report/check.ts'
import { condemnedText } from '../report/condemned.ts'
import { wrap } from '../report/words.ts'
import { BytesSource, openRecording } from '../trace/index.ts'

/** Writes a counterexample as ftrace text, and says on stderr what the ledger makes of that very text. */
export async function writeCounterexample(file: string, broken: Verified): Promise<void> {
  const bytes = new TextEncoder().encode(counterexampleFtrace(broken))
  await writeFile(file, bytes)
  const read = await account(await openRecording(new BytesSource(file, bytes)))
  const told = `lastput check: ${file} written; ${condemnedText(broken, read)}`
  process.stderr.write(`${wrap(told, '', '  ').join('\n')}\n`)
}

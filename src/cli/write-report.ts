// SPDX-License-Identifier: GPL-2.0-or-later
import { writeFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { AccountOptions } from '../ledger/account.ts'
import { countsFor, type FileOptions } from '../node/open.ts'
import { viewerBundle, viewerWorker } from '../node/viewer.ts'
import { reportHtml, type WholeRecording } from '../report/html.ts'
import { readingOptionsJson } from '../report/reading-options.ts'
import { TraceError } from '../trace/events.ts'
import { namingFile } from './errors.ts'

/** Limit for a recording that is put into a report: a browser holds the report's text and the recording in memory at once. */
const MOST_BYTES = 256 * 2 ** 20

/** Writes the JSON of `--json` as an HTML report. @throws an error of the file system */
export async function writeReport(file: string, data: unknown, title: string, whole?: WholeRecording): Promise<void> {
  writeOutput(file, await reportHtml(data, title, viewerBundle(), whole))
}

/** Writes a file that the user asked for. @throws an error of the file system that names it */
export function writeOutput(file: string, content: string | Uint8Array): void {
  namingFile(file, () => writeFileSync(file, content))
}

/** Reads a recording that is put into a report as a whole. @throws TraceError if it is too large or cannot be read twice */
export async function wholeRecording(
  path: string,
  { counts, ...options }: FileOptions & Pick<AccountOptions, 'allPages' | 'protocol' | 'device'>,
): Promise<WholeRecording> {
  if (path === '-') throw new TraceError('standard input', 0, 'expected a file for --full, which reads it twice')
  const found = await stat(path)
  const { size } = found
  if (found.isDirectory())
    throw new TraceError(path, 0, 'expected a file for --full: pack the directory by tar, which is read as it is')
  if (size > MOST_BYTES) throw new TraceError(path, size, `expected at most ${MOST_BYTES} bytes for --full`)
  const name = basename(path)
  const json = readingOptionsJson({ ...countsFor(name, counts), ...options })
  return { name, bytes: new Uint8Array(await readFile(path)), options: json, worker: viewerWorker() }
}

// SPDX-License-Identifier: GPL-2.0-or-later
import { writeFile } from 'node:fs/promises'
import { viewerBundle } from '../node/viewer.ts'
import { reportHtml } from '../report/html.ts'

/** Writes what `--json` would say as a report. @throws an error of the file system */
export async function writeReport(file: string, data: unknown, title: string): Promise<void> {
  await writeFile(file, await reportHtml(data, title, viewerBundle()))
}

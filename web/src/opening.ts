// SPDX-License-Identifier: GPL-2.0-or-later
/** What a file is, and what is to be shown of it: a recording, JSON of lastput, or a report that holds such JSON. */
import { type Document, readDocument } from './documents.ts'
import type { ReadingOptions } from './messages.ts'
import { LiveRecording, type Progress } from './recording.ts'

export interface Opened {
  document: Document
  recording?: LiveRecording
}

/** JSON larger than this is not read: it would not fit into a page. */
const MOST_JSON = 1 << 28

/** @throws Error that says what was expected, in the words of the reader */
export async function openBlob(
  name: string,
  blob: Blob,
  onProgress: (progress: Progress) => void,
  options: ReadingOptions = {},
): Promise<Opened> {
  const start = (await blob.slice(0, 64).text()).trimStart().toLowerCase()
  const isReport = start.startsWith('<!doctype html')
  if (!isReport && !start.startsWith('{') && !start.startsWith('[')) {
    const { trace, live } = await LiveRecording.open(name, blob, onProgress, options)
    return { document: { kind: 'trace', trace }, recording: live }
  }
  if (blob.size > MOST_JSON) throw new Error(`${name}: expected at most ${MOST_JSON} bytes of JSON`)
  const text = await blob.text()
  return { document: readDocument(JSON.parse(isReport ? dataOfReport(name, text) : text)) }
}

/** A report is not parsed as a page: its data is between two tags, and holds no "<" itself. */
function dataOfReport(name: string, html: string): string {
  const data = /<script type="application\/json" id="lastput-data">([^<]*)<\/script>/.exec(html)
  if (!data) throw new Error(`${name}: expected a report that lastput wrote`)
  return data[1]!
}

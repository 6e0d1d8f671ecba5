// SPDX-License-Identifier: GPL-2.0-or-later
/** Recognises and opens a file: a recording, a dump, JSON of lastput, or a report that contains such JSON. */
import { isDump } from '../../src/core/memory/open.ts'
import { openDumpBlob } from './core/reading.ts'
import { type Document, readDocument } from './documents.ts'
import type { ReadingOptions } from './messages.ts'
import { LiveRecording, type Progress } from './recording.ts'
import { unpacked } from './unpacking.ts'

export interface Opened {
  document: Document
  recording?: LiveRecording
}

/** Size limit of JSON, in bytes: more would not fit into the page's memory. */
const MOST_JSON = 1 << 28

/** Bytes at the start of a file that are read to recognise its format. */
const SNIFFED = 1024

/** Opens a file. @throws Error with the reader's message that says what was expected */
export async function openBlob(
  name: string,
  file: Blob,
  onProgress: (progress: Progress) => void,
  options: ReadingOptions = {},
): Promise<Opened> {
  const { blob, note } = await unpacked(name, file)
  const bytes = new Uint8Array(await blob.slice(0, SNIFFED).arrayBuffer())
  if (isDump(bytes)) {
    const core = await openDumpBlob(name, blob, onProgress)
    if (note !== undefined) core.notes.push(note)
    return { document: { kind: 'core', core } }
  }
  const start = new TextDecoder().decode(bytes).trimStart()
  const isReport = start.toLowerCase().startsWith('<!doctype html')
  if (isReport || start.startsWith('{') || start.startsWith('[')) return openJson(name, blob, isReport)
  if (isVerdictText(start))
    throw new Error(
      `${name}: expected a recording or JSON; this is text for terminals, --json or --html writes what can be shown`,
    )
  const { trace, live } = await LiveRecording.open(name, blob, onProgress, options)
  if (note !== undefined) trace.notes.push(note)
  return { document: { kind: 'trace', trace }, recording: live }
}

async function openJson(name: string, blob: Blob, isReport: boolean): Promise<Opened> {
  if (blob.size > MOST_JSON) throw new Error(`${name}: expected at most ${MOST_JSON} bytes of JSON`)
  const text = await blob.text()
  try {
    return { document: readDocument(JSON.parse(isReport ? dataOfReport(text) : text)) }
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`)
  }
}

/** True for the text that `lastput check` prints without `--json`. */
function isVerdictText(start: string): boolean {
  return /^[^\n]+: (VIOLATED |holds\n|inconclusive \()/.test(start)
}

/** Extracts the data of a report without parsing its HTML: the data is between two tags and contains no "<". */
function dataOfReport(html: string): string {
  const data = /<script type="application\/json" id="lastput-data">([^<]*)<\/script>/.exec(html)
  if (!data) throw new Error('expected a report that lastput wrote')
  return data[1]!
}

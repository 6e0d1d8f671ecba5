// SPDX-License-Identifier: GPL-2.0-or-later
/** Recognises files that are not recordings, and says what their user can do. */

import { TraceError } from '../events.ts'
import { decodeText } from './bytes.ts'

const READABLE = 'trace.dat, perf.data or ftrace text (the trace file of tracefs, trace-cmd report, perf script)'

/** File types by their first bytes (as ISO 8859-1), with advice. */
const KINDS: readonly (readonly [magic: string, what: string, advice: string])[] = [
  ['\x1f\x8b', 'gzip', 'unpack it: gzip -dc FILE | lastput trace -'],
  ['\x28\xb5\x2f\xfd', 'zstd', 'unpack it: zstd -dc FILE | lastput trace -'],
  ['\xfd7zXZ\0', 'xz', 'unpack it: xz -dc FILE | lastput trace -'],
  ['BZh', 'bzip2', 'unpack it: bzip2 -dc FILE | lastput trace -'],
  ['\x04\x22\x4d\x18', 'lz4', 'unpack it: lz4 -dc FILE | lastput trace -'],
  ['PK\x03\x04', 'a zip archive', 'unpack it, and name the recording in it'],
  ['\x7fELF', 'an ELF file (a kernel, a module or a core dump)', 'lastput core reads core dumps of kernels'],
  ['KDUMP   ', 'a crash dump', 'lastput core reads crash dumps'],
  ['makedumpfile', 'a crash dump', 'lastput core reads crash dumps'],
  ['%PDF', 'a PDF document', 'save the text of the recording'],
  ['\x89PNG', 'a picture', 'save the text of the recording'],
  ['\xff\xd8\xff', 'a picture', 'save the text of the recording'],
  ['SQLite format 3', 'an SQLite database', 'export the events as text'],
]

/** Kinds of text by how they begin, with advice. */
const TEXTS: readonly (readonly [begin: RegExp, what: string, advice: string])[] = [
  [/^\s*<(!doctype|html|\?xml)/i, 'a web page', 'lastput open shows reports of lastput; of other pages, save the text'],
  [/^content-transfer-encoding: base64/im, 'a mail in base64', 'save its text, or decode it with base64 -d'],
  [/^\s*[[{]/, 'JSON', 'lastput open shows the JSON of lastput trace, check, run and explain'],
]

/** Number of characters of a text's first line that are shown. */
const SHOWN = 60

/**
 * The error for a file that is not a recording.
 * @param start its first bytes, as many as are known
 */
export class FormatError extends TraceError {
  constructor(file: string, start: Uint8Array) {
    const { what, advice } = describe(start)
    super(file, 0, `expected ${READABLE}, found ${what}: ${advice}`)
    this.message = `${file}: ${this.expected}`
  }
}

function describe(start: Uint8Array): { what: string; advice: string } {
  const text = String.fromCharCode(...start.subarray(0, 512))
  if (start.length === 0) return { what: 'nothing', advice: 'docs/recording.md says how to record' }
  const kind = KINDS.find(([magic]) => text.startsWith(magic)) ?? TEXTS.find(([begin]) => begin.test(text))
  if (kind) return { what: kind[1], advice: kind[2] }
  if (text.includes('\0')) return { what: 'other binary data', advice: 'docs/recording.md says how to record' }
  const line = decodeText(start.subarray(0, SHOWN)).trimStart().split('\n', 1)[0]!.trimEnd()
  const shown = line === '' ? 'text' : `text that begins ${JSON.stringify(line)}`
  return { what: shown, advice: 'its events look like "TASK-PID [CPU] ..... TIME: page_ref_mod: pfn=0x1000 ..."' }
}

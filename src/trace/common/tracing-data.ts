// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the parts that trace.dat and perf.data share: ring-buffer headers, event formats, symbols and task names.
 *
 * Facts of the format: trace-cmd.dat.v6(5); perf.data contains the same in HEADER_TRACING_DATA.
 */
import { decodeLatin1 } from '../../util/latin1.ts'
import { type ByteReader, decodeText } from './bytes.ts'
import { type EventFormat, parseEventFormat } from './event-format.ts'

/** "\x17\x08\x44tracing" */
export const MAGIC = Uint8Array.of(0x17, 0x08, 0x44, 0x74, 0x72, 0x61, 0x63, 0x69, 0x6e, 0x67)

/** Maximum number of event formats in a file. Kernels have about two thousand. */
const MAX_EVENTS = 1 << 16
const MAX_SYSTEMS = 1 << 12

/** The contents of the head of a recording. */
export interface TracingData {
  /** Page size in bytes of the recorded machine; 0 if unknown. */
  pageSize: number
  headerPage: string
  formats: EventFormat[]
  kallsyms: Uint8Array[]
  printk: string
  cmdlines: string
}

export function newTracingData(): TracingData {
  return { pageSize: 0, headerPage: '', formats: [], kallsyms: [], printk: '', cmdlines: '' }
}

function sizedText(reader: ByteReader, what: string): string {
  return decodeLatin1(reader.take(reader.size64(`the size of ${what}`), what))
}

/** "header_page\0", u64 size, text; "header_event\0", u64 size, text. */
export function readHeaderInfo(reader: ByteReader, data: TracingData): void {
  for (const name of ['header_page', 'header_event']) {
    const start = reader.at
    if (reader.cstring(`"${name}"`) !== name) {
      reader.at = start
      throw reader.error(`expected "${name}"`)
    }
    const text = sizedText(reader, name)
    if (name === 'header_page') data.headerPage = text
  }
}

function readFormats(reader: ByteReader, system: string, data: TracingData): void {
  const count = reader.u32(`the number of events of ${system}`)
  for (let i = 0; i < count; i++) {
    const format = parseEventFormat(system, sizedText(reader, `an event format of ${system}`))
    if (format && data.formats.length < MAX_EVENTS) data.formats.push(format)
  }
}

/** u32 count; u64 size, text each. */
export function readFtraceFormats(reader: ByteReader, data: TracingData): void {
  readFormats(reader, 'ftrace', data)
}

/** u32 systems; each name\0, u32 events; u64 size, text each. */
export function readEventFormats(reader: ByteReader, data: TracingData): void {
  const systems = reader.u32('the number of event systems')
  if (systems > MAX_SYSTEMS) throw reader.error(`expected at most ${MAX_SYSTEMS} event systems, found ${systems}`)
  for (let i = 0; i < systems; i++) readFormats(reader, reader.cstring('the name of an event system'), data)
}

/** u32 size, text in the form of /proc/kallsyms. */
export function readKallsyms(reader: ByteReader, data: TracingData): void {
  data.kallsyms.push(reader.take(reader.u32('the size of kallsyms'), 'kallsyms'))
}

/** u32 size, text of tracefs `printk_formats`. */
export function readPrintk(reader: ByteReader, data: TracingData): void {
  data.printk = decodeText(reader.take(reader.u32('the size of the printk formats'), 'printk formats'))
}

/** u64 size, text of tracefs `saved_cmdlines`. */
export function readCmdlines(reader: ByteReader, data: TracingData): void {
  data.cmdlines = decodeText(reader.take(reader.size64('the size of the command lines'), 'command lines'))
}

/** Reads all of the above in sequence, as in version 6 and in perf.data. Old versions of perf.data have no command lines. */
export function readTracingData(reader: ByteReader, data: TracingData, hasCmdlines = true): void {
  readHeaderInfo(reader, data)
  readFtraceFormats(reader, data)
  readEventFormats(reader, data)
  readKallsyms(reader, data)
  readPrintk(reader, data)
  if (hasCmdlines) readCmdlines(reader, data)
}

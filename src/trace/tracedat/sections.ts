// SPDX-License-Identifier: GPL-2.0-or-later
/** What a trace.dat file is made of, and the sections of version 7 files. Ids up to 14 are options' too, in both versions (trace-cmd.dat.v7(5)). */
import { ByteReader, readExactly } from '../common/bytes.ts'
import type { TickScale } from '../common/clock.ts'
import type { Compression } from '../common/compression.ts'
import type { TracingData } from '../common/tracing-data.ts'
import type { ByteSource } from '../events.ts'

/** Where the sub-buffers of one CPU stand in the file; in version 7 with compression, as chunks. */
export interface CpuData {
  cpu: number
  offset: number
  size: number
  /** There may have been more that the file has lost. */
  cutOff?: boolean
}

/** One trace instance. The top one has the name ''. */
export interface TraceBuffer {
  name: string
  clock: string
  pageSize: number
  cpus: CpuData[]
}

export interface TraceFile extends TracingData {
  version: 6 | 7
  littleEndian: boolean
  /** sizeof(long) where trace-cmd ran; that of the kernel stands in the header page. */
  longSize: number
  compression: Compression
  cpuCount: number
  uname: string
  /** When the recording ended, as far as its statistics tell: in ns of clocks that the kernel counts in ns, else in ticks. */
  endTime: bigint | undefined
  endTicks: bigint | undefined
  clock: string
  /** Ticks as ns, as measured by trace-cmd (`-C tsc2nsec`). */
  tickScale: TickScale | undefined
  /** What options OFFSET and DATE say shall be added to all times. */
  timeOffset: bigint
  buffers: TraceBuffer[]
  /** Whether the end of the file is missing, and with it the table of CPUs. */
  cutOff: boolean
}

export const SectionId = {
  DONE: 0,
  DATE: 1,
  BUFFER: 3,
  TRACECLOCK: 4,
  CPUSTAT: 2,
  UNAME: 5,
  OFFSET: 7,
  CPUCOUNT: 8,
  TSC2NSEC: 14,
  HEADER_INFO: 16,
  FTRACE_EVENTS: 17,
  EVENT_FORMATS: 18,
  KALLSYMS: 19,
  PRINTK: 20,
  CMDLINES: 21,
} as const

/** Bytes before a section's contents. */
export const SECTION_HEADER = 16

const FLAG_COMPRESSED = 1

export interface Section {
  id: number
  packed: boolean
  offset: number
  size: number
}

/** u16 id, u16 flags, u32 description, u64 size. */
export async function readSectionHeader(
  source: ByteSource,
  file: { littleEndian: boolean },
  offset: number,
): Promise<Section> {
  const bytes = await readExactly(source, offset, SECTION_HEADER, 'the header of a section')
  const reader = new ByteReader(bytes, { file: source.name, base: offset, littleEndian: file.littleEndian })
  const id = reader.u16('the id of a section')
  const flags = reader.u16('the flags of a section')
  reader.skip(4, 'the description of a section')
  return { id, packed: (flags & FLAG_COMPRESSED) !== 0, offset, size: reader.size64('the size of a section') }
}

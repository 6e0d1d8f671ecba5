// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The parts of a trace.dat file, and the sections of version 7. Ids up to 14 are also those of options, in both versions
 * (trace-cmd.dat.v7(5)).
 */
import { ByteReader, readExactly } from '../common/bytes.ts'
import type { TickScale } from '../common/clock.ts'
import type { Compression } from '../common/compression.ts'
import type { TracingData } from '../common/tracing-data.ts'
import type { ByteSource } from '../events.ts'

/** Position of one CPU's sub-buffers in the file. In a compressed file of version 7, they are in chunks. */
export interface CpuData {
  cpu: number
  offset: number
  size: number
  /** Set if the truncated file may have lost events of this CPU. */
  cutOff?: boolean
}

/** One trace instance. The top-level one has the name ''. */
export interface TraceBuffer {
  name: string
  clock: string
  pageSize: number
  cpus: CpuData[]
}

export interface TraceFile extends TracingData {
  version: 6 | 7
  littleEndian: boolean
  /** sizeof(long) where trace-cmd ran. The kernel's is in the header page. */
  longSize: number
  compression: Compression
  cpuCount: number
  uname: string
  /**
   * End of the recording according to its statistics, in nanoseconds or, for clocks that the kernel does not count in
   * nanoseconds, in ticks.
   */
  endTime: bigint | undefined
  endTicks: bigint | undefined
  clock: string
  /** Conversion of ticks to nanoseconds, as measured by trace-cmd (`-C tsc2nsec`). */
  tickScale: TickScale | undefined
  /** Offset that the options OFFSET and DATE add to all times. */
  timeOffset: bigint
  buffers: TraceBuffer[]
  /** True if the end of the file is missing, and with it the table of CPUs. */
  cutOff: boolean
  /** Reads `kallsyms` if that was left out. Call once, before the symbols are used. */
  readSymbols: () => Promise<void>
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

/** Size in bytes of the header of a section. */
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

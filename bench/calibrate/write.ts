// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes a simulated recording as trace.dat, with the truth beside it. Marked losses become lost events in the file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type LostEvents, OP_NAMES } from '../../src/trace/events.ts'
import { PG_RESERVED, type Row, ZONE_DEVICE_HIGH } from '../../testkit/fake-recording.ts'
import { pageRefEvents, type SynthRecord, writeTraceDat } from '../../testkit/writers/tracedat.ts'

export interface Written {
  /** In the order of the recording. */
  rows: readonly Row[]
  lost: readonly LostEvents[]
  tasks: ReadonlyMap<number, string>
  cpus: number
  /** Name of ftrace's clock. */
  clock: string
  /** Release of the kernel; undefined: the file names none. */
  kernel: string | undefined
  /** What is written beside the recording. */
  truth: unknown
}

export function writeRecording(directory: string, written: Written): void {
  const { cpus, clock, tasks, kernel, truth } = written
  const { bytes } = writeTraceDat({
    version: 7,
    cpuCount: cpus,
    events: pageRefEvents(8),
    buffers: [{ name: '', clock, cpus: cpuRecords(written) }],
    kallsyms: kallsyms(written),
    cmdlines: [...tasks]
      .filter(([pid]) => pid > 0)
      .map(([pid, name]) => `${pid} ${name}\n`)
      .join(''),
    ...(kernel === undefined ? {} : { uname: `Linux simulated ${kernel} x86_64` }),
  })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'trace.dat'), bytes)
  writeFileSync(join(directory, 'truth.json'), `${JSON.stringify(truth, undefined, 1)}\n`)
}

function cpuRecords({ rows, lost, cpus: count }: Written): Map<number, SynthRecord[]> {
  const cpus = new Map<number, SynthRecord[]>()
  for (let cpu = 0; cpu < count; cpu++) cpus.set(cpu, [])
  for (const row of rows) {
    const records = cpus.get(row.cpu)!
    const gap = lost.find(({ cpu, to }) => cpu === row.cpu && to === row.time)
    if (gap !== undefined) records.push(gap.count === undefined ? { kind: 'lost' } : { kind: 'lost', count: gap.count })
    const time = BigInt(Math.round(row.time))
    const { pfn, val, ret, pid, flagsHigh = ZONE_DEVICE_HIGH, flagsLow = PG_RESERVED, mapcount = -1 } = row
    const flags = (BigInt(flagsHigh) << 32n) | BigInt(flagsLow)
    const values = { pfn, flags, count: row.count, mapcount, val, ret, mt: 1 }
    records.push({ kind: 'event', time, event: OP_NAMES[row.op], pid, values })
    if (row.stack !== undefined)
      records.push({ kind: 'stack', time, pid, frames: row.stack.map(({ address }) => address) })
  }
  return cpus
}

/** kallsyms of the functions in the stacks. Start addresses are known as far as frames have offsets. */
function kallsyms({ rows }: Written): string {
  const symbols = new Map<bigint, string>()
  for (const { address, name, offset, module } of rows.flatMap(({ stack = [] }) => stack)) {
    if (offset === undefined) continue
    symbols.set(address - BigInt(offset), module === undefined ? name : `${name}\t[${module}]`)
  }
  return [...symbols]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([start, name]) => `${start.toString(16).padStart(16, '0')} t ${name}\n`)
    .join('')
}

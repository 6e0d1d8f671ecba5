// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes a simulated recording as trace.dat, with its true faults beside it. Marked losses become lost events in the file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OP_NAMES } from '../../src/trace/events.ts'
import type { SimulatedRecording } from '../../testkit/drivers/make.ts'
import { pageRefEvents, type SynthRecord, writeTraceDat } from '../../testkit/writers/tracedat.ts'

export function writeRecording(made: SimulatedRecording, directory: string): void {
  const { conditions, driver, run, tasks, truth, seed } = made
  const kind = conditions.clock.kind
  const { bytes } = writeTraceDat({
    version: 7,
    cpuCount: driver.cpus,
    events: pageRefEvents(8),
    buffers: [{ name: '', clock: kind === 'text' || kind === 'perf' ? 'local' : kind, cpus: cpuRecords(made) }],
    kallsyms: kallsyms(made),
    cmdlines: [...tasks]
      .filter(([pid]) => pid > 0)
      .map(([pid, name]) => `${pid} ${name}\n`)
      .join(''),
    ...(conditions.kernelKnown ? { uname: `Linux simulated ${run.kernel.rules.kernel} x86_64` } : {}),
  })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'trace.dat'), bytes)
  const held = truth.held
  writeFileSync(
    join(directory, 'truth.json'),
    `${JSON.stringify({ seed, driver, conditions, faults: truth.faults, cascade: truth.cascade, held }, undefined, 1)}\n`,
  )
}

function cpuRecords({ rows, lost, driver }: SimulatedRecording): Map<number, SynthRecord[]> {
  const cpus = new Map<number, SynthRecord[]>()
  for (let cpu = 0; cpu < driver.cpus; cpu++) cpus.set(cpu, [])
  for (const row of rows) {
    const records = cpus.get(row.cpu)!
    const gap = lost.find(({ cpu, to }) => cpu === row.cpu && to === row.time)
    if (gap !== undefined) records.push(gap.count === undefined ? { kind: 'lost' } : { kind: 'lost', count: gap.count })
    const time = BigInt(Math.round(row.time))
    const flags = (BigInt(row.flagsHigh!) << 32n) | BigInt(row.flagsLow!)
    const { pfn, count, val, ret, pid } = row
    const values = { pfn, flags, count, mapcount: row.mapcount!, val, ret, mt: 1 }
    records.push({ kind: 'event', time, event: OP_NAMES[row.op], pid, values })
    const frames = row.event.stack.map(({ address }) => address)
    if (row.stack !== undefined) records.push({ kind: 'stack', time, pid, frames })
  }
  return cpus
}

/** kallsyms of the functions in the stacks. Start addresses are known as far as frames have offsets. */
function kallsyms({ rows }: SimulatedRecording): string {
  const symbols = new Map<bigint, string>()
  for (const { event } of rows) {
    for (const { address, name, offset, module } of event.stack) {
      if (offset !== undefined)
        symbols.set(address - BigInt(offset), module === undefined ? name : `${name}\t[${module}]`)
    }
  }
  return [...symbols]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([start, name]) => `${start.toString(16).padStart(16, '0')} t ${name}\n`)
    .join('')
}

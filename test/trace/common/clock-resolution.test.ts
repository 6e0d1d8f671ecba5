// SPDX-License-Identifier: GPL-2.0-or-later
// Clocks that count nanoseconds and yet stand still for longer: their stamps show it.
import { describe, expect, it } from 'vitest'
import { newBatch } from '../../../src/trace/common/batch.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { GrainObserver } from '../../../src/trace/common/clock-resolution.ts'
import type { EventBatch } from '../../../src/trace/events.ts'
import { openRecording } from '../../../src/trace/open.ts'
import { random } from '../../../testkit/random.ts'
import { type SynthRecord, writeTraceDat } from '../../../testkit/writers/tracedat.ts'

/** Stamps of CPUs that record an event every few `apart` ns, all by one clock, in the order in which they were taken. */
function stamps(
  count: number,
  apart: number,
  clock: (now: number) => number,
  cpus = 2,
): { time: number; cpu: number }[] {
  const chance = random(7)
  let now = 0
  return Array.from({ length: count }, () => {
    now += chance.int(1, apart)
    return { time: clock(now), cpu: chance.int(0, cpus - 1) }
  })
}

function batchOf(rows: readonly { time: number; cpu: number }[]): EventBatch {
  const batch = newBatch(rows.length)
  batch.length = rows.length
  rows.forEach(({ time, cpu }, i) => {
    batch.time[i] = time
    batch.cpu[i] = cpu
  })
  return batch
}

function grainOf(rows: readonly { time: number; cpu: number }[], base = 0n): number {
  const observer = new GrainObserver(base)
  observer.add(batchOf(rows))
  return observer.grain
}

const steps = (length: number) => (now: number) => Math.floor(now / length) * length

describe('a clock', () => {
  it.each([
    ['of HZ=100', 10_000_000],
    ['of HZ=250', 4_000_000],
    ['of HZ=300', 3_333_333],
    ['of HZ=1000', 1_000_000],
  ])('%s is seen by its events that share stamps, and by its period where they are far apart', (_, period) => {
    expect(grainOf(stamps(5000, 5_000, steps(period)))).toBe(period)
    expect(grainOf(stamps(200, 90_000_000, steps(period)))).toBe(period)
  })

  it('of 32768 Hz is', () => {
    expect(grainOf(stamps(5000, 4_000, now => Math.floor(Math.floor(now / 30517.578125) * 30517.578125)))).toBe(30517)
  })

  it('of a timer interrupt that is not quite regular is', () => {
    // As by CLOCK_MONOTONIC, which is steered: its steps are a little shorter or longer.
    const grain = grainOf(stamps(20_000, 5_000, now => Math.floor(Math.floor(now / 4_000_000) * 3_999_871.3)))
    expect(grain).toBeGreaterThan(3_900_000)
    expect(grain).toBeLessThan(4_100_000)
  })

  it('counts from its own 0, not from where the recording begins', () => {
    const rows = stamps(200, 90_000_000, now => steps(4_000_000)(now + 1_234_567) - 1_234_567)
    expect(grainOf(rows, 1_234_567n)).toBe(4_000_000)
    expect(grainOf(rows, 0n)).toBe(0)
  })

  it('that no CPU saw move on tells nothing over the whole recording', () => {
    const rows = Array.from({ length: 40 }, (_, i) => ({ time: i < 20 ? 8_000_000 : 12_000_000, cpu: i < 20 ? 0 : 1 }))
    expect(grainOf(rows)).toBe(4_000_001)
  })

  it.each([
    ['1 ns', 1, 300],
    ['52 ns', 52, 300],
    ['1 ns, events far apart', 1, 90_000_000],
  ])('of %s is not slow', (_, tick, apart) => {
    expect(grainOf(stamps(5000, apart, steps(tick)))).toBe(0)
  })

  it('is not slow because some nested events have the stamp of the event around them', () => {
    const rows = stamps(5000, 3000, steps(1)).flatMap((row, i) => (i % 20 === 0 ? [row, row] : [row]))
    expect(grainOf(rows)).toBe(0)
  })

  it('is not slow for a few events at round times', () => {
    expect(grainOf(Array.from({ length: 20 }, (_, i) => ({ time: i * 4_000_000, cpu: 0 })))).toBe(0)
    // No timer interrupt is that rare.
    expect(grainOf(Array.from({ length: 200 }, (_, i) => ({ time: i * 1e9, cpu: 0 })))).toBe(0)
  })

  it('that is read on many CPUs, and goes back on one', () => {
    const rows = [...stamps(3000, 5_000, steps(4_000_000), 300), { time: 0, cpu: 1 }, { time: 4_000_000, cpu: 1 }]
    expect(grainOf(rows)).toBe(4_000_000)
  })
})

describe('a recording', () => {
  const recordingOf = (rows: readonly { time: number; cpu: number }[], clock: string, offset: string) => {
    const cpus = new Map<number, SynthRecord[]>()
    for (const { time, cpu } of rows) {
      const record: SynthRecord = { kind: 'event', time: BigInt(time), event: 'page_ref_set', values: { pfn: 5 } }
      cpus.set(cpu, [...(cpus.get(cpu) ?? []), record])
    }
    const options = [{ id: 7, data: new TextEncoder().encode(`${offset}\0`) }]
    const { bytes } = writeTraceDat({ version: 7, buffers: [{ name: '', clock, cpus }], options })
    return openRecording(new BytesSource('trace.dat', bytes))
  }

  it('tells it before its first batch is delivered', async () => {
    // An offset that was added to all times is not the clock's.
    const rows = stamps(2000, 5_000, now => 4_000_000 + steps(4_000_000)(now))
    const recording = await recordingOf(rows, 'local', '1234567')
    expect(recording.info.resolution).toBe(1)
    const seen: number[] = []
    for await (const _ of recording.batches()) seen.push(recording.info.resolution)
    expect(seen).toEqual([4_000_000])
  })

  it('is never finer than its clock', async () => {
    const recording = await recordingOf(stamps(50, 3, steps(1)), 'uptime', '0')
    for await (const _ of recording.batches()) expect(recording.info.resolution).toBe(10_000_000)
  })

  it('by a fine clock stays so', async () => {
    const recording = await recordingOf(stamps(2000, 500, steps(1)), 'local', '0')
    for await (const _ of recording.batches()) expect(recording.info.resolution).toBe(1)
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Each trace clock: what its stamps become, how they are written, and how far apart they must be to say what came first.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeCodecs } from '../../../src/node/codecs.ts'
import { FileSource } from '../../../src/node/source.ts'
import { eventJson } from '../../../src/print/event-lines.ts'
import { reportText } from '../../../src/print/trace-cmd-report.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { CPU_SKEW, clockOf, type StampInfo, spanOf, stampSlack } from '../../../src/trace/common/clock.ts'
import { exactTimeText, givenTime, shownStep, spanText, timeNumber, timeText } from '../../../src/trace/common/times.ts'
import type { Recording } from '../../../src/trace/events.ts'
import { sourceInput } from '../../../src/trace/ftracetext/lines.ts'
import { openText } from '../../../src/trace/ftracetext/recording.ts'
import { openRecording } from '../../../src/trace/open.ts'
import { data, dataPath, program, run } from '../../../testkit/data.ts'
import {
  type BufferSpec,
  type SynthRecord,
  type TraceDatSpec,
  writeTraceDat,
} from '../../../testkit/writers/tracedat.ts'
import { needs } from '../../support/needs.ts'

const encoder = new TextEncoder()

const set = (time: bigint, pfn = 5): SynthRecord => ({
  kind: 'event',
  time,
  event: 'page_ref_set',
  pid: 42,
  values: { pfn },
})

const oneCpu = (clock: string, times: readonly bigint[]): BufferSpec => ({
  name: '',
  clock,
  cpus: new Map([[0, times.map(time => set(time))]]),
})

/** The statistics of a CPU, as in tracefs `per_cpu/cpu0/stats`. */
const statistics = (now: string) => ({ id: 2, data: encoder.encode(`CPU: 0\nentries: 0\nnow ts: ${now}\n`) })

/** trace-cmd's option TSC2NSEC. */
function calibration(mult: number, shift: number): { id: number; data: Uint8Array } {
  const data = new Uint8Array(16)
  const view = new DataView(data.buffer)
  view.setUint32(0, mult, true)
  view.setUint32(4, shift, true)
  view.setBigUint64(8, 77n, true)
  return { id: 14, data }
}

const text = (id: number, value: string) => ({ id, data: encoder.encode(`${value}\0`) })

function write(spec: Partial<TraceDatSpec> & Pick<TraceDatSpec, 'buffers'>): BytesSource {
  return new BytesSource('trace.dat', writeTraceDat({ version: 7, ...spec }).bytes)
}

interface Read {
  recording: Recording
  times: number[]
  cpus: number[]
}

async function readAll(recording: Recording): Promise<Read> {
  const [times, cpus]: number[][] = [[], []]
  for await (const { order, length, time, cpu } of recording.batches()) {
    for (const row of order.subarray(0, length)) {
      times!.push(time[row]!)
      cpus!.push(cpu[row]!)
    }
  }
  return { recording, times: times!, cpus: cpus! }
}

const read = async (spec: Parameters<typeof write>[0]) => readAll(await openRecording(write(spec)))

describe('a trace.dat by', () => {
  it.each([
    ['local', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['global', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['perf', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['mono', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['mono_raw', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['boot', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['tai', 'ns', 1, '0.000002', '0.000002107', [0, 1000]],
    ['uptime', 'ns', 10_000_000, '21.07', '21.070000000', [0, 10_000_000_000]],
    ['counter', 'ticks', 1, '2107', '2107', [0, 1000]],
    ['x86-tsc', 'ticks', 1, '2107', '2107', [0, 1000]],
    ['ppc-tb', 'ticks', 1, '2107', '2107', [0, 1000]],
    ['s390-tod', 'ns', 1, '0.000001', '0.000000514', [0, 244]],
  ] as const)('%s', async (clock, unit, resolution, shown, exact, expected) => {
    const { recording, times } = await read({ buffers: [oneCpu(clock, [2107n, 3107n])] })
    expect(recording.info).toMatchObject({ clock, unit, resolution })
    expect(times).toEqual(expected)
    expect(timeText(0, recording)).toBe(shown)
    expect(exactTimeText(0, recording)).toBe(exact)
    expect(timeNumber(0, recording)).toBe(unit === 'ticks' ? 2107 : Number(exact))
    expect(timeNumber(Infinity, recording)).toBeNull()
  })

  it('x86-tsc that trace-cmd has measured counts ns, without loss over years', async () => {
    const [mult, shift] = [357_913_941, 30]
    const base = 1n << 58n
    const spec = { options: [calibration(mult, shift), statistics(`${base + 12_000_000n}`)] }
    const { recording, times } = await read({
      ...spec,
      buffers: [oneCpu('x86-tsc', [base, base + 3n, base + 6_000_000n])],
    })
    expect(recording.timeBase).toBe((base * BigInt(mult)) >> BigInt(shift))
    expect(times).toEqual([0, 0, 1_999_999])
    expect(recording.info).toMatchObject({ unit: 'ns', resolution: 1, endTime: 3_999_999 })
  })

  it('the clock of the buffer that is read', async () => {
    const buffers = [oneCpu('local', [1n]), { ...oneCpu('uptime', [7n]), name: 'slow' }]
    const { recording } = await readAll(await openRecording(write({ buffers }), { buffer: 'slow' }))
    expect([recording.info.clock, timeText(0, recording)]).toEqual(['uptime', '0.07'])
  })

  it.each([
    ['local', '    0.000009', 7_000],
    ['uptime', '2350', 2_430_000_000],
    ['counter', '2350', 243],
  ])('%s ended when its statistics were read', async (clock, now, endTime) => {
    const start = clock === 'local' ? 2000n : 2107n
    const { recording } = await read({ options: [statistics(now)], buffers: [oneCpu(clock, [start])] })
    expect(recording.info.endTime).toBe(endTime)
  })

  it('does not take the statistics of another kind of clock for its own', async () => {
    const { recording } = await read({ options: [statistics('2350')], buffers: [oneCpu('local', [7n])] })
    expect(recording.info.endTime).toBeUndefined()
  })

  it('DATE and OFFSET, of which one counts microseconds', async () => {
    const options = [text(1, '0x1000'), text(7, '-96000')]
    const { recording } = await read({ options, buffers: [oneCpu('uptime', [100n])] })
    expect(recording.timeBase).toBe(1_004_000_000n)
  })

  it('gaps too are in ns', async () => {
    const records: SynthRecord[] = [set(100n), { kind: 'lost', count: 3 }, set(107n)]
    const recording = await openRecording(
      write({ buffers: [{ name: '', clock: 'uptime', cpus: new Map([[0, records]]) }] }),
    )
    for await (const { lost } of recording.batches())
      expect(lost).toEqual([{ cpu: 0, from: 0, to: 70_000_000, count: 3 }])
  })

  it('lastput events --json has its times in seconds, or ticks', async () => {
    const lines = async (clock: string) => {
      let json = ''
      for await (const part of eventJson(await openRecording(write({ buffers: [oneCpu(clock, [2107n])] }))))
        json += part
      return JSON.parse(json).time
    }
    expect([await lines('uptime'), await lines('counter')]).toEqual(['21.070000000', '2107'])
  })
})

const folder = mkdtempSync(join(tmpdir(), 'lastput-clocks-'))
afterAll(() => rmSync(folder, { recursive: true }))

needs(program('trace-cmd')).describe('lastput events shows times as trace-cmd does by', () => {
  const clocks = ['local', 'global', 'perf', 'mono', 'mono_raw', 'boot', 'tai', 'uptime', 'counter']
  const machines = ['x86-tsc', 'ppc-tb', 's390-tod', 'tsc2nsec']
  const measured = calibration(357_913_941, 30)
  it.each([
    ...[...clocks, ...machines].map(clock => [clock, [], undefined] as const),
    ['x86-tsc', [measured], undefined],
    ['local', [measured], undefined],
    ['x86-tsc', [measured, text(7, '5000')], undefined],
    ['local', [text(1, '0x1000')], undefined],
    ['uptime', [text(1, '0x1000'), text(7, '-50')], undefined],
    ['local', [], 'x86-tsc'],
    ['x86-tsc', [], 'local'],
  ] as const)('%s, options %j, an instance by %s', async (clock, options, other) => {
    for (const version of [6, 7] as const) {
      const times = [2107n, 1_499_999n, 12_345_678n, 1n << 50n]
      const buffers = [oneCpu(clock, times)]
      if (other) buffers.push({ ...oneCpu(other, [2100n, 12_345_679n]), name: 'instance' })
      const { bytes } = writeTraceDat({ version, buffers, options: [...options] })
      const path = join(folder, 'trace.dat')
      writeFileSync(path, bytes)
      let ours = ''
      for await (const part of reportText(new BytesSource(path, bytes), [])) ours += part
      expect(ours).toBe(run('trace-cmd', ['report', path]))
    }
  })
})

describe('text', () => {
  const FIELDS = 'page_ref_set: pfn=0x5 flags=none count=1 mapcount=-1 mapping=0000000000000000 mt=1 val=1'
  const line = (cpu: number, time: string) => `  a-1     [00${cpu}] ..... ${time}: ${FIELDS}\n`
  const open = (text: string) => openText(sourceInput(new BytesSource('text', encoder.encode(text))))

  it.each([
    ['     5.935054', 'ns', 1000],
    ['     5.935054123', 'ns', 1],
    ['12345us ', 'ns', 1000],
    ['     5935054', 'ticks', 1],
  ])('%s', async (time, unit, resolution) => {
    expect((await open(line(0, time))).info).toMatchObject({ unit, resolution })
  })

  it('of uptime is known by its ticks that do not move', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => line(i % 2, `     ${2107 + Math.floor(i / 10)}`))
    const { recording, times } = await readAll(await open(lines.join('')))
    expect(recording.info).toMatchObject({ clock: 'uptime', unit: 'ns', resolution: 10_000_000 })
    expect([times[0]!, times.at(-1)!].map(time => timeText(time, recording))).toEqual(['21.07', '21.10'])
  })

  it.each([
    ['that count events', (i: number) => 2107 + i],
    ['that count cycles', (i: number) => 123_456_789_012 + i * 1234],
    ['of which there are few', (i: number) => (i < 10 ? 2107 : undefined)],
  ])('of ticks %s is left as it is', async (_, timeOf) => {
    const lines = Array.from({ length: 40 }, (_, i) => timeOf(i)).flatMap((time, i) =>
      time === undefined ? [] : line(i % 2, `     ${time}`),
    )
    const { recording, times } = await readAll(await open(lines.join('')))
    expect(recording.info).toMatchObject({ clock: 'ticks', unit: 'ticks', resolution: 1 })
    expect(timeText(times[0]!, recording)).toBe(String(timeOf(0)))
  })

  it('keeps the order of its lines, whatever their times', async () => {
    const { cpus } = await readAll(await open([1, 0, 2, 0, 1].map(cpu => line(cpu, '     5.000001')).join('')))
    expect(cpus).toEqual([1, 0, 2, 0, 1])
  })
})

describe('merging CPUs', () => {
  it('keeps the order of each, and of equal stamps has the lower CPU first', async () => {
    // Every CPU's pages rise: what came of a CPU must too.
    for (const count of [2, 3, 5]) {
      const cpus = new Map(
        Array.from({ length: count }, (_, cpu) => [
          cpu,
          Array.from({ length: 30 }, (_, i) => set(BigInt(100 + Math.floor((i + cpu) / 7)), i)),
        ]),
      )
      const recording = await openRecording(write({ buffers: [{ name: '', clock: 'uptime', cpus }] }))
      const rows: { time: number; cpu: number; pfn: number }[] = []
      for await (const batch of recording.batches())
        for (const row of batch.order.subarray(0, batch.length))
          rows.push({ time: batch.time[row]!, cpu: batch.cpu[row]!, pfn: batch.pfn[row]! })
      expect(rows).toHaveLength(30 * count)
      expect(rows).toEqual([...rows].sort((a, b) => a.time - b.time || a.cpu - b.cpu || a.pfn - b.pfn))
    }
  })

  it('keeps the order of a CPU whose clock goes back', async () => {
    const back: SynthRecord[] = [set(100n, 1), { kind: 'stamp', time: 50n }, set(50n, 2), set(60n, 3)]
    const recording = await openRecording(
      write({
        buffers: [
          {
            name: '',
            clock: 'local',
            cpus: new Map([
              [0, back],
              [1, [set(70n, 9)]],
            ]),
          },
        ],
      }),
    )
    const pages: number[] = []
    for await (const { order, length, pfn } of recording.batches())
      for (const row of order.subarray(0, length)) pages.push(pfn[row]!)
    expect(pages.filter(page => page < 9)).toEqual([1, 2, 3])
  })
})

describe('how far stamps reach', () => {
  const info = (clock: string, unit: 'ns' | 'ticks', resolution = 1, cpus = 4): StampInfo => ({
    clock,
    unit,
    resolution,
    cpus,
  })
  const isOrdered = (of: StampInfo, apart: number) => 1000 + stampSlack(of) < 1000 + apart

  it('is what clocks of CPUs may differ by, and their resolution', () => {
    expect(stampSlack(info('local', 'ns'))).toBe(CPU_SKEW)
    expect(stampSlack(info('unknown', 'ns', 1000))).toBe(CPU_SKEW + 999)
    // One step of a clock of 4 ms may be no time at all; two are 4 ms or more.
    expect(isOrdered(info('local', 'ns', 4_000_000), 4_000_000)).toBe(false)
    expect(isOrdered(info('local', 'ns', 4_000_000), 8_000_000)).toBe(true)
  })

  it('is any difference where all CPUs read one counter, and never none', () => {
    for (const [of, step] of [
      [info('uptime', 'ns', 10_000_000), 10_000_000],
      [info('counter', 'ticks'), 1],
    ] as const) {
      expect([isOrdered(of, 0), isOrdered(of, step)]).toEqual([false, true])
    }
  })

  it('is more ticks than any counter makes, where their length is not known', () => {
    expect(stampSlack(info('x86-tsc', 'ticks'))).toBe(6 * CPU_SKEW)
    expect(stampSlack(info('ticks', 'ticks'))).toBe(6 * CPU_SKEW)
    expect(stampSlack(info('x86-tsc', 'ns'))).toBe(CPU_SKEW)
  })

  it.each([
    ['local', 'ns', 1, 50_000_000],
    ['local', 'ns', 4_000_000, 53_999_999],
    ['uptime', 'ns', 10_000_000, 59_999_999],
    ['x86-tsc', 'ticks', 1, 300_000_000],
    ['ppc-tb', 'ticks', 1, 50_000_000],
    ['counter', 'ticks', 1, 2_000_000],
  ] as const)('50 ms by %s in %s of resolution %i take at most %i', (clock, unit, resolution, most) => {
    expect(spanOf(50_000_000, info(clock, unit, resolution))).toBe(most)
  })

  it('of a counter of events grows with the CPUs that make them', () => {
    expect(spanOf(1000, info('counter', 'ticks', 1, 1))).toBe(10)
    expect(spanOf(1000, info('counter', 'ticks', 1, 0))).toBe(10)
    expect(spanOf(1000, info('counter', 'ticks', 1, 64))).toBe(640)
  })

  it('takes a clock that no kernel shares for a counter of cycles', () => {
    expect(clockOf('arm64-tsc')).toEqual(clockOf('x86-tsc'))
    expect(clockOf('boot')).toEqual(clockOf('local'))
  })
})

describe('times as text', () => {
  const ns = { clock: 'local', unit: 'ns' } as const
  const uptime = { clock: 'uptime', unit: 'ns' } as const
  const ticks = { clock: 'counter', unit: 'ticks' } as const

  it('are rounded as by trace-cmd, and may be before 0', () => {
    const of = { timeBase: 1_000_000_000n, info: ns }
    expect([timeText(499, of), timeText(500, of), timeText(Infinity, of)]).toEqual(['1.000000', '1.000001', '?'])
    expect(timeText(-1_500_000_000, of)).toBe('-0.500000')
    expect(exactTimeText(-1_500_000_001, of)).toBe('-0.500000001')
  })

  it.each([
    [ns, 999_000, '999 us'],
    [ns, 1_500_000, '1.5 ms'],
    [ns, 12_340_000_000, '12.3 s'],
    [uptime, 30_000_000, '30 ms'],
    [uptime, 0, '0 us'],
    [ticks, 1, '1 tick'],
    [ticks, 1_500_000, '1500000 ticks'],
  ] as const)('spans of %o: %i', (style, span, shown) => expect(spanText(span, style)).toBe(shown))

  it('given by somebody are seconds, or ticks', () => {
    expect([givenTime(5_966_999_000n, ns), givenTime(5_000_000_000n, ticks)]).toEqual([5_966_999_000n, 5n])
    expect([shownStep(ns), shownStep(uptime), shownStep(ticks)]).toEqual([1000, 10_000_000, 1])
  })
})

const SLOW = 'glint/g-ok-clock-uptime-b1/trace.dat'

needs(data(SLOW)).test('a recording by -C uptime of a kernel has its times in seconds', async () => {
  const source = new FileSource(dataPath(SLOW))
  const { recording, times } = await readAll(await openRecording(source, { codecs: nodeCodecs }))
  source.close()
  expect(recording.info).toMatchObject({ clock: 'uptime', unit: 'ns', resolution: 10_000_000 })
  expect([times[0]!, times.at(-1)!].map(time => timeText(time, recording))).toEqual(['21.04', '23.44'])
})

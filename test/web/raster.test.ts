// SPDX-License-Identifier: GPL-2.0-or-later
// What the timeline draws, held against looking at every event of every pixel.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BLOCK, NO_IDLE, type Timeline } from '../../src/report/timeline.ts'
import { axisTicks } from '../../web/src/timeline/axis.ts'
import { firstAtOrAfter, rasterRow, Shade, shadeOf } from '../../web/src/timeline/raster.ts'
import { TimeWindow } from '../../web/src/timeline/window.ts'

/** A timeline of pages whose events come `gap` after one another and leave `count`. */
function timelineOf(pages: { gap: number; count: number }[][], idle: number): Timeline {
  const events = pages.flatMap(page => {
    let time = 0
    return page.map(({ gap, count }) => ({ time: (time += gap), count }))
  })
  const start = new Uint32Array(pages.length + 1)
  for (const [p, page] of pages.entries()) start[p + 1] = start[p]! + page.length
  const blocks = Array.from({ length: Math.ceil(events.length / BLOCK) }, (_, b) =>
    events.slice(b * BLOCK, (b + 1) * BLOCK).map(event => event.count),
  )
  return {
    pfns: Float64Array.from(pages, (_, p) => p),
    start,
    time: Float64Array.from(events, event => event.time),
    count: Int16Array.from(events, event => event.count),
    high: Int16Array.from(blocks, block => Math.max(...block)),
    low: Int16Array.from(blocks, block => Math.min(...block)),
    idle: new Int16Array(pages.length).fill(idle),
    firstTime: 0,
    lastTime: Math.max(0, ...events.map(event => event.time)),
    begins: new Uint8Array(0),
    density: new Uint32Array(1024),
  }
}

/** Every event looked at for every pixel. */
function naive({ start, time, count, idle }: Timeline, p: number, from: number, step: number, x: number): number {
  const events = Array.from({ length: start[p + 1]! - start[p]! }, (_, i) => start[p]! + i)
  const [left, right] = [from + x * step, from + (x + 1) * step]
  const within = events.filter(i => time[i]! >= left && time[i]! < right)
  const before = events.filter(i => time[i]! < left).slice(-1)
  const counts = [...before, ...within].map(i => count[i]!)
  if (counts.length === 0) return Shade.UNKNOWN
  return shadeOf(Math.min(...counts), Math.max(...counts), idle[p] === NO_IDLE ? 0 : idle[p]!)
}

const event = fc.record({ gap: fc.integer({ min: 0, max: 40 }), count: fc.integer({ min: -2, max: 40 }) })
const pages = fc.array(fc.array(event, { minLength: 1, maxLength: 150 }), { minLength: 1, maxLength: 3 })

test('a row shows what a look at every event would', () => {
  fc.assert(
    fc.property(
      pages,
      fc.constantFrom(0, 1, NO_IDLE),
      fc.integer({ min: -50, max: 400 }),
      fc.integer({ min: 1, max: 64 }),
      (spec, idle, from, step) => {
        const timeline = timelineOf(spec, idle)
        const out = new Uint8Array(40)
        for (let p = 0; p < spec.length; p++) {
          rasterRow(timeline, p, from, step, out)
          expect(Array.from(out)).toEqual(Array.from(out, (_, x) => naive(timeline, p, from, step, x)))
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('the search gallops to what a scan finds', () => {
  const times = fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 80 })
  fc.assert(
    fc.property(times, fc.nat(80), fc.integer({ min: -1, max: 101 }), (list, begin, time) => {
      const sorted = Float64Array.from([...list].sort((a, b) => a - b))
      const from = Math.min(begin, sorted.length)
      let found = from
      while (found < sorted.length && sorted[found]! < time) found++
      expect(firstAtOrAfter(sorted, from, sorted.length, time)).toBe(found)
    }),
  )
})

test('the window stays within the recording, and zoom keeps the time under the pointer', () => {
  const step = fc.record({
    zoom: fc.double({ min: 0.1, max: 10, noNaN: true }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const window = new TimeWindow(0, 1e9)
      for (const { zoom, part } of steps) {
        const [from, to, at] = [window.from, window.to, window.from + part * window.span]
        window.zoom(zoom, part)
        expect(window.from).toBeGreaterThanOrEqual(window.first)
        expect(window.to).toBeLessThanOrEqual(window.last + 1e-3)
        if (zoom < 1 && to - from > 1000) expect(window.from + part * window.span).toBeCloseTo(at, -3)
        window.pan(part - 0.5)
        expect(window.from).toBeGreaterThanOrEqual(window.first)
      }
    }),
  )
})

describe('the time axis', () => {
  const spans = fc.record({
    timeBase: fc.bigInt({ min: 0n, max: 1_800_000_000n * 10n ** 9n }),
    from: fc.integer({ min: -1e9, max: 1e12 }),
    span: fc.integer({ min: 100, max: 1e13 }),
  })
  /** A text of seconds as ns. */
  const nsOf = (text: string) => {
    const [, whole, fraction = ''] = /^(\d+)(?:\.(\d+))? s$/.exec(text)!
    return BigInt(whole!) * 10n ** 9n + BigInt(fraction.padEnd(9, '0'))
  }

  test('has round times, each where the text says, in order, and not too many', () => {
    fc.assert(
      fc.property(spans, ({ timeBase, from, span }) => {
        const base = timeBase + 10n ** 10n
        const ticks = axisTicks(from, from + span, 0.1, { timeBase: base, unit: 's' })
        expect(ticks.length).toBeLessThanOrEqual(11)
        expect(ticks.length).toBeGreaterThanOrEqual(1)
        for (const { time, text } of ticks) {
          expect(base + BigInt(time)).toBe(nsOf(text))
          expect(time >= from && time <= from + span).toBe(true)
        }
        const steps = new Set(ticks.slice(1).map(({ time }, i) => time - ticks[i]!.time))
        expect(steps.size).toBeLessThanOrEqual(1)
        for (const step of steps) expect(String(step)).toMatch(/^[125]0*$/)
        expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length)
      }),
    )
  })

  test('counts ticks of a clock that does not tell how long they are', () => {
    expect(axisTicks(0, 100, 0.3, { timeBase: 7n, unit: 'ticks' })).toEqual([
      { time: 43, text: '50' },
      { time: 93, text: '100' },
    ])
  })

  test('shows an event between the times around it, though the recording began at no round time', () => {
    // dax-6.12: the event at 12.478007 stood at "12.86".
    const timeBase = 12_118_364_912n
    const event = Number(12_478_007_000n - timeBase)
    const ticks = axisTicks(0, 1e9, 0.1, { timeBase, unit: 's' })
    const before = ticks.findLast(({ time }) => time <= event)!
    const after = ticks.find(({ time }) => time > event)!
    expect([before.text, after.text]).toEqual(['12.4 s', '12.5 s'])
  })
})

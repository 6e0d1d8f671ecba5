// SPDX-License-Identifier: GPL-2.0-or-later
// What the timeline draws, held against looking at every event of every pixel.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BLOCK, NO_IDLE, type Timeline } from '../../src/report/timeline.ts'
import { firstAtOrAfter, rasterRow, Shade, shadeOf } from '../../web/src/timeline/raster.ts'
import { TimeWindow, ticksBetween } from '../../web/src/timeline/window.ts'

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

test('ticks are round, within, and not too many', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), fc.integer({ min: 100, max: 1e12 }), (from, span) => {
      const ticks = ticksBetween(from, from + span, 0.1)
      expect(ticks.length).toBeLessThanOrEqual(11)
      for (const tick of ticks) expect(tick >= from && tick <= from + span * 1.000001).toBe(true)
    }),
  )
})

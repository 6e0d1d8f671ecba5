// SPDX-License-Identifier: GPL-2.0-or-later
// Every mark of a recording's views, read off the page as a user sees it, held against the events that the command line tells.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import { type Browser, chromium, launchBrowser, type Page, watchedPage } from '../../testkit/browser.ts'
import type { TraceJson } from '../../web/src/documents.ts'
import { needs } from '../support/needs.ts'
import { lastput, root } from './built.ts'
import { opened } from './served.ts'

/** CSS pixels of the drawing: names of the rows, the axis, a row. */
const [LABELS, AXIS, ROW] = [118, 22, 16]

const recordingOf = (example: string) => join(root, 'examples', example, 'trace.dat')
const traceOf = (example: string): TraceJson => JSON.parse(lastput(['trace', recordingOf(example), '--json']))

/** Device pages of this recording and of those from QEMU like it. */
const FIRST_PFN = 0xfcf8000

interface PageEvent {
  time: number
  count: number
}

/** Each device page's events in order of time, in ns since the recording's time base, and that in seconds. */
async function eventsOf(example: string): Promise<{ base: number; pages: Map<number, PageEvent[]> }> {
  const bytes = new Uint8Array(readFileSync(recordingOf(example)))
  const recording = await openRecording(new BytesSource('trace.dat', bytes))
  const pages = new Map<number, PageEvent[]>()
  for await (const { order, length, pfn, time, count } of recording.batches()) {
    for (const i of order.subarray(0, length)) {
      if (pfn[i]! < FIRST_PFN) continue
      const list = pages.get(pfn[i]!) ?? []
      list.push({ time: time[i]!, count: count[i]! })
      pages.set(pfn[i]!, list)
    }
  }
  return { base: Number(recording.timeBase) / 1e9, pages }
}

/** Two frames, after which what has changed is drawn. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
}

/** Colours of a line of a canvas, pixel by pixel, as #rrggbb. */
function lineOf(page: Page, selector: string, y: number): Promise<string[]> {
  return page.evaluate(
    ({ selector, y }) => {
      const canvas = document.querySelector<HTMLCanvasElement>(selector)!
      const { data } = canvas.getContext('2d')!.getImageData(0, Math.round(y * devicePixelRatio), canvas.width, 1)
      const hex = (i: number) => [0, 1, 2].map(at => data[i * 4 + at]!.toString(16).padStart(2, '0')).join('')
      return Array.from({ length: canvas.width }, (_, i) => `#${hex(i)}`)
    },
    { selector, y },
  )
}

/** Middles of the runs of one colour, in CSS pixels. */
function middles(line: readonly string[], colour: string, scale: number): number[] {
  const found: number[] = []
  line.forEach((each, i) => {
    if (each !== colour || line[i - 1] === colour) return
    let end = i
    while (line[end] === colour) end++
    found.push((i + end) / 2 / scale)
  })
  return found
}

const SCHEMES = {
  light: { mark: '#c01c28', accent: '#8a5300', bar: '#4a90e2' },
  dark: { mark: '#ff7b7b', accent: '#ffc266', bar: '#3d80cf' },
} as const

needs(chromium()).describe('marks', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  /** Shows an example's recording; the page has as many device pixels as asked for. */
  async function show(
    example: string,
    hash: string,
    use: (page: Page) => Promise<void>,
    options: { width?: number; deviceScaleFactor?: number; colorScheme?: 'light' | 'dark' } = {},
  ): Promise<void> {
    const { width = 1280, ...more } = options
    await opened([recordingOf(example)], async url => {
      const { page, errors } = await watchedPage(browser, { viewport: { width, height: 800 }, ...more })
      await page.goto(`${url}${hash}`)
      await use(page)
      expect(errors).toEqual([])
      await page.close()
    })
  }

  const widthOf = (page: Page, selector: string) => page.locator(selector).evaluate(each => each.clientWidth)

  test.each([
    [1280, 1, 'light'],
    [1280, 2, 'dark'],
    [800, 1, 'dark'],
    [800, 1.5, 'light'],
  ] as const)(
    '%i px, %f device pixels each, %s: flags, cursor, overview and window stand at their times',
    async (width, deviceScaleFactor, colorScheme) => {
      const colours = SCHEMES[colorScheme]
      const { findings, source } = traceOf('leak-6.12')
      const { base, pages } = await eventsOf('leak-6.12')
      const [first, last, flagged] = [source.firstTime!, source.lastTime!, findings[0]!.culprit!.time].map(
        time => (time - base) * 1e9,
      ) as [number, number, number]
      const room = (last - first) * 0.01
      for (const [from, to] of [
        [first - room, last + room],
        [flagged - 2e6, flagged + 1e6],
      ] as const) {
        const hash = `#view=pages&only=findings&page=${findings[0]!.pfn}&at=2&from=${Math.round(from)}&to=${Math.round(to)}`
        await show(
          'leak-6.12',
          hash,
          async page => {
            await page.locator('.detail .life-events').waitFor()
            await drawn(page)
            const shown = await widthOf(page, '.timeline canvas')
            const at = (time: number) => LABELS + ((time - from) / (to - from)) * (shown - LABELS)
            // The stem of the flag, below its triangle, on the page's row below that of its pagemap.
            const y = AXIS + ROW + 12
            const row = await lineOf(page, '.timeline canvas', y)
            const stems = middles(row.slice(Math.ceil(LABELS * deviceScaleFactor)), colours.mark, deviceScaleFactor)
            expect(stems.length).toBe(1)
            expect(Math.abs(stems[0]! + LABELS - at(flagged))).toBeLessThanOrEqual(1.5)
            // The cursor of the selected event, the page's third.
            const own = pages.get(Number(findings[0]!.pfn))!
            const cursor = at(own[2]!.time)
            if (cursor > LABELS && cursor < shown) {
              const cursors = middles(row, colours.accent, deviceScaleFactor).filter(x => x > LABELS && x < shown - 2)
              expect(Math.min(...cursors.map(x => Math.abs(x - cursor)))).toBeLessThanOrEqual(1.5)
            }
            // The overview: its window, the flag, a bar wherever there are events and nowhere else; in the same columns as the rows.
            const overview = await widthOf(page, '.minimap')
            expect(overview).toBe(shown)
            const all = (time: number) =>
              LABELS + ((time - first + room) / (last - first + 2 * room)) * (overview - LABELS)
            const low = await lineOf(page, '.minimap', 40)
            const flags = middles(await lineOf(page, '.minimap', 10), colours.mark, deviceScaleFactor)
            expect(flags.length).toBe(1)
            expect(Math.abs(flags[0]! - all(flagged))).toBeLessThanOrEqual(1.5)
            const edges = middles(low, colours.accent, deviceScaleFactor)
            // A narrow window is drawn wider than it is, and may lie below the flag.
            for (const time of all(to) - all(from) > 12 ? [from, to] : []) {
              const edge = Math.max(LABELS + 1, Math.min(overview - 1, all(time)))
              expect(Math.min(...edges.map(x => Math.abs(x - edge)))).toBeLessThanOrEqual(2)
            }
            const times = [...pages.values()].flat().map(({ time }) => all(time))
            const bars = low.flatMap((each, x) => (each === colours.bar ? [x / deviceScaleFactor] : []))
            for (const bar of bars) expect(Math.min(...times.map(x => Math.abs(x - bar)))).toBeLessThanOrEqual(2.5)
            const covered = low.map((each, x) => ({
              x: x / deviceScaleFactor,
              is: Object.values(colours).includes(each as never),
            }))
            for (const time of times) expect(covered.some(({ x, is }) => is && Math.abs(x - time) <= 2.5)).toBe(true)
          },
          { width, deviceScaleFactor, colorScheme },
        )
      }
    },
  )

  test('each pixel of a row has the colour of what the page counted then', async () => {
    const { base, pages } = await eventsOf('leak-6.12')
    const { findings } = traceOf('leak-6.12')
    const { pfn, culprit } = findings[0]!
    const flagged = (culprit!.time - base) * 1e9
    const [from, to] = [Math.round(flagged - 4e6), Math.round(flagged + 2e6)]
    await show('leak-6.12', `#view=pages&only=findings&from=${from}&to=${to}`, async page => {
      await page.locator('.legend .swatch').first().waitFor()
      await drawn(page)
      const shades = await page
        .locator('.legend > span:not(.mark)')
        .evaluateAll(items =>
          items.map(each => getComputedStyle(each.querySelector<HTMLElement>('.swatch')!).backgroundColor),
        )
      const hex = shades.map(
        each =>
          `#${each
            .match(/\d+/g)!
            .map(n => Number(n).toString(16).padStart(2, '0'))
            .join('')}`,
      )
      // As the legend has them: idle, +1, +2, to +4, to +8, to +16, more. This driver's pages are idle at 0.
      const shadeOf = (count: number) => hex[count === 0 ? 0 : Math.min(6, 1 + Math.ceil(Math.log2(count)))]!
      const line = await lineOf(page, '.timeline canvas', AXIS + ROW + 4)
      const step = (to - from) / (line.length - LABELS)
      const events = pages.get(Number(pfn))!
      const changed: number[] = []
      for (let x = 0; x < line.length - LABELS; x++) {
        const [left, right] = [from + x * step, from + (x + 1) * step]
        const before = events.filter(({ time }) => time < left).slice(-1)
        const within = events.filter(({ time }) => time >= left && time < right)
        if (within.length > 0) changed.push(x)
        const seen = line[x + LABELS]!
        // The flag and its triangle stand over the row.
        if (seen === SCHEMES.light.mark || Math.abs(left - flagged) < 8 * step) continue
        const wanted = shadeOf(Math.max(...[...before, ...within].map(({ count }) => count)))
        expect(`${x}: ${seen}`).toBe(`${x}: ${wanted}`)
      }
      expect(changed.length).toBeGreaterThan(4)
    })
  })

  test.each([
    ['leak-6.12', '#view=life&finding=0'],
    ['migrate-6.12', '#view=life&finding=0'],
    ['dax-6.12', '#view=pages&page=0x107200'],
  ] as const)('%s: lanes, arcs, steps and labels of a lifetime stand at their events', async (example, hash) => {
    for (const byTime of [false, true]) {
      await show(example, `${hash}${byTime ? '&scale=time' : ''}`, async page => {
        await page.locator('.life-events tbody tr').first().waitFor()
        const seen = await page.evaluate(readLife)
        const { events } = seen
        expect(events.length).toBeGreaterThan(2)
        // The table's own numbers say which is whose.
        const signs = events.map(({ change }) => Math.sign(change))
        expect(seen.laneMarks.map(({ y }) => y)).toEqual(
          expect.arrayContaining(events.flatMap(({ y }, i) => (signs[i] === 0 ? [] : [expect.closeTo(y, 0)]))),
        )
        expect(seen.laneMarks.length).toBe(signs.filter(sign => sign !== 0).length)
        for (const { kind, y } of seen.laneMarks) {
          const at = events.findIndex(event => Math.abs(event.y - y) <= 1)
          expect(kind).toBe(signs[at]! > 0 ? 'get' : 'put')
        }
        for (const { from, to } of seen.lanes) {
          const at = events.findIndex(event => Math.abs(event.y - from) <= 1)
          expect(signs[at]).toBe(1)
          if (to === undefined) expect(events[at]!.partner).toBe(undefined)
          else expect(Math.abs(events[events[at]!.partner! - 1]!.y - to)).toBeLessThanOrEqual(1)
        }
        // Where each event stands in the drawing above.
        const span = events.at(-1)!.time - events[0]!.time
        const x = (i: number) => {
          const part = byTime ? (events[i]!.time - events[0]!.time) / span : i / events.length
          return 30 + part * (seen.width - 60)
        }
        const close = (i: number) => expect.closeTo(x(i), byTime ? -1 : 1)
        expect(seen.steps.map(step => step.x)).toEqual(events.map((_, i) => close(i)))
        expect(seen.circles).toEqual(events.flatMap((_, i) => (signs[i] === 0 ? [] : [close(i)])))
        const [one, other] = [events.findIndex(each => each.count !== events[0]!.count), 0]
        const unit = (seen.steps[one]!.y - seen.steps[other]!.y) / (events[one]!.count - events[other]!.count)
        expect(unit).toBeLessThan(0)
        for (const [i, { count }] of events.entries())
          expect(seen.steps[i]!.y).toBeCloseTo(seen.steps[0]!.y + unit * (count - events[0]!.count), 3)
        const arcs = events.flatMap(({ partner, change }, i) =>
          change > 0 && partner !== undefined && partner - 1 > i ? [{ from: close(i), to: close(partner - 1) }] : [],
        )
        expect(seen.arcs).toEqual(arcs)
        expect(seen.labels.length).toBeGreaterThan(0)
        for (const { text, x: labelled } of seen.labels) {
          const named = events.flatMap((event, i) => (event.timeText === text ? [Math.abs(x(i) - labelled)] : []))
          expect(Math.min(...named)).toBeLessThanOrEqual(byTime ? 5 : 0.1)
        }
        expect(seen.cursor).toEqual(close(seen.selected))
      })
    }
  })
})

/** What the page says of a lifetime, read in the browser: the table, the lanes beside it, the drawing above it. */
function readLife() {
  const middle = (element: Element) => {
    const { top, bottom } = element.getBoundingClientRect()
    return (top + bottom) / 2
  }
  const rows = [...document.querySelectorAll<HTMLTableRowElement>('.life-events tbody tr')]
  const events = rows.map(row => {
    const cells = [...row.cells]
    const timeText = cells[1]!.firstChild!.textContent!
    const partner = /\((\d+)\)$/.exec(row.querySelector('.told')!.textContent!)?.[1]
    return {
      y: middle(row),
      time: Number(timeText),
      timeText,
      change: Number(cells[4]!.textContent),
      count: Number(cells[5]!.textContent),
      partner: partner === undefined ? undefined : Number(partner),
    }
  })
  const lanes = document.querySelector<SVGSVGElement>('.lanes')!
  const top = lanes.getBoundingClientRect().top
  const laneMarks = [...lanes.querySelectorAll('circle')].map(each => ({ kind: each.classList[0]!, y: middle(each) }))
  const lines = [...lanes.querySelectorAll('path')].map(path => ({
    from: top + path.getPointAtLength(0).y,
    to: path.classList.contains('open') ? undefined : top + path.getPointAtLength(path.getTotalLength()).y,
  }))
  const chart = document.querySelector<SVGSVGElement>('.count-chart svg')!
  const numbers = (text: string) => [...text.matchAll(/-?\d+(\.\d+)?/g)].map(([each]) => Number(each))
  const path = chart.querySelector('.steps')!.getAttribute('d')!
  const steps = [...path.matchAll(/H(\S+) V(\S+)/g)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }))
  const arcs = [...chart.querySelectorAll('.arc:not(.odd)')].map(arc => {
    const points = numbers(arc.getAttribute('d')!)
    return { from: points[0]!, to: points.at(-2)! }
  })
  const number = (element: Element, name: string) => Number(element.getAttribute(name))
  return {
    events,
    laneMarks,
    lanes: lines,
    width: number(chart, 'width'),
    steps,
    circles: [...chart.querySelectorAll('circle')].map(circle => number(circle, 'cx')),
    arcs,
    labels: [...chart.querySelectorAll('.time')].map(each => ({ text: each.textContent!, x: number(each, 'x') })),
    cursor: number(chart.querySelector('.cursor')!, 'x1'),
    selected: rows.findIndex(row => row.getAttribute('aria-selected') === 'true'),
  }
}

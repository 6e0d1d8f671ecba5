// SPDX-License-Identifier: GPL-2.0-or-later
// What users of other viewers have in their fingers: a range by Shift and drag, a tooltip, keys wherever the focus is, filters.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import { type Browser, chromium, launchBrowser, type Page, watchedPage } from '../../testkit/browser.ts'
import type { TraceJson } from '../../web/src/documents.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { lastput, root } from './built.ts'
import { opened, show } from './served.ts'

const example = join(root, 'examples/leak-6.12/trace.dat')
const params = (page: Page) => new URLSearchParams(new URL(page.url()).hash.slice(1))

needs(chromium()).describe('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  /** Drags over the timeline with Shift, between two parts of its width. */
  async function mark(page: Page, from: number, to: number): Promise<void> {
    const box = (await page.locator('.timeline canvas').boundingBox())!
    const x = (part: number) => box.x + 118 + part * (box.width - 118)
    await page.mouse.move(x(from), box.y + 100)
    await page.keyboard.down('Shift')
    await page.mouse.down()
    await page.mouse.move(x(to), box.y + 140, { steps: 5 })
    await page.mouse.up()
    await page.keyboard.up('Shift')
  }

  test('Shift and drag marks a range and tells what is in it; f zooms to it, Esc takes it away, the address keeps it', async () => {
    const recording = await openRecording(new BytesSource('trace.dat', new Uint8Array(readFileSync(example))))
    const events: { pfn: number; time: number; count: number }[] = []
    for await (const { order, length, pfn, time, count } of recording.batches())
      for (const i of order.subarray(0, length))
        if (pfn[i]! >= 0xfcf8000) events.push({ pfn: pfn[i]!, time: time[i]!, count: count[i]! })
    await show(browser, [example], '#view=pages', async (page, errors) => {
      await page.locator('.timeline').waitFor()
      await mark(page, 0.6, 0.012)
      const range = page.locator('.range')
      await range.waitFor()
      const [from, to] = params(page).get('range')!.split('..').map(Number) as [number, number]
      expect(from).toBeLessThan(to)
      // Each event in it, each page of these, each lifetime that began in it or was under way.
      const within = events.filter(({ time }) => time >= from && time <= to)
      const pages = new Set(within.map(({ pfn }) => pfn))
      let lifetimes = 0
      for (const pfn of new Set(events.map(each => each.pfn))) {
        const own = events.filter(each => each.pfn === pfn)
        // The count is 1 for a moment while a page is set up: its first two events.
        let before = 0
        own.slice(2).forEach(({ time, count }, i, rest) => {
          const next = rest[i + 1]?.time ?? Infinity
          if (before === 0 && count > 0 && time <= to && time >= from) lifetimes++
          else if (time < from && next >= from && count > 0) lifetimes++
          before = count
        })
      }
      expect(within.length).toBeGreaterThan(10)
      expect(lifetimes).toBeGreaterThan(3)
      const said = () => range.locator('p').textContent()
      expect(await said()).toMatch(
        new RegExp(
          `: ${within.length.toLocaleString('en-US')} events on ${pages.size.toLocaleString('en-US')} pages, ${lifetimes} lifetimes, \\d findings?$`,
        ),
      )
      expect(await serious(page)).toEqual([])
      // What is in it stays the same when it is looked at more closely, and when the page is loaded anew.
      const before = await said()
      await page.keyboard.press('f')
      await page.waitForFunction(() => location.hash.includes('from='))
      const room = (to - from) * 0.05
      expect(Math.abs(Number(params(page).get('from')) - (from - room))).toBeLessThan(room)
      expect(Math.abs(Number(params(page).get('to')) - (to + room))).toBeLessThan(room)
      expect(await said()).toBe(before)
      await page.reload()
      await range.waitFor()
      expect(await said()).toBe(before)
      await page.keyboard.press('Escape')
      await range.waitFor({ state: 'hidden' })
      expect(params(page).get('range')).toBe(null)
      expect(errors).toEqual([])
    })
  })

  test('a range by keys, from event to event; its findings are a link to their list', async () => {
    await show(browser, [example], '#view=pages&only=findings&page=0xfcf83fc', async (page, errors) => {
      await page.locator('.detail .life-events').waitFor()
      for (const key of ['ArrowLeft', '[', 'ArrowRight', 'ArrowRight', ']']) await page.keyboard.press(key)
      // Three events, the middle one of which leaks.
      const range = page.locator('.range')
      await expect(range.locator('p').textContent()).resolves.toMatch(/: 3 events on 1 page, 1 lifetime, 1 finding$/)
      await range.getByRole('link', { name: 'Show it in the list' }).click()
      await page.locator('.finding').waitFor()
      await expect(page.locator('.finding').count()).resolves.toBe(1)
      await expect(page.getByLabel('From', { exact: true }).inputValue()).resolves.toMatch(/^5\.96\d+$/)
      await page.getByLabel('To', { exact: true }).fill('5.9')
      await expect(page.locator('.finding').count()).resolves.toBe(1)
      await expect(page.locator('input:invalid').count()).resolves.toBe(1)
      await page.getByLabel('From', { exact: true }).fill('5')
      await expect(page.locator('.finding').count()).resolves.toBe(0)
      expect(errors).toEqual([])
    })
  })

  test('keys work wherever the focus is: on a button, a box, a list, in the lifetime', async () => {
    await show(browser, [example], '#view=pages&page=0xfcf83fc', async (page, errors) => {
      await page.locator('.detail .life-events').waitFor()
      const at = () => params(page).get('at')
      let last = at()
      for (const focus of [
        page.getByRole('button', { name: 'Zoom in' }),
        page.getByLabel('to the scale of time'),
        page.getByRole('link', { name: 'Laws' }),
        page.locator('.timeline'),
        page.locator('main'),
      ]) {
        await focus.focus()
        await page.keyboard.press('ArrowLeft')
        await expect.poll(at).not.toBe(last)
        last = at()
        await page.locator('.detail .life-events').waitFor()
      }
      await page.getByLabel('to the scale of time').focus()
      await page.keyboard.press('w')
      await page.waitForFunction(() => location.hash.includes('from='))
      await page.keyboard.press('0')
      await page.waitForFunction(() => !location.hash.includes('from='))
      // A list of choices keeps the keys that it is walked by, and no others.
      const choice = page.getByLabel('Pages', { exact: true })
      await choice.focus()
      await page.keyboard.press('ArrowLeft')
      expect(at()).toBe(last)
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keys' }).waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('Escape')
      await page.waitForFunction(() => !location.hash.includes('page='))
      expect(errors).toEqual([])
    })
  })

  test('a tooltip at the pointer says what is under it, and stays on the page', async () => {
    await show(browser, [example], '#view=pages&only=findings', async page => {
      const canvas = page.locator('.timeline canvas')
      await canvas.waitFor()
      const box = (await canvas.boundingBox())!
      const tooltip = page.locator('.tooltip:not([hidden])')
      for (const x of [box.x + 200, box.x + box.width - 3]) {
        await page.mouse.move(x, box.y + 22 + 16 + 8)
        await tooltip.waitFor()
        await expect(tooltip.textContent()).resolves.toMatch(/^page 0xfcf83fc: count \d+ since 5\.\d{6} s/)
        const place = (await tooltip.boundingBox())!
        expect(place.x >= 0 && place.x + place.width <= 1280 && place.y + place.height <= 800).toBe(true)
        expect(Math.min(Math.abs(place.x - x), Math.abs(place.x + place.width - x))).toBeLessThan(20)
      }
      await page.mouse.move(10, 10)
      await tooltip.waitFor({ state: 'hidden' })
    })
  })

  test('the tooltip of the overview counts the events of each bar, and names the finding under the pointer', async () => {
    const recording = await openRecording(new BytesSource('trace.dat', new Uint8Array(readFileSync(example))))
    const times: number[] = []
    for await (const { order, length, pfn, time } of recording.batches())
      for (const i of order.subarray(0, length)) if (pfn[i]! >= 0xfcf8000) times.push(time[i]!)
    const { findings }: TraceJson = JSON.parse(lastput(['trace', example, '--json']))
    await show(browser, [example], '#view=pages', async (page, errors) => {
      const overview = page.locator('.minimap')
      await overview.waitFor()
      const box = (await overview.boundingBox())!
      const tooltip = page.locator('.pages > .tooltip')
      const said = new Map<string, string>()
      let kinds = ''
      for (let x = box.x + 119; x < box.x + box.width - 1; x += 2) {
        await page.mouse.move(x, box.y + 30)
        if (!(await tooltip.isVisible())) continue
        const [first, ...finding] = (await tooltip.textContent())!.split('\n')
        const bar = /^([\d,]+) events? (?:from (\S+) to (\S+)|at (\S+)) s$/.exec(first!)!
        said.set(`${bar[2] ?? bar[4]} ${bar[3] ?? bar[4]}`, bar[1]!.replaceAll(',', ''))
        kinds += finding.join(' ')
      }
      // The bars that were met, and between the first and the last event no place without one.
      expect(said.size).toBeGreaterThan(400)
      const seconds = times.map(time => (time + Number(recording.timeBase)) / 1e9)
      for (const [when, many] of said) {
        const [from, to] = when.split(' ').map(Number) as [number, number]
        // Times are shown with six decimals, so that an event within a microsecond of an edge may be on either side.
        const surely = seconds.filter(time => time > from + 1e-6 && time < to - 1e-6).length
        const perhaps = seconds.filter(time => time > from - 1e-6 && time < to + 1e-6).length
        expect(Number(many)).toBeGreaterThanOrEqual(surely)
        expect(Number(many)).toBeLessThanOrEqual(perhaps)
      }
      for (const { kind } of findings) expect(kinds).toContain(`${kind}: `)
      await page.mouse.move(10, 10)
      await tooltip.waitFor({ state: 'hidden' })
      expect(errors).toEqual([])
    })
  })

  test('the tooltip of the count says of each event what its row of the table says', async () => {
    await show(browser, [example], '#view=pages&only=findings&page=0xfcf83fc', async (page, errors) => {
      const rows = page.locator('.life-events tbody tr')
      await rows.first().waitFor()
      const cells = await rows.evaluateAll(all =>
        all.map(row => [...row.querySelectorAll('td')].map(cell => cell.firstChild?.textContent ?? '')),
      )
      const drawing = page.locator('.count-chart .drawing')
      const box = (await drawing.boundingBox())!
      const tooltip = page.locator('.count-chart .tooltip')
      const told = new Set<string>()
      for (let x = box.x + 1; x < box.x + box.width; x += 4) {
        await page.mouse.move(x, box.y + 40)
        told.add((await tooltip.textContent())!.split('\n')[0]!)
      }
      const wanted = cells.map(
        ([i, time, , task, change, count]) => `${i}: ${time} s: ${change} by ${task}, count ${count}`,
      )
      expect([...told]).toEqual(wanted)
      await page.mouse.move(10, 10)
      await tooltip.waitFor({ state: 'hidden' })
      expect(errors).toEqual([])
    })
  })

  test('overview and rows have one time axis, also where a scroll bar takes room', async () => {
    const withBars = await launchBrowser(['--hide-scrollbars'])
    try {
      await opened([example], async url => {
        const { page } = await watchedPage(withBars)
        await page.goto(`${url}#view=pages`)
        await page.locator('.timeline canvas').waitFor()
        const measured = () =>
          page.evaluate(() => {
            const [rows, all] = ['.timeline', '.minimap'].map(each => document.querySelector<HTMLElement>(each)!)
            const place = (each: HTMLElement) => ({
              left: each.getBoundingClientRect().left,
              width: each.clientWidth,
            })
            return { bar: rows!.offsetWidth - rows!.clientWidth, rows: place(rows!), overview: place(all!) }
          })
        // Rows and overview take their sizes when they are first drawn, which can be a frame after the elements are there.
        await expect.poll(async () => (await measured()).bar).toBeGreaterThan(5)
        await expect.poll(async () => (await measured()).overview).toEqual((await measured()).rows)
        await page.close()
      })
    } finally {
      await withBars.close()
    }
  })

  test('findings by page, pagemap, function, task, kind and time, as on the command line; the address keeps it all', async () => {
    const file = join(root, 'examples/surplus-put-5.10/trace.dat')
    const { findings, pagemaps }: TraceJson = JSON.parse(lastput(['trace', file, '--json']))
    await show(browser, [file], '#view=findings', async (page, errors) => {
      await page.locator('.finding').first().waitFor()
      const status = page.locator('.filters [role=status]')
      const shows = async (many: number) => {
        await expect(status.textContent()).resolves.toContain(`${many} of ${findings.length} finding`)
      }
      await page.locator('summary', { hasText: 'More filters' }).click()
      expect(await serious(page)).toEqual([])
      const field = (label: string) => page.getByLabel(label, { exact: true })
      const [{ pfn, culprit }] = findings as [TraceJson['findings'][number]]
      for (const [label, value, many] of [
        ['Pages', pfn, findings.filter(each => each.pfn === pfn).length],
        [
          'Pages',
          `0x1,0x${(Number(pfn) - 1).toString(16)}-${pfn}`,
          findings.filter(each => Math.abs(Number(pfn) - Number(each.pfn)) <= 1 && Number(each.pfn) <= Number(pfn))
            .length,
        ],
        ['Pages', '0x1', 0],
        [
          'Function',
          culprit!.function!,
          findings.filter(
            each =>
              each.culprit?.stack.some(frame => frame.function!.includes(culprit!.function!)) ||
              each.candidates.some(one => one.stack.some(frame => frame.function!.includes(culprit!.function!))),
          ).length,
        ],
        ['Function', 'no_such_function', 0],
        [
          'Task',
          String(culprit!.pid),
          findings.filter(each =>
            [each.culprit, ...each.candidates].some(one => `${one?.task}-${one?.pid}`.includes(String(culprit!.pid))),
          ).length,
        ],
        ['Task', 'nobody', 0],
        [
          'From',
          culprit!.time.toFixed(6),
          findings.filter(each => (each.culprit ?? each.candidates[0])!.time >= culprit!.time).length,
        ],
        ['To', '0.5', 0],
      ] as const) {
        await field(label).fill(value)
        await shows(many)
        await page.waitForFunction(
          text => location.hash.includes(text),
          encodeURIComponent(value).replaceAll('%20', '+'),
        )
        await page.reload()
        await page.locator('.more-filters[open]').waitFor()
        await shows(many)
        await field(label).fill('')
        await shows(findings.length)
      }
      for (const { firstPfn, lastPfn } of pagemaps) {
        await field('Pagemap').selectOption(firstPfn)
        await shows(
          findings.filter(each => Number(each.pfn) >= Number(firstPfn) && Number(each.pfn) <= Number(lastPfn)).length,
        )
      }
      await page.getByRole('button', { name: 'Clear' }).click()
      await shows(findings.length)
      await page.getByLabel('Kind').selectOption(findings[0]!.kind)
      await shows(findings.filter(each => each.kind === findings[0]!.kind).length)
      await field('Pages').fill('0x5-0x1')
      await expect(page.locator('input:invalid').count()).resolves.toBe(1)
      expect(await serious(page)).toEqual([])
      expect(errors).toEqual([])
    })
  })

  test('at 800 pixels the matrix keeps its heads, and a counterexample opens at its first step', async () => {
    await show(browser, [], '#example=matrix&view=verdicts', async (page, errors) => {
      await page.setViewportSize({ width: 800, height: 700 })
      const box = page.locator('.scroll.tall')
      await box.waitFor()
      const heads = () =>
        box.evaluate(each => {
          const top = each.getBoundingClientRect()
          const at = (x: number, y: number) => document.elementFromPoint(top.left + x, top.top + y)?.closest('th, td')
          return { row: at(8, 300)?.tagName, column: at(top.width - 40, 8)?.className }
        })
      expect(await heads()).toEqual({ row: 'TH', column: expect.stringContaining('property') })
      await box.evaluate(each => each.scrollTo({ left: 400, top: 900 }))
      expect(await heads()).toEqual({ row: 'TH', column: expect.stringContaining('property') })
      expect(await serious(page)).toEqual([])
      await page.locator('td.violated a').first().click()
      await page.locator('.sequence').waitFor()
      await expect(page.locator('tr[aria-selected=true] th').textContent()).resolves.toBe('1')
      await expect(page.locator('.ahead').count()).resolves.toBeGreaterThan(0)
      await page.keyboard.press('ArrowDown')
      await expect(page.locator('tr[aria-selected=true] th').textContent()).resolves.toBe('2')
      expect(errors).toEqual([])
    })
  })
})

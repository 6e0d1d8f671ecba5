// SPDX-License-Identifier: GPL-2.0-or-later
// A dump in the viewer: as a report, by `lastput open`, and dropped on the page; over a kernel that is made up.
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reportHtml } from '../../src/report/html.ts'
import { type Browser, chromium, type Locator, launchBrowser, openedFile, type Page } from '../../testkit/browser.ts'
import { PACKERS, writeElf, writeFlattened, writeKdump } from '../../testkit/core/dump-writer.ts'
import { ARRANGED, FIRST_PFN, PAGES, syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { bundle, lastput } from './built.ts'
import { drop, opened, show } from './served.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-web-core-'))
const vmcore = join(folder, 'vmcore')
const report = join(folder, 'vmcore.html')
const { frames, vmcoreinfo } = syntheticKernel()
const kdump = writeKdump(frames, { vmcoreinfo })
const pfn = (index: number) => `0x${(FIRST_PFN + index).toString(16)}`

interface Finding {
  kind: string
  pfn: string
  evidence: string[]
  holders: { words: string }[]
}
let wanted: { findings: Finding[]; pagemaps: object[] }

beforeAll(() => {
  writeFileSync(vmcore, kdump)
  wanted = JSON.parse(lastput(['core', vmcore, '--json', '--html', report]))
})
afterAll(() => rmSync(folder, { recursive: true }))

const accused = () => wanted.findings.filter(({ kind }) => kind !== 'held')

/** Waits for frames, in which what has changed is drawn. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
}

/** Clicks the cell of a page of the first pagemap, which begins with the first row below its heading. */
async function clickPage(page: Page, index: number): Promise<void> {
  const box = (await page.locator('.page-map canvas').boundingBox())!
  const { x, y } = cellOf(index, box.width)
  await page.mouse.click(box.x + x, box.y + y)
}

/** The middle of a cell: labels of 118 pixels, rows of 14. */
function cellOf(index: number, width: number): { x: number; y: number } {
  const cell = Math.max(4, Math.min(14, Math.floor((width - 118 - 6) / 64)))
  return { x: 118 + (index % 64) * cell + 1.5, y: 14 * (1 + Math.floor(index / 64)) + 4.5 }
}

/** What an element says, its parts one blank apart. */
function lines(element: Locator): Promise<string> {
  return element.evaluate(each => {
    const texts: string[] = []
    const walk = document.createTreeWalker(each, NodeFilter.SHOW_TEXT)
    while (walk.nextNode()) texts.push(walk.currentNode.textContent!.trim())
    return texts.join(' ')
  })
}

/** The colours of the legend by their words, and the colour of each page on the canvas. */
async function colours(page: Page): Promise<{ legend: Record<string, string>; cells: string[] }> {
  await drawn(page)
  const width = (await page.locator('.page-map canvas').boundingBox())!.width
  const places = Array.from({ length: PAGES }, (_, i) => cellOf(i, width))
  return page.evaluate(places => {
    const canvas = document.querySelector<HTMLCanvasElement>('.page-map canvas')!
    const context = canvas.getContext('2d')!
    const rgb = (bytes: ArrayLike<number>) => `rgb(${bytes[0]}, ${bytes[1]}, ${bytes[2]})`
    const cells = places.map(({ x, y }) => rgb(context.getImageData(x, y, 1, 1).data))
    const items = [...document.querySelectorAll<HTMLElement>('.legend > span')]
    const legend = Object.fromEntries(
      items.map(each => [each.textContent, each.querySelector<HTMLElement>('.swatch')!.style.background]),
    )
    return { legend, cells }
  }, places)
}

/** What the picture must show. */
function truth(legend: Record<string, string>): string[] {
  const shades: Record<number, string> = {
    [ARRANGED.leaked]: 'leaked',
    [ARRANGED.negative]: 'impossible',
    [ARRANGED.short]: 'count-mismatch',
  }
  const used: number[] = Object.values(ARRANGED)
  return Array.from({ length: PAGES }, (_, i) => legend[shades[i] ?? (used.includes(i) ? 'busy' : 'idle')]!)
}

test('a report with the map of the pages is one file that names no other', () => {
  const html = readFileSync(report, 'utf8')
  expect(html.length).toBeLessThan(1e6)
  expect(html).toContain("default-src 'none'")
  expect(html.match(/(?:src|href)\s*=\s*["'][^"']*/g)).toEqual(['href="data:,'])
})

test('a dump that is too large is refused before a browser is started, with the command to run', () => {
  const large = join(folder, 'large')
  writeFileSync(large, kdump)
  const file = openSync(large, 'r+')
  ftruncateSync(file, 2 ** 31 + 1)
  closeSync(file)
  expect(() => lastput(['open', '--no-browser', large])).toThrow(
    / 2 .*run "lastput\s+core\s+\S*large\s+--html\s+report\.html"/s,
  )
  writeFileSync(join(folder, 'damaged'), kdump.subarray(0, 600))
  expect(() => lastput(['open', '--no-browser', join(folder, 'damaged')])).toThrow(/ 2 lastput open: .*damaged/s)
})

needs(chromium()).describe('a dump in the viewer', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  const items = (page: Page) => page.locator('.core-findings .finding')

  test('the report draws each page in the colour of what was found, in light and dark, wide and narrow', async () => {
    for (const [width, colorScheme] of [
      [1280, 'light'],
      [1280, 'dark'],
      [800, 'light'],
      [800, 'dark'],
    ] as const) {
      const { page, errors } = await openedFile(browser, report)
      await page.setViewportSize({ width, height: 800 })
      await page.emulateMedia({ colorScheme })
      await page.locator('.page-map').waitFor()
      const { legend, cells } = await colours(page)
      expect(Object.keys(legend)).toEqual(['idle', 'busy', 'count-mismatch', 'impossible', 'leaked'])
      expect(new Set(Object.values(legend)).size).toBe(5)
      expect(cells).toEqual(truth(legend))
      await clickPage(page, ARRANGED.leaked)
      await expect(page.locator('.detail h2').textContent()).resolves.toBe(`Page ${pfn(ARRANGED.leaked)}`)
      expect(await serious(page)).toEqual([])
      // Nothing stands beside the page.
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      expect(beyond).toBeLessThanOrEqual(0)
      expect(errors).toEqual([])
      await page.close()
    }
  })

  test('the strip of a pagemap has the worst of the pages at each pixel; the outline is around the selected page alone', async () => {
    const { page, errors } = await openedFile(browser, report)
    await page.locator('.page-map').waitFor()
    const { legend } = await colours(page)
    const ranks = ['idle', 'busy', 'count-mismatch', 'impossible', 'leaked'].map(word => legend[word]!)
    const pages = truth(legend).map(colour => ranks.indexOf(colour))
    const strip = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.strip')!
      const { data } = canvas.getContext('2d')!.getImageData(0, 8, canvas.width, 1)
      return Array.from(
        { length: canvas.width },
        (_, x) => `rgb(${data[4 * x]}, ${data[4 * x + 1]}, ${data[4 * x + 2]})`,
      )
    })
    const wanted = strip.map((_, x) => {
      const [from, to] = [x, x + 1].map(edge => (edge / strip.length) * PAGES) as [number, number]
      const shared = pages.slice(Math.floor(from), Math.max(Math.floor(from) + 1, Math.ceil(to)))
      return ranks[Math.max(...shared)]
    })
    expect(strip).toEqual(wanted)
    await clickPage(page, ARRANGED.leaked)
    await drawn(page)
    const width = (await page.locator('.page-map canvas').boundingBox())!.width
    const edges = await page.evaluate(
      places => {
        const context = document.querySelector<HTMLCanvasElement>('.page-map canvas')!.getContext('2d')!
        return places.map(({ x, y }) => [...context.getImageData(x - 2, y, 1, 1).data].slice(0, 3).join())
      },
      [ARRANGED.leaked, ARRANGED.leaked + 3].map(index => cellOf(index, width)),
    )
    expect(edges[0]).toBe('138,83,0')
    expect(edges[1]).not.toBe('138,83,0')
    expect(errors).toEqual([])
    await page.close()
  })

  test('a click on a page shows its count, its flags and its holders; a finding selects its page', async () => {
    const { page, errors } = await openedFile(browser, report)
    await page.locator('.page-map').waitFor()
    const detail = page.locator('.detail')
    await clickPage(page, ARRANGED.pipe)
    const said = await lines(detail)
    expect(said).toContain('count 1 (an idle page has 0)')
    expect(said).toMatch(/flags 0x8000000000000000/)
    expect(said).toContain('pipe of user-0-10, descriptor 1, buffer 0')
    await clickPage(page, 40)
    expect(await lines(detail)).toMatch(/Page 0x4028 state idle count 0 .*alike \d+ pages/)
    for (const { pfn, evidence } of accused()) {
      await page.getByRole('button', { name: new RegExp(`^Page ${pfn},`) }).click()
      await expect(detail.locator('h2').textContent()).resolves.toBe(`Page ${pfn}`)
      for (const each of evidence) expect(await detail.textContent()).toContain(each)
    }
    expect(errors).toEqual([])
    await page.close()
  })

  test('the tooltip says of the page under the pointer what the legend and its count say, and goes with the pointer', async () => {
    const { page, errors } = await openedFile(browser, report)
    await page.locator('.page-map').waitFor()
    const { legend } = await colours(page)
    const words = new Map(Object.entries(legend).map(([word, colour]) => [colour, word]))
    const shades = truth(legend)
    const box = (await page.locator('.page-map canvas').boundingBox())!
    const tooltip = page.locator('.tooltip')
    for (const index of [40, ...Object.values(ARRANGED)]) {
      const { x, y } = cellOf(index, box.width)
      await page.mouse.move(box.x + x, box.y + y)
      const begin = `page ${pfn(index)}: ${words.get(shades[index]!)}, count `
      await expect.poll(() => tooltip.textContent()).toContain(begin)
    }
    await expect(tooltip.textContent()).resolves.toMatch(/, count 1, mapped 0 times$/)
    await page.mouse.move(2, 2)
    await tooltip.waitFor({ state: 'hidden' })
    expect(errors).toEqual([])
    await page.close()
  })

  test('by keys: from page to page, to the next of another state, from finding to finding; the address brings it back', async () => {
    const { page, errors } = await openedFile(browser, report)
    await page.locator('.page-map').focus()
    const shown = () => page.locator('.detail h2').textContent()
    await page.keyboard.press('ArrowRight')
    expect(await shown()).toBe(`Page ${pfn(0)}`)
    await page.keyboard.press('ArrowRight')
    expect(await shown()).toBe(`Page ${pfn(1)}`)
    await page.keyboard.press('n')
    // Pages 1 to 3 are busy.
    expect(await shown()).toBe(`Page ${pfn(ARRANGED.leaked)}`)
    await page.keyboard.press('p')
    expect(await shown()).toBe(`Page ${pfn(1)}`)
    await page.keyboard.press('ArrowUp')
    expect(await shown()).toBe(`Page ${pfn(1)}`)
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    const second = accused()[1]!.pfn
    expect(await shown()).toBe(`Page ${second}`)
    await page.reload()
    await page.locator('.detail h2').waitFor()
    expect(await shown()).toBe(`Page ${second}`)
    await page.keyboard.press('Escape')
    await expect(page.locator('.detail').textContent()).resolves.toBe('')
    await page.keyboard.press('/')
    await page.keyboard.type('4005')
    await page.keyboard.press('Enter')
    expect(await shown()).toBe('Page 0x4005')
    await page.keyboard.press('/')
    await page.keyboard.type('1')
    await page.keyboard.press('Enter')
    await expect.poll(() => page.locator('input:invalid').count()).toBe(1)
    expect(errors).toEqual([])
    await page.close()
  })

  test('findings by kind and by what holds them; the table says what the map draws', async () => {
    const { page, errors } = await openedFile(browser, report)
    await items(page).first().waitFor()
    const all = await items(page).count()
    await page.getByLabel('Kind').selectOption('leaked')
    await expect(items(page).count()).resolves.toBe(1)
    await page.getByLabel('Kind').selectOption('')
    await page.getByLabel('Filter by task, cache or page').fill('TEST_object')
    await expect(items(page).count()).resolves.toBe(2)
    await page.reload()
    await items(page).first().waitFor()
    await expect(items(page).count()).resolves.toBe(2)
    await page.getByLabel('Filter by task, cache or page').fill('')
    await expect(items(page).count()).resolves.toBe(all)
    await page.getByRole('button', { name: 'As a table' }).click()
    const numbers = await page.locator('.twin tbody tr td:nth-child(2)').allTextContents()
    expect(numbers.reduce((sum, text) => sum + Number(text), 0)).toBe(PAGES)
    const leaked = page.locator('.twin tbody tr').filter({ hasText: 'leaked' })
    await expect(leaked.getByRole('cell').allTextContents()).resolves.toEqual([
      pfn(ARRANGED.leaked),
      '1',
      '1',
      'leaked',
      '1',
      '0',
      expect.stringContaining('0x'),
    ])
    expect(await serious(page)).toEqual([])
    await leaked.getByRole('button').click()
    await expect(page.locator('.detail h2').textContent()).resolves.toBe(`Page ${pfn(ARRANGED.leaked)}`)
    expect(errors).toEqual([])
    await page.close()
  })

  test('lastput open reads the dump in the browser, and says what the command line says', async () => {
    await opened([vmcore], async url => {
      const page = await browser.newPage()
      await page.goto(url)
      await items(page).first().waitFor()
      for (const { pfn, evidence } of accused()) {
        await page.getByRole('button', { name: new RegExp(`^Page ${pfn},`) }).click()
        for (const each of evidence) expect(await page.locator('.detail').textContent()).toContain(each)
      }
      await page.close()
    })
  })

  test('a dump of any format can be dropped, also packed or cut off; what is none is refused in words', async () => {
    const elf = writeElf(frames, { vmcoreinfo })
    await show(browser, [], '', async (page, errors) => {
      const sentences = async () => (await items(page).locator('h2').allTextContents()).sort()
      await page.locator('.drop').waitFor()
      let first: string[] | undefined
      for (const [name, bytes] of [
        ['vmcore.kdump', kdump],
        ['vmcore.zstd', writeKdump(frames, { vmcoreinfo, pack: PACKERS.zstd })],
        ['vmcore.elf', elf],
        ['vmcore.flat', writeFlattened(kdump, [[0, kdump.length]])],
        ['vmcore.gz', gzipSync(kdump)],
        ['report.html', readFileSync(report)],
        ['core.json', Buffer.from(JSON.stringify(wanted))],
      ] as const) {
        await drop(page, name, bytes)
        await items(page).first().waitFor({ timeout: 20_000 })
        first ??= await sentences()
        expect(await sentences()).toEqual(first)
        await page.goBack()
        await page.locator('.drop').waitFor()
      }
      await drop(page, 'cut', elf.subarray(0, elf.length - 4096))
      await page.locator('.warnings').filter({ hasText: 'the file is cut short' }).waitFor()
      await page.goBack()
      await page.locator('.drop').waitFor()
      for (const [name, bytes, words] of [
        ['none', elf.subarray(0, 64), /none/],
        ['no-kernel', writeElf(new Map([[1, new Uint8Array(4096)]]), {}), /no-kernel/],
        ['bad.json', Buffer.from('{"schema":"lastput.core/1"}'), /expected lastput\.core\/1 with source/],
      ] as const) {
        await drop(page, name, bytes)
        await page.locator('.status.failure').filter({ hasText: words }).waitFor({ timeout: 20_000 })
      }
      expect(errors).toEqual([])
    })
  })

  test('names with markup, scripts, escapes and direction marks are shown as they are, and none runs', async () => {
    const names = ['<img src=x onerror=alert(1)>', '</script><script>alert(2)</script>\u202e', '\u001b[31m&lt;b&gt;']
    const text = JSON.stringify(wanted)
      .replaceAll('user-0', names[0]!)
      .replaceAll('test_object', names[1]!)
      .replaceAll('0.0.0-synthetic', names[2]!.replace('\u001b', '\\u001b'))
      .replaceAll('"vmlinux"', JSON.stringify(names[0]))
    const file = join(folder, 'hostile.html')
    writeFileSync(file, await reportHtml(JSON.parse(text), '<svg onload=alert(3)>\u202e', bundle()))
    const { page, errors } = await openedFile(browser, file)
    await items(page).first().waitFor()
    await clickPage(page, ARRANGED.pipe)
    await clickPage(page, ARRANGED.slab)
    const shown = (await page.locator('body').textContent())!
    expect(shown).toContain(names[0])
    expect(shown).toContain('</script><script>alert(2)</script>\\u202e')
    expect(shown).toContain('\\x1b[31m&lt;b&gt;')
    const main = (await page.locator('main').textContent())!
    for (const unsafe of ['\u001b', '\u202e']) expect(main).not.toContain(unsafe)
    expect(await page.locator('main img, main script, main svg').count()).toBe(0)
    expect(errors).toEqual([])
    await page.close()
  })

  test('200,000 pages of which no two neighbours are alike: a few elements, and every page within reach', async () => {
    const [one] = wanted.pagemaps
    const kinds = ['idle', 'busy'].map((state, count) => ({
      state,
      count,
      mapcount: 0,
      flags: '0x0',
      flagNames: [],
      folio: 1,
    }))
    const runs = Array.from({ length: 200_000 }, (_, i) => ({
      firstPfn: `0x${(0x100000 + i).toString(16)}`,
      pages: 1,
      kind: i % 2,
    }))
    const last = 0x100000 + runs.length - 1
    const ranges = [{ firstPfn: '0x100000', lastPfn: `0x${last.toString(16)}`, reserved: 0 }]
    const large = { ...wanted, findings: [], pagemaps: [{ ...one, ranges, map: { kinds, runs, leftOut: 0 } }] }
    const file = join(folder, 'large.html')
    writeFileSync(file, await reportHtml(large, 'large', bundle()))
    const { page, errors } = await openedFile(browser, file, `#page=0x${last.toString(16)}`)
    await page.locator('.detail h2').waitFor()
    await expect(page.locator('.detail h2').textContent()).resolves.toBe(`Page 0x${last.toString(16)}`)
    expect(await page.locator('*').count()).toBeLessThan(300)
    const scrolled = await page.locator('.page-map').evaluate(each => each.scrollTop)
    expect(scrolled).toBeGreaterThan(40_000 * 0.9)
    await drawn(page)
    const before = await page.locator('.page-map').screenshot()
    await page.keyboard.press('ArrowUp')
    await drawn(page)
    expect((await page.locator('.page-map').screenshot()).equals(before)).toBe(false)
    expect(errors).toEqual([])
    await page.close()
  })
})

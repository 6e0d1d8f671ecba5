// SPDX-License-Identifier: GPL-2.0-or-later
// Reports as `lastput trace --html` writes them, opened from disk in a browser.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { embeddable, reportHtml } from '../../src/report/html.ts'
import { type Browser, chromium, launchBrowser, openedFile } from '../../testkit/browser.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { bundle, lastput, root } from './built.ts'

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(2)</script>',
  '"><svg onload=alert(3)>',
  "javascript:alert('4')",
  '{{constructor.constructor("alert(5)")()}}',
  '\u001b[31mred\u001b[0m',
  '\u202egnp.exe',
  'line\u2028break',
  '&lt;b&gt;',
]

const folder = mkdtempSync(join(tmpdir(), 'lastput-web-'))
const report = join(folder, 'leak.html')
const recording = join(root, 'examples/leak-6.12/trace.dat')
let browser: Browser

beforeAll(() => {
  lastput(['trace', recording, '--html', report])
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true }))

const open = (file: string, hash?: string) => openedFile(browser, file, hash)

test('the report of the planted leak is one file below 1 MB that names no other', () => {
  const html = readFileSync(report, 'utf8')
  expect(html.length).toBeLessThan(1e6)
  expect(html).toContain("default-src 'none'")
  expect(html.match(/(?:src|href)\s*=\s*["'][^"']*/g)).toEqual(['href="data:,'])
})

test('the data ends neither its element nor a line', () => {
  const text = embeddable(HOSTILE)
  expect(text).not.toMatch(/[<\u2028\u2029]/)
  expect(JSON.parse(text)).toEqual(HOSTILE)
})

test('a bundle that would end its element is refused', async () => {
  await expect(reportHtml({}, '', { script: 'x("</SCRIPT>")', style: '' })).rejects.toThrow('</script')
  await expect(reportHtml({}, '', { script: '', style: '</style>' })).rejects.toThrow('</style')
})

needs(chromium()).describe('in a browser', () => {
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('opens from disk, asks for nothing, says what was found', async () => {
    const { page, errors, requests } = await open(report)
    await expect(page.locator('.finding h2').textContent()).resolves.toBe(
      'zdbug_bug_leak_get took a reference to page 0xfcf83fc that never came back.',
    )
    expect(errors).toEqual([])
    expect(requests.filter(url => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([])
    expect(await serious(page)).toEqual([])
    await page.close()
  })

  test('a lifetime: which put gave back which get, who held it, what never came back', async () => {
    const { page, errors } = await open(report, '#view=life&finding=0')
    const rows = page.locator('.life-events tbody tr')
    await expect(rows.count()).resolves.toBe(7)
    await expect(page.locator('tr[aria-selected=true]').textContent()).resolves.toContain('zdbug_bug_leak_get')
    await expect(page.locator('.unmatched .told').allInnerTexts()).resolves.toEqual(['never given back'])
    await expect(page.locator('.count-chart .arc').count()).resolves.toBe(4)
    await expect(page.locator('.holders li').count()).resolves.toBe(4)
    await page.keyboard.press('End')
    await expect(page.locator('.holders li').allInnerTexts()).resolves.toEqual([
      expect.stringContaining('zdbug_bug_leak_get'),
    ])
    await page.keyboard.press('Home')
    await expect(page.locator('.holders li').allInnerTexts()).resolves.toEqual([expect.stringContaining('zdbug_alloc')])
    expect(errors).toEqual([])
    expect(await serious(page)).toEqual([])
    await page.close()
  })

  test('the address brings a view back: event, scale, filter, order', async () => {
    const { page } = await open(report, '#view=life&finding=0')
    await page.keyboard.press('ArrowDown')
    await page.getByLabel('to the scale of time').check()
    await page.reload()
    await expect(page.locator('tr[aria-selected=true]').textContent()).resolves.toContain('5.967139')
    await expect(page.getByLabel('to the scale of time').isChecked()).resolves.toBe(true)
    await page.getByRole('link', { name: 'Laws' }).click()
    await page.getByRole('searchbox').fill('alloc')
    await page.getByRole('button', { name: 'Given back by' }).click()
    const shown = await page.locator('.laws tbody').textContent()
    const { page: other } = await open(report, new URL(page.url()).hash)
    await expect(other.locator('.laws tbody').textContent()).resolves.toBe(shown)
    await expect(other.locator('th[aria-sort=ascending]').textContent()).resolves.toContain('Given back by')
    expect(await serious(other)).toEqual([])
    await page.goBack()
    await page.locator('.life-events').waitFor()
    await expect(page.locator('h1').textContent()).resolves.toBe('Page 0xfcf83fc')
    await Promise.all([page.close(), other.close()])
  })

  test.each([
    '#view=life&finding=7',
    '#view=nonsense&finding=-1',
    '#view=life&finding=0&event=99999999999',
    '#%E0%A4%A',
  ])('an address that means nothing (%s) breaks nothing', async hash => {
    const { page, errors } = await open(report, hash)
    await expect(page.locator('main').textContent()).resolves.not.toBe('')
    expect(errors).toEqual([])
    await page.close()
  })

  test('by keyboard alone: from the list to the lifetime and back', async () => {
    const { page } = await open(report)
    await page.keyboard.press('Tab')
    await expect(page.evaluate(() => document.activeElement?.textContent)).resolves.toBe('Skip to the content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.locator('.life-events').waitFor()
    await page.keyboard.press('ArrowUp')
    await expect(page.evaluate(() => document.activeElement?.getAttribute('aria-selected'))).resolves.toBe('true')
    await page.keyboard.press('p')
    await expect(page.locator('tr[aria-selected=true]').textContent()).resolves.toContain('zdbug_user_put')
    await page.goBack()
    await page.locator('.finding').waitFor()
    await page.close()
  })

  test('the button copies text for a mail', async () => {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
    const page = await context.newPage()
    await page.goto(String(pathToFileURL(report)))
    await page.getByRole('button', { name: 'Copy for a mail' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const text = await page.evaluate(() => navigator.clipboard.readText())
    expect(text).toMatch(
      /^leak \(fault likely, culprit likely\): zdbug_bug_leak_get took a reference to page 0xfcf83fc that never came back\.\n/,
    )
    expect(text).toContain('    zdbug_bug_leak_get+0x30 [zdbug]\n')
    await context.close()
  })

  test('dark and light, both readable', async () => {
    const { page } = await open(report)
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await serious(page)).toEqual([])
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.emulateMedia({ colorScheme: 'light' })
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).not.toBe(dark)
    await page.close()
  })

  test('print leaves out what only works on a screen', async () => {
    const { page } = await open(report)
    await page.emulateMedia({ media: 'print' })
    await expect(page.locator('.bar').isVisible()).resolves.toBe(false)
    await expect(page.locator('.finding').isVisible()).resolves.toBe(true)
    await page.close()
  })

  test('names that carry markup, scripts, escapes and direction marks neither run nor get lost', async () => {
    const data = JSON.parse(lastput(['trace', recording, '--json']))
    const [finding] = data.findings
    let next = 0
    const hostile = () => HOSTILE[next++ % HOSTILE.length]!
    for (const event of [...finding.lifetime.events, finding.culprit]) {
      event.task = hostile()
      event.function = hostile()
      event.module = hostile()
      for (const frame of event.stack) frame.function = hostile()
    }
    data.source.file = HOSTILE[1]
    data.source.kernel = HOSTILE[0]
    data.notes = HOSTILE
    finding.evidence = HOSTILE
    const counts = { lifetimes: 1, held: 1, over: 0, under: 0, ambiguous: false }
    data.laws = HOSTILE.map(each => ({
      gets: [{ function: each, callers: [{ function: each }] }],
      puts: [{ function: each, module: each }],
      ...counts,
    }))
    finding.candidates[0].reasons = HOSTILE
    const file = join(folder, 'hostile.html')
    writeFileSync(file, await reportHtml(data, HOSTILE[1]!, bundle()))
    for (const hash of ['', '#view=life&finding=0', '#view=laws']) {
      const { page, errors } = await open(file, hash)
      await page.locator('h1').waitFor()
      expect(errors).toEqual([])
      expect(await page.locator('img, script:not([id]):not([type=module]), main svg[onload]').count()).toBe(0)
      const text = await page.locator('main').textContent()
      for (const unsafe of ['\u001b', '\u202e', '\u2028']) expect(text).not.toContain(unsafe)
      expect(text).toContain('<img src=x onerror=alert(1)>')
      expect(text).toContain('\\u202egnp.exe')
      expect(text).toContain('\\x1b[31mred')
      await page.close()
    }
  })

  test('a cause with many findings is told once, with a way to each of them', async () => {
    const data = JSON.parse(lastput(['trace', recording, '--json']))
    const [finding] = data.findings
    const [cause] = data.causes
    data.findings = Array.from({ length: 300 }, (_, i) => ({ ...finding, pfn: `0x${(0x1000 + i).toString(16)}` }))
    cause.findings = data.findings.map((_: unknown, i: number) => i)
    cause.pages = [{ first: '0x1000', last: '0x112b' }]
    cause.references = 300
    const file = join(folder, 'many.html')
    writeFileSync(file, await reportHtml(data, 'many', bundle()))
    const { page, errors } = await open(file)
    await expect(page.locator('.findings > li').count()).resolves.toBe(1)
    await expect(page.locator('.finding h2').textContent()).resolves.toBe(
      'zdbug_bug_leak_get took 300 references to 300 pages that never came back.',
    )
    await expect(page.locator('.finding .certainty').textContent()).resolves.toBe('fault likely, culprit likely')
    await expect(page.locator('.cause').textContent()).resolves.toContain('Pages 0x1000-0x112b')
    expect(await serious(page)).toEqual([])
    await page.getByRole('searchbox').fill('0x1007')
    await expect(page.locator('.cause summary').textContent()).resolves.toBe('All 1 finding')
    await page.locator('.cause summary').click()
    await page.getByRole('link', { name: 'page 0x1007' }).click()
    await page.locator('.life-events').waitFor()
    await expect(page.locator('h1').textContent()).resolves.toBe('Page 0x1007')
    expect(errors).toEqual([])
    await page.close()
  })

  test('where several could be it, all are named with their reasons, and none is accused', async () => {
    const data = JSON.parse(lastput(['trace', recording, '--json']))
    const [finding] = data.findings
    const [candidate] = finding.candidates
    const [, ...callers] = candidate.stack
    const other = { ...candidate, stack: [candidate.stack[0], ...callers.slice(1)], reasons: ['it was there, too'] }
    Object.assign(finding, { culprit: null, culpritCertainty: null, candidates: [candidate, other] })
    const file = join(folder, 'candidates.html')
    writeFileSync(file, await reportHtml(data, 'candidates', bundle()))
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
    const page = await context.newPage()
    await page.goto(String(pathToFileURL(file)))
    await expect(page.locator('.finding h2').textContent()).resolves.toBe(
      'One of these took a reference to page 0xfcf83fc that never came back.',
    )
    await expect(page.locator('.finding .certainty').textContent()).resolves.toBe('fault likely')
    // One function and offset, two call sites: the callers tell them apart.
    await expect(page.locator('.candidates > li > .name').allInnerTexts()).resolves.toEqual([
      'zdbug_bug_leak_get+0x30 [zdbug] from zdbug_work+0x2d2 [zdbug]',
      expect.stringMatching(/^zdbug_bug_leak_get\+0x30 \[zdbug\] from (?!zdbug_work)/),
    ])
    expect(await serious(page)).toEqual([])
    await page.getByRole('button', { name: 'Copy for a mail' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const text = await page.evaluate(() => navigator.clipboard.readText())
    expect(text).toMatch(
      /^leak \(fault likely\): one of these took a reference to page 0xfcf83fc that never came back:\n/,
    )
    expect(text).toContain(`from zdbug_work+0x2d2 [zdbug]: ${candidate.reasons.join('; ')}\n`)
    await context.close()
  })

  test('a full report holds the recording, and shows it from disk without asking for anything', async () => {
    const file = join(folder, 'full.html')
    lastput(['trace', recording, '--full', '--html', file])
    const { page, errors, requests } = await open(file, '#view=pages&only=findings')
    await page.locator('.timeline').focus()
    await page.keyboard.press('ArrowDown')
    await page.locator('.detail tr.unmatched').waitFor()
    await page.getByRole('link', { name: 'Findings' }).click()
    await page.locator('.finding').waitFor()
    await expect(page.locator('.finding h2').textContent()).resolves.toContain('zdbug_bug_leak_get')
    expect(errors).toEqual([])
    expect(requests.filter(url => !/^(file|data|blob):/.test(url))).toEqual([])
    await page.close()
  })

  test('printing unfolds what is folded', async () => {
    const file = join(folder, 'surplus.html')
    lastput(['trace', join(root, 'examples/surplus-put-5.10/trace.dat'), '--html', file])
    const { page } = await open(file)
    await page.locator('.finding details').waitFor()
    await page.emulateMedia({ media: 'print' })
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
    await expect(page.locator('details li').first().isVisible()).resolves.toBe(true)
    await expect(page.locator('.more-filters').isVisible()).resolves.toBe(false)
    await page.close()
  })

  test('data that is no report is refused by name', async () => {
    for (const data of [
      null,
      [],
      {},
      { schema: 'lastput.trace/3' },
      { schema: 'lastput.trace/3', findings: [{}] },
      'x',
      7,
    ]) {
      const file = join(folder, 'bad.html')
      writeFileSync(file, await reportHtml(data, 'bad', bundle()))
      const { page, errors } = await open(file)
      await expect(page.getByRole('alert').textContent()).resolves.toMatch(/cannot be read: expected/)
      expect(errors).toEqual([])
      await page.close()
    }
  })
})

test('--html takes one recording', () => {
  expect(() => lastput(['trace', recording, recording, '--html', report])).toThrow(/2 .*--html takes one recording/)
})

// SPDX-License-Identifier: GPL-2.0-or-later
// `lastput open`, and the viewer that it serves: a recording read in the browser.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Browser, chromium, launchBrowser } from '../../testkit/browser.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { lastput, root } from './built.ts'
import { drop, opened, show } from './served.ts'

const example = join(root, 'examples/leak-6.12/trace.dat')
const folder = mkdtempSync(join(tmpdir(), 'lastput-open-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Answer {
  status: number
  body: string
  headers: Record<string, unknown>
}

/** As a program asks that minds neither hosts nor paths. */
function ask(
  url: string,
  options: { path?: string; method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port, pathname } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path: pathname, ...options }, response => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', part => (body += part))
      response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

describe('the server', () => {
  test('is on loopback, behind a token that changes, and serves what it must and nothing else', async () => {
    const first = await opened([example], async url => {
      const { hostname, pathname } = new URL(url)
      expect(hostname).toBe('127.0.0.1')
      expect(pathname).toMatch(/^\/[0-9a-f]{32}\/$/)
      const page = await ask(url)
      expect(page.body).toContain('<meta name="lastput-file" content="trace.dat" />')
      expect(page.headers['x-content-type-options']).toBe('nosniff')
      const file = await ask(`${url}file`)
      expect(file.body).toBe(readFileSync(example, 'latin1'))
      for (const path of [
        '/',
        '/index.html',
        // One token in 256 ends in 00 itself.
        `${pathname.slice(0, -3)}${pathname.endsWith('00/') ? '11' : '00'}/`,
        `${pathname}../package.json`,
        `${pathname}..%2fpackage.json`,
      ]) {
        expect((await ask(url, { path })).status).toBe(404)
      }
      for (const name of ['toString', 'examples/', 'viewer.js.map', '%00', 'constructor']) {
        expect((await ask(url, { path: pathname + name })).status).toBe(404)
      }
      expect((await ask(url, { method: 'POST' })).status).toBe(405)
      expect((await ask(url, { headers: { host: 'rebound.example' } })).status).toBe(404)
      return url
    })
    await opened([], async url => {
      expect(new URL(url).pathname).not.toBe(new URL(first).pathname)
      expect((await ask(`${url}file`)).status).toBe(404)
      expect((await ask(url)).body).not.toContain('lastput-file')
    })
  })

  test('a file that is not there is refused before anything is served', () => {
    expect(() => lastput(['open', '--no-browser', join(folder, 'none.dat')])).toThrow(/2 lastput open: .*none\.dat/)
    expect(() => lastput(['open', '--no-browser', folder])).toThrow(/2 lastput open: .*is a directory/s)
  })

  test('a name with markup stays a name', async () => {
    const path = join(folder, '"><script>alert(1)</script>.json'.replace('/', '_'))
    writeFileSync(path, '{"schema":"lastput.trace/9"}')
    await opened([path], async url => expect((await ask(url)).body).not.toContain('<script>alert'))
  })
})

needs(chromium()).describe('the viewer', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('opened as a file, it says what to do', async () => {
    const page = await browser.newPage()
    await page.goto(`file://${join(root, 'dist/web/index.html')}`)
    await page.getByText('run lastput open, which serves it to this machine only').waitFor()
    await page.close()
    await show(browser, [example], '', async page => {
      await page.locator('.finding').waitFor()
      await expect(page.getByText('lastput is starting').count()).resolves.toBe(0)
    })
  })

  test('says what the command line says', async () => {
    const wanted = JSON.parse(lastput(['trace', example, '--json']))
    await show(browser, [example], '', async (page, errors) => {
      await page.locator('.finding').waitFor()
      await expect(page.locator('.finding').count()).resolves.toBe(wanted.findings.length)
      for (const each of wanted.findings[0].evidence) {
        await expect(page.locator('.evidence').textContent()).resolves.toContain(each)
      }
      expect(errors).toEqual([])
    })
  })

  test('pages over time: by mouse and by keys, and the address brings it back', async () => {
    await show(browser, [example], '#view=pages', async (page, errors) => {
      const timeline = page.locator('.timeline')
      await timeline.waitFor()
      expect(await serious(page)).toEqual([])
      const shot = () => timeline.screenshot()
      const whole = await shot()
      await timeline.focus()
      for (const key of ['w', 'w', 'd']) await page.keyboard.press(key)
      await page.waitForFunction(() => location.hash.includes('from='))
      const zoomed = await shot()
      expect(zoomed.equals(whole)).toBe(false)
      await page.reload()
      await timeline.waitFor()
      await page.waitForFunction(() => location.hash.includes('from='))
      await timeline.focus()
      await expect.poll(async () => (await shot()).equals(zoomed)).toBe(true)
      await page.getByRole('button', { name: 'Whole recording' }).click()
      await page.waitForFunction(() => !location.hash.includes('from='))
      // Ctrl and wheel zooms at the pointer, a drag moves.
      const box = (await timeline.boundingBox())!
      await page.mouse.move(box.x + 600, box.y + 200)
      await page.keyboard.down('Control')
      await page.mouse.wheel(0, -400)
      await page.keyboard.up('Control')
      await page.waitForFunction(() => location.hash.includes('from='))
      const before = new URLSearchParams(new URL(page.url()).hash.slice(1)).get('from')
      await page.mouse.down()
      await page.mouse.move(box.x + 300, box.y + 200, { steps: 4 })
      await page.mouse.up()
      await page.waitForFunction(from => !location.hash.includes(`from=${from}&`), before)
      expect(errors).toEqual([])
    })
  })

  test('the keys that people know: ? for keys, / for search, f to fit, 0 for all, Esc to leave', async () => {
    await show(browser, [example], '#view=pages', async (page, errors) => {
      const hash = () => new URLSearchParams(new URL(page.url()).hash.slice(1))
      await page.locator('.timeline').waitFor()
      await page.keyboard.press('?')
      const keys = page.getByRole('dialog', { name: 'Keys' })
      await keys.getByText('fit the marked range into view, or the selected lifetime').waitFor()
      expect(await serious(page)).toEqual([])
      await page.keyboard.press('Escape')
      await keys.waitFor({ state: 'hidden' })
      // Typed into the search, letters are no keys.
      await page.keyboard.press('/')
      await page.keyboard.type('fcf83fc')
      await page.keyboard.press('Enter')
      await page.locator('.detail .life-events').waitFor()
      expect(hash().get('page')).toBe('0xfcf83fc')
      expect(hash().get('from')).toBe(null)
      await page.keyboard.press('f')
      await page.waitForFunction(() => location.hash.includes('from='))
      // The lifetime from 5.962198 to 5.967505, with some room.
      const span = Number(hash().get('to')) - Number(hash().get('from'))
      expect(span / 5_307_000).toBeGreaterThan(1)
      expect(span / 5_307_000).toBeLessThan(1.2)
      await page.keyboard.press('0')
      await page.waitForFunction(() => !location.hash.includes('from='))
      await page.keyboard.press('Escape')
      await page.waitForFunction(() => !location.hash.includes('page='))
      await expect(page.locator('.detail').textContent()).resolves.toBe('')
      // Arrows work wherever the focus is, but on a control.
      await page.locator('main').focus()
      await page.keyboard.press('ArrowDown')
      await page.locator('.detail .life-events').waitFor()
      await page.keyboard.press('/')
      await page.keyboard.type('1')
      await page.keyboard.press('Enter')
      await expect.poll(() => page.locator('input:invalid').count()).toBe(1)
      await page.keyboard.press('Escape')
      expect(errors).toEqual([])
    })
  })

  test('selecting a page shows its lifetime, with what belongs together; arrows go from page to page and event to event', async () => {
    await show(browser, [example], '#view=pages', async (page, errors) => {
      await page.getByLabel('Pages', { exact: true }).selectOption('findings')
      await page.locator('.timeline').focus()
      await page.keyboard.press('ArrowDown')
      await page.locator('.detail .life-events').waitFor()
      await expect(page.locator('.detail').textContent()).resolves.toContain('zdbug_bug_leak_get took a reference')
      await expect(page.locator('tr.unmatched').count()).resolves.toBe(1)
      // Back through the page's events into an earlier lifetime, which is whole.
      for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowLeft')
      await page.locator('.detail .life-events tr').first().waitFor()
      await expect.poll(() => page.locator('tr.unmatched').count()).toBe(0)
      await page.reload()
      await page.locator('.detail .life-events').waitFor()
      await expect(page.locator('tr.unmatched').count()).resolves.toBe(0)
      expect(await serious(page)).toEqual([])
      expect(errors).toEqual([])
    })
  })

  test('rows for all pages, for those that were held, for those with findings', async () => {
    await show(browser, [example], '#view=pages', async page => {
      const rows = async () => (await page.locator('.spacer').evaluate(each => each.clientHeight)) / 16
      await page.locator('.timeline').waitFor()
      // A row for the pagemap, and one for each page: 33 of its 1,024 were handed out.
      expect(await rows()).toBe(1025)
      await page.getByLabel('Pages', { exact: true }).selectOption('held')
      expect(await rows()).toBe(34)
      await page.reload()
      await page.locator('.timeline').waitFor()
      expect(await rows()).toBe(34)
      await page.getByLabel('Pages', { exact: true }).selectOption('findings')
      expect(await rows()).toBe(2)
    })
  })

  test('the table says what the timeline draws', async () => {
    await show(browser, [example], '#view=pages&table=1&only=findings', async page => {
      const leaked = page.getByRole('row').filter({ hasText: 'leak' })
      await leaked.waitFor()
      await expect(leaked.getByRole('cell').allTextContents()).resolves.toEqual([
        '0xfcf83fc',
        expect.any(String),
        expect.any(String),
        '5.967505',
        '4',
        '1',
        'leak',
      ])
      expect(await serious(page)).toEqual([])
      await leaked.getByRole('button').click()
      await page.locator('.detail .life-events').waitFor()
    })
  })

  test('a recording whose names carry markup, scripts, escapes and direction marks: shown as they are, none runs', async () => {
    const [task, leaker, release] = [
      '<img src=x onerror=alert(1)>',
      '</script><script>alert(2)</script>\u202e',
      '\u001b[31m&lt;b&gt;',
    ]
    const text = lastput(['events', example])
      .replaceAll('insmod', task!)
      .replaceAll('zdbug_bug_leak_get', leaker!)
      .replaceAll('zdbug_release', release!)
    await show(browser, [], '', async (page, errors) => {
      await page.locator('.drop').waitFor()
      await drop(page, '<svg onload=alert(3)>\u202e.txt', Buffer.from(text))
      await page.locator('.finding').waitFor()
      const shown = () => page.locator('main').textContent()
      expect(await shown()).toContain('<svg onload=alert(3)>\\u202e.txt')
      expect(await shown()).toContain('</script><script>alert(2)</script>\\u202e took a reference to page 0xfcf83fc')
      expect(await shown()).toContain(`${task}-105: page_ref_mod +1`)
      await page.getByRole('link', { name: 'took a reference' }).click()
      await page.locator('.life-events').waitFor()
      expect(await shown()).toContain('\\x1b[31m&lt;b&gt;')
      await page.getByRole('link', { name: 'Laws' }).click()
      await page.locator('.laws').waitFor()
      await page.getByRole('link', { name: 'Pages over time' }).click()
      await page.locator('.timeline').focus()
      await page.keyboard.press('ArrowDown')
      await page.locator('.detail .life-events').waitFor()
      expect(await page.locator('main img, main script, main svg[onload]').count()).toBe(0)
      for (const unsafe of ['\u001b', '\u202e']) expect(await shown()).not.toContain(unsafe)
      expect(errors).toEqual([])
    })
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Files that a user gives: of every kind, damaged ones, and again after the page was loaded anew.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Browser, chromium, launchBrowser, type Page } from '../../testkit/browser.ts'
import { data, dataPath } from '../../testkit/data.ts'
import { type PerfRecord, writePerf } from '../../testkit/writers/perfdata.ts'
import { needs } from '../support/needs.ts'
import { lastput, root } from './built.ts'
import { drop, show } from './served.ts'

const example = join(root, 'examples/leak-6.12/trace.dat')
const folder = mkdtempSync(join(tmpdir(), 'lastput-files-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A page that is set up, taken twice and put once. */
const perfRecords: PerfRecord[] = [
  { op: 'page_ref_set', val: 1, count: 1 },
  { op: 'page_ref_mod', val: 1, count: 2 },
  { op: 'page_ref_mod', val: 1, count: 3 },
  { op: 'page_ref_mod', val: -1, count: 2 },
].map(({ op, val, count }, i) => ({
  kind: 'sample',
  time: BigInt(i + 1) * 1000n,
  event: op,
  values: { pfn: 0x1000, val, count },
}))

needs(chromium()).describe('a file', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  const summary = (page: Page) => page.locator('.summary').textContent()

  /** Drops a file on the first screen, and gives its summary. */
  async function dropped(page: Page, name: string, content: Uint8Array): Promise<string> {
    await page.evaluate(() => {
      location.hash = ''
    })
    await page.locator('.drop').waitFor()
    await drop(page, name, content)
    await page.locator('.summary').waitFor({ timeout: 20_000 })
    return (await summary(page))!
  }

  test('is a recording, JSON or a report; what is none is refused in words', async () => {
    const report = join(folder, 'report.html')
    const json = lastput(['trace', example, '--json', '--html', report])
    await show(browser, [], '', async (page, errors) => {
      await page.locator('.drop').waitFor()
      for (const [name, content] of [
        ['trace.dat', readFileSync(example)],
        ['trace.json', Buffer.from(json)],
        ['report.html', readFileSync(report)],
      ] as const) {
        await drop(page, name, content)
        await page.locator('.finding').waitFor()
        await drop(page, 'noise.dat', Buffer.from('this is no recording'.repeat(20)))
        await page.locator('.status.failure').waitFor()
        await expect(page.locator('.status').textContent()).resolves.toMatch(/noise\.dat.*expected/)
      }
      for (const [name, content, words] of [
        ['cut.dat', readFileSync(example).subarray(0, 3000), /cut\.dat: offset/],
        ['bad.json', Buffer.from('{"a":'), /bad\.json: .*JSON/],
        ['other.json', Buffer.from('{"a":1}'), /other\.json: expected lastput/],
        ['page.html', Buffer.from('<!doctype html><script>alert(1)</script>'), /page\.html: expected a report/],
        ['empty', Buffer.alloc(0), /expected/],
        ['verdict.txt', Buffer.from(lastput(['check', 'test_hmm', '--protocol', 'D'])), /verdict\.txt: .*--json/],
        ['trace.dat.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]), /trace\.dat\.zst: .*zstd -d/],
        ['bad.gz', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0]), /bad\.gz: expected a file packed by gzip/],
      ] as const) {
        await drop(page, name, content)
        await page.locator('.status.failure').filter({ hasText: words }).waitFor({ timeout: 20_000 })
      }
      expect(errors).toEqual([])
    })
  })

  test('can be text of tracefs or perf.data, whole or packed by gzip, and says the same as on the command line', async () => {
    const text = Buffer.from(lastput(['events', example]))
    const { bytes } = writePerf({ records: perfRecords })
    await show(browser, [], '', async (page, errors) => {
      for (const [name, content] of [
        ['trace.txt', text],
        ['perf.data', bytes],
        ['trace.txt.gz', gzipSync(text)],
        ['trace.dat.gz', gzipSync(readFileSync(example))],
      ] as const) {
        const path = join(folder, name.replace(/\.gz$/, ''))
        writeFileSync(path, name.endsWith('.gz') ? (name.includes('dat') ? readFileSync(example) : text) : content)
        const { source, lifetimes } = JSON.parse(lastput(['trace', path, '--json']))
        const shown = await dropped(page, name, content)
        expect(shown).toContain(source.format)
        expect(shown).toContain(`${source.events.toLocaleString('en-US')} page_ref event`)
        expect(shown).toContain(`${lifetimes.complete} lifetime`)
      }
      expect(errors).toEqual([])
    })
  })

  test('that is damaged shows what could be read, and where it stopped making sense', async () => {
    const whole = readFileSync(example)
    const text = Buffer.from(lastput(['events', example]))
    const { bytes } = writePerf({ records: perfRecords })
    await show(browser, [], '', async page => {
      const cut = await dropped(page, 'cut.dat', whole.subarray(0, whole.length - 8000))
      expect(cut).toMatch(/damaged at offset \d+: expected/)
      expect(cut).toContain('the file was cut off')
      expect(Number(/([\d,]+) page_ref events/.exec(cut)![1]!.replace(',', ''))).toBeGreaterThan(1000)
      const perf = await dropped(page, 'cut.data', bytes.subarray(0, bytes.length - 60))
      expect(perf).toMatch(/damaged at offset \d+: expected/)
      const packed = gzipSync(text)
      const gz = await dropped(page, 'cut.gz', packed.subarray(0, packed.length / 2))
      expect(gz).toContain('cut.gz is cut off or damaged, and was read up to there')
      expect(gz).toMatch(/page_ref events? from/)
    })
  })

  test('that the page no longer has is asked for by its name, and then shown as it was', async () => {
    await show(browser, [], '', async (page, errors) => {
      const trace = readFileSync(example)
      await page.locator('.drop').waitFor()
      await drop(page, 'mine <b>.dat', trace)
      await page.getByRole('link', { name: 'Pages over time' }).click()
      await page.locator('.timeline').focus()
      for (const key of ['w', 'w', 'd']) await page.keyboard.press(key)
      await page.keyboard.press('ArrowDown')
      await page.locator('.detail .life-events').waitFor()
      await page.waitForFunction(() => location.hash.includes('from='))
      const { hash } = new URL(page.url())
      const drawn = await page.locator('.timeline').screenshot()
      await page.reload()
      await page.locator('.status.wish').filter({ hasText: 'Drop mine <b>.dat again, or choose it' }).waitFor()
      // Another file is shown for itself.
      await drop(page, 'other.dat', trace)
      await page.locator('.finding').waitFor()
      await page.goBack()
      await page.locator('.status.wish').waitFor()
      await drop(page, 'mine <b>.dat', trace)
      await page.locator('.detail .life-events').waitFor()
      await page.locator('.timeline').focus()
      expect(new URL(page.url()).hash).toBe(hash)
      await expect.poll(async () => (await page.locator('.timeline').screenshot()).equals(drawn)).toBe(true)
      // Files that the page still has need not be given again.
      await page.goForward()
      await page.locator('.finding').waitFor()
      await page.goBack()
      await page.locator('.detail .life-events').waitFor()
      expect(errors).toEqual([])
    })
  })

  test('chosen by keyboard, twice', async () => {
    await show(browser, [], '', async page => {
      for (let i = 0; i < 2; i++) {
        await page.locator('#file').setInputFiles(example)
        await page.locator('.finding').waitFor()
        await page.getByRole('link', { name: 'lastput', exact: true }).click()
        await page.locator('.drop').waitFor()
      }
    })
  })

  test('of lastput run or check opens by `lastput open`: JSON, reports, ftrace text', async () => {
    const at = (name: string) => join(folder, name)
    const ftrace = lastput(['run', 'test_hmm', '--seed', '3', '--steps', '200'])
    writeFileSync(at('run.txt'), ftrace)
    const events = ftrace.match(/: page_ref_/g)!.length
    lastput(['check', 'test_hmm', '--protocol', 'D', '--ftrace', at('counterexample.txt')])
    const run = lastput(['run', 'test_hmm', '--protocol', 'D', '--seed', '3', '--json', '--html', at('run.html')])
    writeFileSync(at('run.json'), run)
    for (const [name, ready, words] of [
      ['run.txt', '.summary', `${events} page_ref events`],
      ['counterexample.txt', '.summary', 'page_ref events'],
      ['run.json', '.sequence', 'test_hmm under D, seed 3'],
      ['run.html', '.sequence', 'test_hmm under D, seed 3'],
    ] as const) {
      await show(browser, [at(name)], '', async (page, errors) => {
        await page.locator(ready).waitFor()
        expect(await page.locator('main').textContent()).toContain(words)
        if (ready === '.sequence') {
          const { steps } = JSON.parse(run)
          await expect(page.locator('.sequence tbody tr').count()).resolves.toBe(steps.length)
        }
        expect(errors).toEqual([])
      })
    }
  })

  needs(data('6.12/hmm-private-stacks')).test(
    'large enough for decoders of its own says what the command line says',
    async () => {
      const large = dataPath('6.12/hmm-private-stacks/trace.dat')
      const { source, pagemaps, lifetimes, findings } = JSON.parse(lastput(['trace', large, '--json']))
      await show(browser, [large], '#view=findings', async (page, errors) => {
        await page.locator('.summary').waitFor({ timeout: 60_000 })
        const shown = await summary(page)
        expect(shown).toContain(`${source.events.toLocaleString('en-US')} page_ref events`)
        expect(shown).toContain(`${lifetimes.complete.toLocaleString('en-US')} lifetimes complete`)
        for (const { firstPfn, protocol } of pagemaps) {
          expect(shown).toContain(firstPfn)
          expect(shown).toContain(`protocol ${protocol}`)
        }
        await expect(page.locator('.finding').count()).resolves.toBe(findings.length)
        // The decoders are gone when all is read; the reader stays for the lives.
        expect(page.workers().length).toBe(1)
        expect(errors).toEqual([])
      })
    },
  )
})

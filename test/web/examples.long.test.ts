// SPDX-License-Identifier: GPL-2.0-or-later
// The first screen's examples: each is there and opens where it says, and every view is reached from them by clicks.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Browser, chromium, launchBrowser } from '../../testkit/browser.ts'
import { EXAMPLES, exampleFile } from '../../web/src/examples.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { root } from './built.ts'
import { show } from './served.ts'

test('each example has its file beside the viewer, and each file its example', () => {
  const files = readdirSync(join(root, 'dist/web/examples')).map(file => `examples/${file}`)
  expect(EXAMPLES.map(exampleFile).sort()).toEqual(files.sort())
})

/** What must be seen of each example. */
const SEEN: Record<string, string> = {
  'leak-6.12': '.timeline',
  'surplus-put-5.10': '.finding .kind.put-on-free-page',
  'migrate-6.12': '.life-events tr.unmatched',
  'touch-6.12': '.life-events tr.unmatched[aria-selected=true]',
  'unload-6.12': '.detail .life',
  'ok-7.3': '.timeline',
  'race-5.10': '.detail .life',
  'dax-6.12': '.detail .life-events',
  'dump-7.3': '.detail .kind.accuses',
  bugs: '.bugs td.violated a',
  matrix: '.matrix td.violated a',
  counterexample: '.sequence tr[aria-selected=true]',
  protocols: '.lifecycle .differs',
}

needs(chromium()).describe('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test('all of them open from the first screen, one after the other, and Back leads back', async () => {
    await show(browser, [], '', async (page, errors) => {
      expect(await serious(page)).toEqual([])
      for (const { id, title } of EXAMPLES) {
        await page.getByRole('link', { name: title, exact: true }).click()
        await page.locator(SEEN[id]!).first().waitFor({ timeout: 20_000 })
        expect(await serious(page)).toEqual([])
        await page.goBack()
        await page.locator('.drop').waitFor()
      }
      expect(errors).toEqual([])
    })
  })

  test('every view by clicks', async () => {
    await show(browser, [], '', async (page, errors) => {
      const click = (title: string) => page.getByRole('link', { name: title, exact: true }).click()
      const seen = (selector: string) => page.locator(selector).first().waitFor({ timeout: 20_000 })
      await click('A page that will not migrate')
      await seen('.life-events')
      await click('Findings')
      await page.locator('.finding h2 a').first().click()
      await seen('.life-events')
      await click('Pages over time')
      await seen('.timeline')
      await click('Laws')
      await seen('.laws tbody tr')
      // The reference that leaked, and the one that the eviction kept: both on the same page.
      const out = page.getByRole('row').filter({ hasText: '1 reference: 0xfcffff6' })
      await expect(out.count()).resolves.toBe(2)
      await out.first().getByRole('link').click()
      await seen('.life-events')
      await click('lastput')
      await click('Known bugs, found again')
      await page.locator('.bugs td.violated a').first().click()
      await seen('.sequence')
      await click('Verdicts')
      await seen('.bugs')
      await click('lastput')
      await click('Protocols side by side')
      await seen('.lifecycle')
      await page.reload()
      await seen('.lifecycle')
      expect(errors).toEqual([])
    })
  })

  test('each teaches what it says: a legal put is none too many, a touch stands in its lifetime, a wait on its pages', async () => {
    await show(browser, [], '#example=race-5.10&view=pages&page=0xfcf83ff', async (page, errors) => {
      const life = page.locator('.detail .life')
      await life.waitFor({ timeout: 20_000 })
      // Its last lifetime: more than a thousand events, of which the last are told, and nothing in red.
      await expect(life.textContent()).resolves.toMatch(/\d+ events of a longer lifetime/)
      await expect(page.locator('tr.unmatched').count()).resolves.toBe(0)
      // Behind it memunmap_pages() puts the reference of an idle page.
      await page.keyboard.press('ArrowRight')
      await life.getByText('No lifetime: memunmap_pages() gave back').waitFor()
      await expect(page.locator('tr.unmatched').count()).resolves.toBe(0)
      await expect(page.locator('.told').last().textContent()).resolves.toBe(
        'gives back what an idle page has of its own',
      )
      expect(errors).toEqual([])
    })
    await show(browser, [], '#example=touch-6.12&view=life&finding=0', async page => {
      const touch = page.locator('tr[aria-selected=true]')
      await touch.waitFor({ timeout: 20_000 })
      await expect(touch.textContent()).resolves.toContain('9.409267')
      await expect(touch.textContent()).resolves.toContain('zd3_usetouch-after-free: no count shows it')
      await expect(page.locator('.count-chart path.act').count()).resolves.toBe(1)
      // On the pages over time, too, whose lifetimes are told from the counts.
      await page.goto(`${page.url().split('#')[0]}#example=touch-6.12&view=pages&page=0xfcf81fc`)
      await page.locator('.detail tr.unmatched').waitFor({ timeout: 20_000 })
      await expect(page.locator('.detail tr.unmatched').textContent()).resolves.toContain('9.409267')
    })
    await show(browser, [], '#example=unload-6.12&view=findings', async page => {
      await page.locator('.finding .kind.teardown-waits').waitFor({ timeout: 20_000 })
      await expect(page.locator('.summary').textContent()).resolves.toMatch(
        /memunmap_pages\(\) of 0xfcf8000-0xfcf81ff: entered at 5\.788345 s by rmmod-133, had not returned when the recording ended, 3\.13 s later/,
      )
      await page.getByRole('link', { name: 'memunmap_pages() waits, and not for a page that is in use.' }).click()
      const canvas = page.locator('.timeline canvas')
      await canvas.waitFor()
      // The pointer on the heading of the pagemap, three quarters through: long after the last event.
      const box = (await canvas.boundingBox())!
      await page.mouse.move(box.x + 118 + (box.width - 118) * 0.75, box.y + 30)
      await page.locator('.tooltip:not([hidden])', { hasText: 'had not returned' }).waitFor()
      // And back to the finding.
      await page.locator('.detail').getByRole('link', { name: 'teardown-waits' }).click()
      await page.locator('.finding .kind.teardown-waits').waitFor()
    })
  })

  test.each(['A', 'D'])('lines of two protocols (%s and G) that are the same stand on the same height', async left => {
    await show(browser, [], `#example=protocols&type=PRIVATE&left=${left}&right=G`, async page => {
      await page.locator('.lifecycle').first().waitFor()
      const tops = await page.locator('.sides section').evaluateAll(sides =>
        sides.map(side =>
          [...side.querySelectorAll('.lifecycle li:not(.differs, .varies, .none)')].map(li => ({
            top: li.getBoundingClientRect().top,
            text: li.querySelector('.name')?.textContent,
          })),
        ),
      )
      expect(tops[0]!.length).toBeGreaterThan(3)
      expect(tops[0]).toEqual(tops[1])
    })
  })

  test('at 800 pixels the panel of the selected step stays in view', async () => {
    await show(browser, [], '#example=bugs&view=counterexample&check=12&step=1', async page => {
      await page.setViewportSize({ width: 800, height: 700 })
      await page.locator('.sequence').waitFor()
      for (const key of ['End', 'Home']) {
        await page.keyboard.press(key)
        const shown = await page.evaluate(() => {
          const panel = document.querySelector('.holders')!.getBoundingClientRect()
          const row = document.querySelector('.sequence tr[aria-selected=true]')!.getBoundingClientRect()
          return {
            panel: panel.bottom <= innerHeight + 1 && panel.top < innerHeight - 100,
            row: row.bottom <= panel.top + 1,
          }
        })
        expect(shown).toEqual({ panel: true, row: true })
      }
    })
  })
})

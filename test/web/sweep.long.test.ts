// SPDX-License-Identifier: GPL-2.0-or-later
// Every view of every example as somebody new walks through it: each key that "?" names, narrow and wide, in light and dark.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Browser, chromium, launchBrowser, watchedPage } from '../../testkit/browser.ts'
import { EXAMPLES } from '../../web/src/examples.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { opened } from './served.ts'

/** Keys as the list of keys writes them. */
const NAMED: Record<string, string> = {
  '↑': 'ArrowUp',
  '↓': 'ArrowDown',
  '←': 'ArrowLeft',
  '→': 'ArrowRight',
  Esc: 'Escape',
}

needs(chromium()).describe('all views of all examples', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [800, 'light'],
    [800, 'dark'],
  ] as const)(
    '%i pixels, %s: every key, and nothing stands beside the page',
    { timeout: 600_000 },
    async (width, colorScheme) => {
      await opened([], async url => {
        const { page, errors } = await watchedPage(browser, { viewport: { width, height: 800 }, colorScheme })
        const visited: string[] = []

        async function visit(hash: string): Promise<void> {
          await page.goto(`${url}${hash}`)
          await page.locator('main h1').waitFor({ timeout: 20_000 })
          await page.locator('.welcome').waitFor({ state: 'detached' })
          await page.keyboard.press('?')
          const keys = await page.locator('dialog kbd').allTextContents()
          expect(keys.length).toBeGreaterThan(3)
          await page.keyboard.press('Escape')
          for (const key of keys) {
            await page.keyboard.press(NAMED[key] ?? key)
            await page.keyboard.press('Escape')
          }
          const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
          expect(`${hash}: ${beyond}`).toBe(`${hash}: ${Math.min(0, beyond)}`)
          expect(await serious(page)).toEqual([])
          expect(errors).toEqual([])
          visited.push(hash)
        }

        for (const { id, at } of EXAMPLES) {
          await visit(`#${new URLSearchParams({ example: id, ...(at as Record<string, string>) })}`)
          const tabs = await page
            .locator('nav a:not([aria-current])')
            .evaluateAll(all => all.map(a => a.getAttribute('href')!))
          for (const tab of tabs) await visit(tab)
        }
        expect(visited.length).toBeGreaterThan(25)
        await page.close()
      })
    },
  )
})

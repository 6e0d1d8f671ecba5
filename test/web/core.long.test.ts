// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of real kernels, read in the browser: it says what the command line says.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Browser, chromium, launchBrowser } from '../../testkit/browser.ts'
import { dumps, realDumps } from '../../testkit/core/real-dumps.ts'
import { needs } from '../support/needs.ts'
import { lastput } from './built.ts'
import { show } from './served.ts'

needs(chromium(), dumps()).describe('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser?.close())

  for (const dump of realDumps()) {
    needs(dump.needs).describe(dump.name, () => {
      test('the same findings, pages and warnings', async () => {
        const path = dump.path()
        const wanted = JSON.parse(lastput(['core', path, '--json'])) as {
          findings: { kind: string; evidence: string[] }[]
          reasons: { text: string }[]
          pagemaps: object[]
        }
        const accused = wanted.findings.filter(({ kind }) => kind !== 'held')
        await show(browser, [path], '', async (page, errors) => {
          await page.locator('.page-map').waitFor({ timeout: 100_000 })
          const kinds = await page.locator('.core-findings .kind.accuses').allTextContents()
          expect(kinds).toEqual(accused.map(({ kind }) => kind))
          const said = (await page.locator('.core-findings').textContent())!
          for (const { evidence } of accused) expect(said).toContain(evidence[0])
          expect(await page.locator('.pagemaps tbody tr').count()).toBe(wanted.pagemaps.length)
          expect(await page.locator('.warnings li').allTextContents()).toEqual(wanted.reasons.map(({ text }) => text))
          expect(errors).toEqual([])
        })
      })
    })
  }
})

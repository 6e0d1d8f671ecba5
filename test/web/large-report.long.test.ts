// SPDX-License-Identifier: GPL-2.0-or-later
// A full report of a large recording, opened from disk.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { type Browser, chromium, launchBrowser, openedFile } from '../../testkit/browser.ts'
import { data, dataPath } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'
import { lastput } from './built.ts'

needs(chromium()).describe('in a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-web-'))
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await browser?.close()
  })

  // From a file on disk only the page may start workers: decoders, too.
  needs(data('6.12/hmm-private-stacks')).test('a large recording is decoded by several workers', async () => {
    const large = dataPath('6.12/hmm-private-stacks/trace.dat')
    const file = join(folder, 'large.html')
    const { lifetimes } = JSON.parse(lastput(['trace', large, '--json', '--full', '--html', file]))
    const { page, errors } = await openedFile(browser, file)
    await page.locator('.summary').waitFor({ timeout: 60_000 })
    await expect(page.locator('.summary').textContent()).resolves.toContain(
      `${lifetimes.complete.toLocaleString('en-US')} lifetimes complete`,
    )
    expect(errors).toEqual([])
    await page.close()
  })
})

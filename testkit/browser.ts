// SPDX-License-Identifier: GPL-2.0-or-later
// The browser for the viewer's tests: Debian's Chromium, driven by playwright-core.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, type Locator, type Page, chromium as playwright } from 'playwright-core'
import { type Missing, program } from './data.ts'

/** Names or paths of Chromium, in order of preference. */
const NAMES = [process.env.LASTPUT_CHROMIUM, 'chromium', 'chromium-browser']

/** Returns the path of the first one that runs. Playwright needs a path, since it does not search for names. */
function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':')
  const name = NAMES.find(name => name && !program(name))
  return name && folders.map(folder => resolve(folder, name)).find(path => existsSync(path))
}

/** Test requirement: a browser. */
export function chromium(): Missing {
  return findChromium() ? undefined : 'program chromium (LASTPUT_CHROMIUM names another)'
}

/** @param without arguments that playwright would add by default and that are left out */
export function launchBrowser(without: string[] = []): Promise<Browser> {
  return playwright.launch({
    executablePath: findChromium()!,
    ignoreDefaultArgs: without,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Opens a page that collects its errors: exceptions, console errors (violations of the content policy included), requests. */
export async function watchedPage(browser: Browser, options: Parameters<Browser['newPage']>[0] = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options })
  const errors: string[] = []
  const requests: string[] = []
  page.on('pageerror', error => errors.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error') errors.push(message.text())
  })
  page.on('dialog', dialog => {
    errors.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', request => requests.push(request.url()))
  return { page, errors, requests }
}

/** Opens such a page with a file from disk. */
export async function openedFile(browser: Browser, file: string, hash = '') {
  const watched = await watchedPage(browser)
  await watched.page.goto(`${pathToFileURL(file)}${hash}`)
  return watched
}

export type { Browser, Locator, Page }

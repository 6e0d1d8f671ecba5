// SPDX-License-Identifier: GPL-2.0-or-later
// A browser for the tests of the viewer: Chromium as Debian packages it, driven by playwright-core.
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'

const PATHS = [process.env.LASTPUT_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser']

export const chromiumPath = PATHS.find(path => path !== undefined && existsSync(path))

/** Says once why nothing is tested. */
export function haveBrowser(): boolean {
  if (!chromiumPath) console.warn('skipped: no Chromium (Debian package chromium, or LASTPUT_CHROMIUM)')
  return chromiumPath !== undefined
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath!,
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

/** A page that collects what went wrong on it: exceptions, errors on the console (refused by policy, too), requests. */
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

/** The same, with a file opened from disk. */
export async function openedFile(browser: Browser, file: string, hash = '') {
  const watched = await watchedPage(browser)
  await watched.page.goto(`${pathToFileURL(file)}${hash}`)
  return watched
}

export type { Browser, Page }

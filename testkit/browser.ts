// SPDX-License-Identifier: GPL-2.0-or-later
// A browser for the tests of the viewer: Chromium as Debian packages it, driven by playwright-core.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, type Locator, type Page, chromium as playwright } from 'playwright-core'
import { type Missing, program } from './data.ts'

/** By name or path. */
const NAMES = [process.env.LASTPUT_CHROMIUM, 'chromium', 'chromium-browser']

/** The path of the first that runs; playwright looks for no names. */
function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':')
  const name = NAMES.find(name => name && !program(name))
  return name && folders.map(folder => resolve(folder, name)).find(path => existsSync(path))
}

/** Needs a browser. */
export function chromium(): Missing {
  return findChromium() ? undefined : 'program chromium (LASTPUT_CHROMIUM names another)'
}

/** @param without arguments of playwright's own that are left out */
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

export type { Browser, Locator, Page }

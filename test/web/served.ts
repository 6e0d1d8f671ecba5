// SPDX-License-Identifier: GPL-2.0-or-later
// `lastput open` as a user starts it, and what they do on its page.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Browser, type Page, watchedPage } from '../../testkit/browser.ts'
import { root } from './built.ts'

/** Starts the command, and stops it when its user is done. */
export async function opened<T>(args: string[], use: (url: string) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), 'open', '--no-browser', ...args])
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', data => resolve(String(data).trim()))
      child.once('exit', code => reject(new Error(`ended with ${code}`)))
    })
    return await use(url)
  } finally {
    child.kill('SIGINT')
    expect(await ended).toBe(0)
  }
}

/** Shows the command's page at an address. */
export function show<T>(
  browser: Browser,
  args: string[],
  hash: string,
  use: (page: Page, errors: string[]) => Promise<T>,
): Promise<T> {
  return opened(args, async url => {
    const { page, errors } = await watchedPage(browser)
    await page.goto(`${url}${hash}`)
    const result = await use(page, errors)
    await page.close()
    return result
  })
}

/** Drops a file as a user does. */
export async function drop(page: Page, name: string, content: Uint8Array): Promise<void> {
  await page.evaluate(
    ({ name, base64 }) => {
      const data = new DataTransfer()
      data.items.add(new File([Uint8Array.from(atob(base64), c => c.charCodeAt(0))], name))
      document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }))
    },
    { name, base64: Buffer.from(content).toString('base64') },
  )
}

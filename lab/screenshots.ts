// SPDX-License-Identifier: GPL-2.0-or-later
/** Pictures of the viewer for the README and docs/viewer.md, from the bundled example and the model. `npm run screenshots` */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, haveBrowser, launchBrowser } from '../test/support/browser.ts'

const root = process.cwd()
const out = join(root, 'docs/images')
const main = join(root, 'dist/cli/main.js')
const example = join(root, 'examples/leak-6.12/trace.dat')

const { serveViewer } = (await import(join(root, 'dist/node/serve.js'))) as typeof import('../src/node/serve.ts')

interface Shot {
  name: string
  url: string
  /** Selector of what must be there before the picture is taken. */
  ready: string
  scheme?: 'light' | 'dark'
  height?: number
}

async function take(browser: Browser, { name, url, ready, scheme = 'light', height = 720 }: Shot): Promise<void> {
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: scheme })
  await page.goto(url)
  await page.locator(ready).first().waitFor()
  // The timeline draws with the frame after the one that shows it.
  await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))))
  await page.screenshot({ path: join(out, `${name}.png`) })
  await page.close()
}

function report(file: string, args: string[]): string {
  try {
    execFileSync(process.execPath, [main, ...args, '--html', file], { stdio: 'ignore' })
  } catch (error) {
    // Findings and violated promises are what is to be seen.
    if ((error as { status?: number }).status !== 1) throw error
  }
  return String(pathToFileURL(file))
}

async function all(): Promise<void> {
  mkdirSync(out, { recursive: true })
  const folder = mkdtempSync(join(tmpdir(), 'lastput-screenshots-'))
  const served = await serveViewer(example)
  const empty = await serveViewer()
  const browser = await launchBrowser()
  try {
    const leak = report(join(folder, 'leak.html'), ['trace', 'examples/leak-6.12/trace.dat'])
    const bugs = report(join(folder, 'bugs.html'), ['check', '--bugs'])
    const matrix = report(join(folder, 'matrix.html'), ['check', 'test_hmm', '--matrix'])
    const protocols = report(join(folder, 'protocols.html'), ['explain'])
    const shots: Shot[] = [
      { name: 'first-screen', url: empty.url, ready: '.welcome' },
      { name: 'findings', url: leak, ready: '.finding' },
      { name: 'life', url: `${leak}#view=life&finding=0`, ready: '.life-events', height: 940 },
      { name: 'sites', url: `${leak}#view=sites`, ready: '.sites', height: 420 },
      { name: 'pages', url: `${served.url}#view=pages`, ready: '.timeline', height: 900 },
      { name: 'pages-dark', url: `${served.url}#view=pages`, ready: '.timeline', height: 900, scheme: 'dark' },
      { name: 'verdicts', url: matrix, ready: '.matrix' },
      { name: 'bugs', url: bugs, ready: '.bugs', scheme: 'dark' },
      { name: 'counterexample', url: `${bugs}#view=counterexample&check=0&step=7`, ready: '.sequence', height: 740 },
      { name: 'protocols', url: `${protocols}#type=PRIVATE&left=D&right=G`, ready: '.lifecycle', height: 920 },
    ]
    for (const shot of shots) await take(browser, shot)
    console.log(`${shots.length} pictures in docs/images`)
  } finally {
    await browser.close()
    await Promise.all([served.close(), empty.close()])
    rmSync(folder, { recursive: true })
  }
}

if (haveBrowser()) await all()

// SPDX-License-Identifier: GPL-2.0-or-later
/** `npm run screenshots [-- NAME...]`: makes the pictures of the viewer in the README and docs/viewer.md, from the examples. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, launchBrowser } from '../testkit/browser.ts'

const root = process.cwd()
const out = join(root, 'docs/images')

const { serveViewer } = (await import(join(root, 'dist/node/serve.js'))) as typeof import('../src/node/serve.ts')

interface Shot {
  name: string
  /** Fragment of the viewer's URL. */
  at: string
  /** Selector of an element that has to exist before the picture is taken. */
  ready: string
  scheme?: 'light' | 'dark'
  height?: number
}

const SHOTS: Shot[] = [
  { name: 'first-screen', at: '', ready: '.welcome', height: 1000 },
  { name: 'findings', at: 'example=leak-6.12&view=findings', ready: '.finding', height: 640 },
  { name: 'life', at: 'example=leak-6.12&view=life&finding=0', ready: '.life-events', height: 860 },
  { name: 'laws', at: 'example=migrate-6.12&view=laws', ready: '.laws tbody tr', height: 420 },
  { name: 'pages', at: 'example=leak-6.12&view=pages', ready: '.timeline', height: 860 },
  { name: 'map', at: 'example=dump-7.3&view=map&page=0xfcf801f', ready: '.detail .held', height: 1000 },
  { name: 'verdicts', at: 'example=matrix&view=verdicts&filter=test_hmm', ready: '.matrix' },
  { name: 'bugs', at: 'example=bugs&view=verdicts', ready: '.bugs', scheme: 'dark' },
  {
    name: 'counterexample',
    at: 'example=counterexample&view=counterexample&check=0&step=7',
    ready: '.sequence',
    height: 900,
  },
  { name: 'protocols', at: 'example=protocols&type=PRIVATE&left=D&right=G', ready: '.lifecycle', height: 1080 },
]

async function take(browser: Browser, url: string, shot: Shot): Promise<void> {
  const { name, at, ready, scheme = 'light', height = 720 } = shot
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: scheme })
  await page.goto(`${url}#${at}`)
  await page.locator(ready).first().waitFor()
  // The timeline is drawn one frame after its element appears.
  await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))))
  await page.screenshot({ path: join(out, `${name}.png`) })
  await page.close()
}

if (chromium()) console.warn(`no pictures: no ${chromium()}`)
else {
  mkdirSync(out, { recursive: true })
  const served = await serveViewer()
  const browser = await launchBrowser()
  try {
    const wanted = process.argv.slice(2)
    const shots = SHOTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    for (const shot of shots) await take(browser, served.url, shot)
    console.log(`${shots.length} pictures in docs/images`)
  } finally {
    await browser.close()
    await served.close()
  }
}

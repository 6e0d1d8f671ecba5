// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The viewer on a recording of more than ten million events: reading in the browser's worker next to Node, the first
 * picture, frames while panning and zooming, memory. `npm run bench:viewer [-- --json]`
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { launchBrowser, type Page } from '../test/support/browser.ts'
import { dataPath } from '../test/support/data.ts'
import { longRecordings } from './long.ts'
import { measure } from './process.ts'

const root = process.cwd()
/** The built server; what it serves lies beside it. */
const { serveViewer } = (await import(join(root, 'dist/node/serve.js'))) as typeof import('../src/node/serve.ts')

const ROUNDS = 2
const FRAMES = 150

interface Figures {
  events: number
  /** Events that the timeline holds: those of device pages. */
  drawn: number
  pages: number
  nodeSeconds: number
  /** From the start of the worker's reading to its last event. */
  browserSeconds: number
  /** From the last event read to the first picture. */
  firstPictureSeconds: number
  /** Median and 95th percentile of the time from frame to frame, in ms. */
  pan: [number, number]
  zoom: [number, number]
  scroll: [number, number]
  /** Resident memory of the page's process, worker included. */
  megabytes: number
}

async function bench(file: string): Promise<Figures> {
  const events = JSON.parse(
    measure(process.execPath, [join(root, 'dist/cli/main.js'), 'trace', file, '--json'], [0, 1]).stdout,
  ).source.events as number
  const node = measure(process.execPath, [join(root, 'dist/cli/main.js'), 'trace', file, '--top', '0'], [0, 1])
  const served = await serveViewer(file)
  const browser = await launchBrowser()
  try {
    const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } })
    await page.goto(`${served.url}#view=pages&scroll=0`, { timeout: 0 })
    await page.waitForFunction(() => performance.getEntriesByName('lastput-first-picture').length > 0, undefined, {
      timeout: 600_000,
    })
    const [reading, picture] = await page.evaluate(() =>
      ['lastput-reading', 'lastput-first-picture'].map(name => performance.getEntriesByName(name)[0]!.duration / 1e3),
    )
    await page.locator('.timeline').focus()
    const rows = await page.evaluate(() => document.querySelector<HTMLElement>('.spacer')!.clientHeight / 16)
    return {
      events,
      drawn: await drawnEvents(page),
      pages: rows,
      nodeSeconds: node.seconds,
      browserSeconds: reading!,
      firstPictureSeconds: picture!,
      zoom: await frames(page, ['w', 'w', 'w', 's', 's', 's']),
      pan: await frames(page, ['d', 'd', 'd', 'a', 'a', 'a']),
      scroll: await frames(page, []),
      megabytes: rendererMegabytes(),
    }
  } finally {
    await browser.close()
    await served.close()
  }
}

/** Events under the timeline, as its table counts them. */
async function drawnEvents(page: Page): Promise<number> {
  return page.evaluate(() => Number((document.querySelector('.pages') as HTMLElement).dataset.events))
}

/** Times between frames while a key goes down in each of them, or while the rows scroll. */
async function frames(page: Page, keys: string[]): Promise<[number, number]> {
  const gaps = await page.evaluate(
    ({ keys, count }) =>
      new Promise<number[]>(resolve => {
        const gaps: number[] = []
        const timeline = document.querySelector('.timeline')!
        let last = 0
        const step = (now: number) => {
          if (last > 0) gaps.push(now - last)
          last = now
          if (gaps.length === count) return resolve(gaps)
          const key = keys[gaps.length % Math.max(1, keys.length)]
          if (key) dispatchEvent(new KeyboardEvent('keydown', { key }))
          else timeline.scrollTop += 400
          requestAnimationFrame(step)
        }
        requestAnimationFrame(step)
      }),
    { keys, count: FRAMES },
  )
  const sorted = gaps.sort((a, b) => a - b)
  return [sorted[Math.floor(FRAMES / 2)]!, sorted[Math.floor(FRAMES * 0.95)]!]
}

/** Of the largest renderer that this process has started, by way of /proc. */
function rendererMegabytes(): number {
  const sizes = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('--type=renderer')) return 0
        return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024
      } catch {
        return 0 // it has ended meanwhile
      }
    })
  return Math.max(...sizes)
}

for await (const { file } of longRecordings(dataPath('7.3/hmm-private/trace.dat'), [ROUNDS])) {
  const figures = await bench(file)
  if (process.argv.includes('--json')) console.log(JSON.stringify(figures, null, 2))
  else {
    const rate = (seconds: number) => `${(figures.events / seconds / 1e6).toFixed(2)} M events/s`
    const pace = ([median, late]: [number, number]) =>
      `${(1e3 / median).toFixed(0)} frames/s median, 95 % within ${late.toFixed(0)} ms`
    console.log(`${figures.events} events, ${figures.drawn} of them on ${figures.pages} rows of the timeline`)
    console.log(`read by Node     ${rate(figures.nodeSeconds)}`)
    console.log(`read by browser  ${rate(figures.browserSeconds)}`)
    console.log(`first picture    ${figures.firstPictureSeconds.toFixed(2)} s after the last event`)
    for (const what of ['zoom', 'pan', 'scroll'] as const) console.log(`${what.padEnd(16)} ${pace(figures[what])}`)
    console.log(
      `memory           ${figures.megabytes.toFixed(0)} MB, ${((figures.megabytes * 2 ** 20) / figures.drawn).toFixed(0)} bytes an event drawn`,
    )
  }
}

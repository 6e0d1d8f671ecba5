// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:viewer [-- --json] [-- --rounds N]`: measures the viewer on a recording of 17 million events, compressed as by
 * trace-cmd. Reading in the browser's worker is compared with Node, both from opening the file to its last event. Further
 * figures are the time to the first drawing, frame times while panning and zooming, and memory.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, launchBrowser, type Page } from '../testkit/browser.ts'
import { dataPath } from '../testkit/data.ts'
import { longRecordings, packed } from './long.ts'
import { measure } from './process.ts'

const root = process.cwd()
/** The server of the build, which serves the files beside it. */
const { serveViewer } = (await import(join(root, 'dist/node/serve.js'))) as typeof import('../src/node/serve.ts')
const readOne = fileURLToPath(new URL('./read-one.js', import.meta.url))

/** Number of times that the recording of 8.5 million events is repeated. */
const REPEATS = 2
const FRAMES = 150

interface Reading {
  events: number
  seconds: number
}

interface Viewing {
  /** Number of events in the timeline, which has those of device pages only. */
  drawn: number
  pages: number
  /** Time in seconds from opening the file to the last event, in the worker. */
  seconds: number
  /** Time in seconds from the last event to the first drawing. */
  firstPictureSeconds: number
  /** Median and 95th percentile of the time between frames, in ms. */
  pan: [number, number]
  zoom: [number, number]
  scroll: [number, number]
  /** Resident memory in MB of the page's process with its workers, minus that of the empty viewer; below, its peak. */
  megabytes: number
  peakMegabytes: number
}

function readByNode(file: string): Reading {
  return JSON.parse(measure(process.execPath, [readOne, file]).stdout)
}

async function view(browser: Browser, file: string): Promise<Viewing> {
  const empty = await memoryOfEmptyViewer(browser)
  const served = await serveViewer(file)
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } })
  try {
    await page.goto(`${served.url}#view=pages&scroll=0`, { timeout: 0 })
    await page.waitForFunction(() => performance.getEntriesByName('lastput-first-picture').length > 0, undefined, {
      timeout: 600_000,
    })
    const [seconds, firstPictureSeconds] = await page.evaluate(() =>
      ['lastput-reading', 'lastput-first-picture'].map(name => performance.getEntriesByName(name)[0]!.duration / 1e3),
    )
    await page.locator('.timeline').focus()
    const memory = rendererMemory()
    return {
      drawn: await page.evaluate(() => Number((document.querySelector('.pages') as HTMLElement).dataset.events)),
      pages: await page.evaluate(() => document.querySelector<HTMLElement>('.spacer')!.clientHeight / 16),
      seconds: seconds!,
      firstPictureSeconds: firstPictureSeconds!,
      zoom: await frames(page, ['w', 'w', 'w', 's', 's', 's']),
      pan: await frames(page, ['d', 'd', 'd', 'a', 'a', 'a']),
      scroll: await frames(page, []),
      megabytes: memory.now - empty,
      peakMegabytes: memory.peak - empty,
    }
  } finally {
    await page.close()
    await served.close()
  }
}

async function memoryOfEmptyViewer(browser: Browser): Promise<number> {
  const served = await serveViewer()
  const page = await browser.newPage()
  await page.goto(served.url)
  const { now } = rendererMemory()
  await page.close()
  await served.close()
  return now
}

/** Measures the times between frames while a key is pressed in each frame, or without keys while the rows scroll. */
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

/** Resident memory in MB of the largest renderer among the descendants of this process, now and at its peak. Linux only. */
function rendererMemory(): { now: number; peak: number } {
  const sizes = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && isOurs(name))
    .map(pid => {
      const status = procText(pid, 'status')
      const megabytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024
      return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') }
    })
  return sizes.reduce((most, size) => (size.now > most.now ? size : most), { now: 0, peak: 0 })
}

function isOurs(pid: string): boolean {
  if (!procText(pid, 'cmdline').includes('--type=renderer')) return false
  for (let at = Number(pid); at > 1; at = Number(/PPid:\s+(\d+)/.exec(procText(String(at), 'status'))?.[1] ?? 0))
    if (at === process.pid) return true
  return false
}

/** Reads a file of /proc/PID; empty if the process has ended meanwhile. */
function procText(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

function print(node: Reading, viewing: Viewing): void {
  const { events } = node
  const rate = (seconds: number) => `${(events / seconds / 1e6).toFixed(2)} M events/s (${seconds.toFixed(2)} s)`
  const pace = ([median, late]: [number, number]) =>
    `${(1e3 / median).toFixed(0)} frames/s median, 95 % within ${late.toFixed(0)} ms`
  const perEvent = (megabytes: number) =>
    `${megabytes.toFixed(0)} MB, ${((megabytes * 2 ** 20) / viewing.drawn).toFixed(0)} bytes an event drawn`
  console.log(`${events} events, ${viewing.drawn} of them on ${viewing.pages} rows of the timeline`)
  console.log(`read by Node     ${rate(node.seconds)}`)
  console.log(
    `read by browser  ${rate(viewing.seconds)}: ${(node.seconds / viewing.seconds).toFixed(2)} of Node's speed`,
  )
  console.log(`first picture    ${viewing.firstPictureSeconds.toFixed(2)} s after the last event`)
  for (const what of ['zoom', 'pan', 'scroll'] as const) console.log(`${what.padEnd(16)} ${pace(viewing[what])}`)
  console.log(`memory           ${perEvent(viewing.megabytes)} (at its peak ${perEvent(viewing.peakMegabytes)})`)
}

const flag = process.argv.indexOf('--rounds')
const rounds = flag < 0 ? 2 : Number(process.argv[flag + 1])

/** Returns the fastest of `rounds` alternating runs of Node and the browser, because other load only adds time. */
async function bench(file: string): Promise<{ node: Reading; viewing: Viewing }> {
  const turns: { node: Reading; viewing: Viewing }[] = []
  for (let round = 0; round < rounds; round++) {
    const node = readByNode(file)
    const browser = await launchBrowser()
    try {
      turns.push({ node, viewing: await view(browser, file) })
    } finally {
      await browser.close()
    }
  }
  const least = <T extends { seconds: number }>(all: T[]) => all.reduce((a, b) => (b.seconds < a.seconds ? b : a))
  return { node: least(turns.map(turn => turn.node)), viewing: least(turns.map(turn => turn.viewing)) }
}

for await (const { file } of longRecordings(dataPath('7.3/hmm-private/trace.dat'), [REPEATS], packed)) {
  const { node, viewing } = await bench(file)
  if (process.argv.includes('--json')) console.log(JSON.stringify({ node, viewing }, null, 2))
  else print(node, viewing)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Every page of every pagemap, counted by its state; those in use, and those that cannot be as they are, are kept. */
import type { PageRule } from '../../linux/protocols/rules.ts'
import { growColumns, lengthFor } from '../../util/growable.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { MemoryMap } from './memory-map.ts'
import type { PageView } from './page-layout.ts'
import { MOST_RUNS, PageRuns } from './page-runs.ts'
import type { Pagemap } from './pagemaps.ts'
import { type PageState, type Recognised, recogniseProtocol, ruleOf, stateOf } from './protocol.ts'

/** Pages by state; the tails of a folio have that of its head. */
export interface StateCounts {
  idle: number
  busy: number
  impossible: number
  unknown: number
  /** The dump has no struct page of theirs. */
  absent: number
}

export interface PagemapAccount extends Pagemap, Recognised {
  readonly rule: PageRule | undefined
  readonly pages: StateCounts
  /** Pages that hold the pagemap's own struct pages. */
  readonly reserved: number
  /** Heads and single pages, by count. */
  readonly counts: ReadonlyMap<number, number>
  /** All of its pages, those alike side by side as one. */
  readonly runs: PageRuns
}

const STATES: readonly PageState[] = ['idle', 'busy', 'impossible', 'unknown']

/** Pages that are not idle, as columns. A folio has one row, that of its head. */
export class PagesInUse {
  length = 0
  pfn = new Float64Array(256)
  count = new Int32Array(256)
  mapcount = new Int32Array(256)
  order = new Uint8Array(256)
  flagsLow = new Uint32Array(256)
  flagsHigh = new Uint32Array(256)
  /** 1 where the page's `mapping` is set, as it is of anonymous memory while mapped. */
  mapping = new Uint8Array(256)
  /** Index in the list of pagemaps. */
  pagemap = new Uint32Array(256)
  /** Index of the state in {@link STATES}. */
  state = new Uint8Array(256)

  add(page: PageView, pagemap: number, state: PageState): void {
    const row = this.length++
    if (row >= this.pfn.length) growColumns(this, lengthFor(row, this.pfn.length))
    this.pfn[row] = page.pfn
    this.count[row] = page.count
    this.mapcount[row] = page.mapcount
    this.order[row] = page.order
    this.flagsLow[row] = page.flagsLow
    this.flagsHigh[row] = page.flagsHigh
    this.mapping[row] = page.mapping === 0n ? 0 : 1
    this.pagemap[row] = pagemap
    this.state[row] = STATES.indexOf(state)
  }

  stateOf(row: number): PageState {
    return STATES[this.state[row]!]!
  }
}

export interface DevicePages {
  readonly pagemaps: readonly PagemapAccount[]
  readonly inUse: PagesInUse
}

/** Pages whose counts no rule of their pagemap's fits are taken for a wrong rule when they are so many of it. */
const MOST_IMPOSSIBLE = 0.5
const ENOUGH_PAGES = 16

/** @param progress is called with the pages done now and then */
export function readDevicePages(
  kernel: Kernel,
  map: MemoryMap,
  pagemaps: readonly Pagemap[],
  progress: (pages: number) => void = () => undefined,
): DevicePages {
  const inUse = new PagesInUse()
  const recognised = recogniseProtocol(kernel)
  const room = { runs: MOST_RUNS }
  let done = 0
  const accounts = pagemaps.map((pagemap, index) => {
    const walk = new PagemapWalk({ pagemap, recognised, inUse, index, runs: new PageRuns(room) })
    for (const { first, end, reserved } of pagemap.ranges) {
      walk.reserve(first, reserved)
      // A damaged range can have any length, most of which is passed over at once.
      const step = Math.max(PROGRESS_PAGES, Math.ceil((end - first) / MOST_STEPS))
      for (let from = first + reserved; from < end; from += step) {
        const to = Math.min(end, from + step)
        walk.visit(map, from, to)
        progress((done += to - from))
      }
    }
    return walk.finish()
  })
  return { pagemaps: accounts, inUse }
}

/** Pages between two words of progress, and how often there are any of one range. */
const PROGRESS_PAGES = 1 << 18
const MOST_STEPS = 256

interface WalkSetup {
  pagemap: Pagemap
  recognised: Recognised
  inUse: PagesInUse
  /** Of the pagemap, in the list of all. */
  index: number
  runs: PageRuns
}

class PagemapWalk {
  #reserved = 0
  readonly #runs: PageRuns
  readonly #pagemap: Pagemap
  readonly #recognised: Recognised
  readonly #inUse: PagesInUse
  readonly #index: number
  readonly #pages: StateCounts = { idle: 0, busy: 0, impossible: 0, unknown: 0, absent: 0 }
  readonly #counts = new Map<number, number>()
  readonly #rule: PageRule | undefined
  readonly #firstRow: number
  #head = -1
  #headState: PageState = 'unknown'
  /** Numbers of the page before, and how many pages in a row have that count; no page has this mapcount. */
  #count = 0
  #mapcount = Infinity
  #alikeHeads = 0
  #heads = 0
  #impossibleHeads = 0

  constructor({ pagemap, recognised, inUse, index, runs }: WalkSetup) {
    this.#runs = runs
    this.#pagemap = pagemap
    this.#recognised = recognised
    this.#inUse = inUse
    this.#index = index
    this.#firstRow = inUse.length
    this.#rule = ruleOf(recognised.protocol, pagemap.type)
  }

  /** Pages at the beginning of a range that are no device pages. */
  reserve(first: number, pages: number): void {
    this.#reserved += pages
    this.#runs.without('reserved', first, first + pages)
  }

  visit(map: MemoryMap, from: number, to: number): void {
    map.scan(from, to, {
      alike: (page, pages) => this.#alike(page, pages),
      absent: (first, end) => {
        this.#pages.absent += end - first
        this.#runs.without('absent', first, end)
      },
    })
  }

  /** Most pages of a dump are idle, and tails: those alike are counted at once. */
  #alike(page: PageView, pages: number): void {
    if (page.isTail && page.head === this.#head) {
      this.#pages[this.#headState] += pages
      this.#runs.tails(page.pfn, pages)
      return
    }
    this.#page(page)
    if (page.isTail || this.#headState !== 'idle') {
      for (let left = pages - 1; left > 0; left--) {
        page.skip(1)
        this.#page(page)
      }
      return
    }
    const more = pages - 1
    this.#runs.more(more)
    this.#head += more
    this.#alikeHeads += more
    this.#heads += more
    this.#pages.idle += more
  }

  #page(page: PageView): void {
    if (page.count !== this.#count || page.mapcount !== this.#mapcount) this.#turnTo(page)
    const state = this.#headState
    this.#runs.head(page, state)
    this.#head = page.pfn
    this.#alikeHeads++
    this.#heads++
    this.#pages[state]++
    if (state === 'impossible') this.#impossibleHeads++
    if (state !== 'idle') this.#inUse.add(page, this.#index, state)
  }

  /** Most pages have the numbers of the one before, and with them its state. */
  #turnTo(page: PageView): void {
    this.#countAlike()
    this.#count = page.count
    this.#mapcount = page.mapcount
    this.#headState = stateOf(this.#rule, page.count, page.mapcount, this.#pagemap.ref?.state === 'dead')
  }

  #countAlike(): void {
    const known = this.#counts.get(this.#count) ?? 0
    if (this.#alikeHeads > 0) this.#counts.set(this.#count, known + this.#alikeHeads)
    this.#alikeHeads = 0
  }

  /** A rule that most pages contradict is not the kernel's: then nothing is said of their states. */
  finish(): PagemapAccount {
    const wrong = this.#heads >= ENOUGH_PAGES && this.#impossibleHeads > this.#heads * MOST_IMPOSSIBLE
    this.#runs.finish(wrong)
    this.#countAlike()
    const all = { pages: this.#pages, reserved: this.#reserved, counts: this.#counts, runs: this.#runs }
    const base = { ...this.#pagemap, ...all }
    if (!wrong) return { ...base, ...this.#recognised, rule: this.#rule }
    const { idle, busy, impossible, unknown, absent } = this.#pages
    Object.assign(this.#pages, { idle: 0, busy: 0, impossible: 0, unknown: idle + busy + impossible + unknown, absent })
    for (let row = this.#firstRow; row < this.#inUse.length; row++) this.#inUse.state[row] = STATES.indexOf('unknown')
    const recognisedBy = `${this.#recognised.recognisedBy}, but most counts contradict it`
    return { ...base, protocol: undefined, recognisedBy, rule: undefined }
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Counts every page of every pagemap by its state. Pages in use, and pages in impossible states, are kept one by one. */
import type { PageRule } from '../../linux/protocols/rules.ts'
import { growColumns, lengthFor } from '../../util/growable.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { MemoryMap } from './memory-map.ts'
import type { PageView } from './page-layout.ts'
import { MOST_RUNS, PageRuns } from './page-runs.ts'
import { type Pagemap, pagesOf } from './pagemaps.ts'
import { type PageState, type Recognised, recogniseProtocol, ruleOf, stateOf } from './protocol.ts'

/** Number of pages by state. Tail pages have the state of their folio's head. */
export interface StateCounts {
  idle: number
  busy: number
  impossible: number
  unknown: number
  /** Pages whose struct page is not in the dump. */
  absent: number
}

export interface PagemapAccount extends Pagemap, Recognised {
  readonly rule: PageRule | undefined
  readonly pages: StateCounts
  /** Number of pages that hold the pagemap's own struct pages. */
  readonly reserved: number
  /** Number of heads and single pages by count. */
  readonly counts: ReadonlyMap<number, number>
  /** All pages of the pagemap as runs of equal pages. */
  readonly runs: PageRuns
}

const STATES: readonly PageState[] = ['idle', 'busy', 'impossible', 'unknown']

/** The pages that are not idle, as columns. A folio has one row, that of its head. */
export class PagesInUse {
  length = 0
  pfn = new Float64Array(256)
  count = new Int32Array(256)
  mapcount = new Int32Array(256)
  order = new Uint8Array(256)
  flagsLow = new Uint32Array(256)
  flagsHigh = new Uint32Array(256)
  /** 1 if the page's `mapping` is set, as it is in anonymous memory while mapped. */
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

/** If more than this share of a pagemap's pages have counts that its rule forbids, the rule is taken to be the wrong one. */
const MOST_IMPOSSIBLE = 0.5
const ENOUGH_PAGES = 16

/** @param progress is called from time to time with the number of pages done */
export function readDevicePages(
  kernel: Kernel,
  map: MemoryMap,
  pagemaps: readonly Pagemap[],
  progress: (pages: number) => void = () => undefined,
): DevicePages {
  const inUse = new PagesInUse()
  const recognised = recogniseProtocol(kernel)
  const room = { runs: MOST_RUNS }
  // Limits the number of steps, because a damaged range can have any length, most of which is skipped at once.
  const step = Math.max(PROGRESS_PAGES, Math.ceil(pagesOf(pagemaps) / MOST_STEPS))
  let done = 0
  const accounts = pagemaps.map((pagemap, index) => {
    const walk = new PagemapWalk({ pagemap, recognised, inUse, index, runs: new PageRuns(room) })
    for (const { first, end, reserved } of pagemap.ranges) {
      walk.reserve(first, reserved)
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

/** Number of pages between two calls of `progress`, and the maximum number of calls in addition to one per range. */
const PROGRESS_PAGES = 1 << 18
const MOST_STEPS = 256

interface WalkSetup {
  pagemap: Pagemap
  recognised: Recognised
  inUse: PagesInUse
  /** Index of the pagemap in the list of all. */
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
  /**
   * Count and mapcount of the previous page, and the number of consecutive pages with that count. Infinity is the mapcount of no
   * page.
   */
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

  /** Notes pages at the beginning of a range that are not device pages. */
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

  /**
   * Counts equal pages at once where possible: the tails of one folio, and idle pages. Most pages of a dump are one or the other.
   */
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

  /**
   * Determines the state for a new count and mapcount. It is kept for the following pages, most of which have the same numbers.
   */
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

  /** Ends the walk. If most pages contradict the rule, it is not the kernel's rule, and their states are reported as unknown. */
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

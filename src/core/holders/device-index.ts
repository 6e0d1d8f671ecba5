// SPDX-License-Identifier: GPL-2.0-or-later
/** Device pages in use by frame number, with what is found out about their holders. */

import { lowerBound } from '../../util/lower-bound.ts'
import type { Holder } from '../finding.ts'
import type { DevicePages } from '../mm/device-pages.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { PageView } from '../mm/page-layout.ts'

/** What is known of one page's holders. */
export interface PageHolders {
  /** Certain references first. */
  readonly holders: Holder[]
  /** Pointers at places that may be leftovers, or that need not be pointers. */
  readonly doubtful: Holder[]
  /** References that were counted with certainty. */
  certain: number
  /** The page is on its driver's list of free pages: a free page's link leads to it. */
  freeList: string | undefined
  /** Entries of page tables whose meaning could not be told. */
  unclear: number
  /** Places where the page's number stands as those of idle pages do, by chance. */
  chance: number
}

/** Holders listed for one page; more are only counted. */
const MOST_LISTED = 1024
const MOST_LISTED_IN_ALL = 1 << 20

export class DevicePageIndex {
  /** Ranges of all pagemaps, sorted. */
  readonly ranges: readonly { first: number; end: number }[]
  readonly #pages: DevicePages
  readonly #map: MemoryMap
  /** Rows of the pages in use, by frame number. */
  readonly #rows: Uint32Array
  readonly #holders = new Map<number, PageHolders>()
  #listed = 0

  constructor(map: MemoryMap, pages: DevicePages) {
    this.#map = map
    this.#pages = pages
    this.ranges = pages.pagemaps.flatMap(each => each.ranges).sort((a, b) => a.first - b.first)
    const { pfn, length } = pages.inUse
    this.#rows = Uint32Array.from({ length }, (_, row) => row).sort((a, b) => pfn[a]! - pfn[b]!)
  }

  /** Row of the folio in use that a page belongs to. */
  rowOf(pfn: number): number | undefined {
    const { inUse } = this.#pages
    const rank = lowerBound(this.#rows.length, i => inUse.pfn[this.#rows[i]!]! <= pfn) - 1
    const row = this.#rows[rank]
    return row !== undefined && pfn < inUse.pfn[row]! + 2 ** inUse.order[row]! ? row : undefined
  }

  /** The folio in use that a page belongs to. */
  folioOf(pfn: number): { head: number; pages: number } | undefined {
    const row = this.rowOf(pfn)
    return row === undefined
      ? undefined
      : { head: this.#pages.inUse.pfn[row]!, pages: 2 ** this.#pages.inUse.order[row]! }
  }

  isInUse(pfn: number): boolean {
    return this.rowOf(pfn) !== undefined
  }

  /** Holders by the head of a folio. */
  of(pfn: number): PageHolders | undefined {
    return this.#holders.get(pfn)
  }

  /** Holders of a page, to be added to: of its folio's head, where it is in use. */
  holdersOf(pfn: number): PageHolders {
    const row = this.rowOf(pfn)
    const head = row === undefined ? pfn : this.#pages.inUse.pfn[row]!
    let found = this.#holders.get(head)
    if (!found) {
      found = { holders: [], doubtful: [], certain: 0, freeList: undefined, unclear: 0, chance: 0 }
      this.#holders.set(head, found)
    }
    return found
  }

  addCertain(pfn: number, holder: Holder): void {
    const page = this.holdersOf(pfn)
    page.certain += holder.references ?? 0
    if (page.holders.length < MOST_LISTED && this.#listed++ < MOST_LISTED_IN_ALL) page.holders.push(holder)
  }

  /** A pointer that the search found; one that a certain holder accounts for already is left out. */
  addPointer(pfn: number, holder: Holder, live: boolean): void {
    const page = this.holdersOf(pfn)
    const { address } = holder
    const known = [...page.holders, ...page.doubtful].some(each => each.address === address && each.kind !== 'mapping')
    if (known || page.holders.length + page.doubtful.length >= MOST_LISTED) return
    if (live) page.holders.push(holder)
    else page.doubtful.push(holder)
  }

  /** A struct page points to a page in use: where it is an idle device page's link, that page is on a list of free ones. */
  noteLink(address: bigint, pfn: number): void {
    const { size, zoneDeviceData } = this.#map.layout
    const distance = Number(address - this.#map.base)
    const from = Math.floor(distance / size)
    if (distance - from * size !== zoneDeviceData || from === pfn || this.isInUse(from)) return
    const pagemap = this.#pagemapOf(from)
    if (pagemap === undefined || pagemap !== this.#pagemapOf(pfn)) return
    const view = new PageView()
    if (!this.#map.read(from, view) || view.isTail || view.zoneDeviceData !== this.#map.addressOf(pfn)) return
    this.holdersOf(pfn).freeList = `zone_device_data of idle page 0x${from.toString(16)} points to it`
  }

  /** Idle pages beside those in use, at most so many. */
  idleNeighbours(most: number): number[] {
    const found: number[] = []
    for (const { ranges, rule, pages } of this.#pages.pagemaps) {
      if (!rule || pages.busy === 0) continue
      for (const { first, end, reserved } of ranges) {
        for (let pfn = first + reserved, seen = 0; pfn < end && seen < most / 4 && found.length < most; pfn++) {
          if (this.isInUse(pfn)) continue
          found.push(pfn)
          seen++
        }
      }
    }
    return found
  }

  #pagemapOf(pfn: number): number | undefined {
    const found = this.#pages.pagemaps.findIndex(({ ranges }) =>
      ranges.some(({ first, end }) => pfn >= first && pfn < end),
    )
    return found < 0 ? undefined : found
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Index of the device pages in use by frame number, with the holders found for each. */

import { lowerBound } from '../../util/lower-bound.ts'
import type { Holder } from '../finding.ts'
import type { DevicePages } from '../mm/device-pages.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { PageView } from '../mm/page-layout.ts'
import { pagemapAt } from '../mm/pagemaps.ts'

/** The holders of one page, as far as they are known. */
export interface PageHolders {
  /** Holders with certain references, followed by pointers in memory that is in use. */
  readonly holders: Holder[]
  /** Pointers in memory that may be left over from an earlier use, and words that look like pointers only by chance. */
  readonly doubtful: Holder[]
  /** Number of references that certainly exist. */
  certain: number
  /** Set if the page is on its driver's list of free pages: says what on that list points to it. */
  freeList: string | undefined
  /** Number of page-table entries for the page whose meaning could not be determined. */
  unclear: number
  /**
   * Number of places that hold the page's frame number but count for nothing, because the numbers of idle pages occur in memory
   * too.
   */
  chance: number
}

/** Maximum number of holders listed for one page. Certain references are counted beyond that. */
const MOST_LISTED = 1024
const MOST_LISTED_IN_ALL = 1 << 20

export class DevicePageIndex {
  /** Ranges of all pagemaps, sorted. */
  readonly ranges: readonly { first: number; end: number }[]
  readonly #pages: DevicePages
  readonly #map: MemoryMap
  /** Rows of the pages in use, sorted by frame number. */
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

  /** Returns the row of the folio in use that contains a page. */
  rowOf(pfn: number): number | undefined {
    const { inUse } = this.#pages
    const rank = lowerBound(this.#rows.length, i => inUse.pfn[this.#rows[i]!]! <= pfn) - 1
    const row = this.#rows[rank]
    return row !== undefined && pfn < inUse.pfn[row]! + 2 ** inUse.order[row]! ? row : undefined
  }

  /** Returns the folio in use that contains a page. */
  folioOf(pfn: number): { head: number; pages: number } | undefined {
    const row = this.rowOf(pfn)
    return row === undefined
      ? undefined
      : { head: this.#pages.inUse.pfn[row]!, pages: 2 ** this.#pages.inUse.order[row]! }
  }

  isInUse(pfn: number): boolean {
    return this.rowOf(pfn) !== undefined
  }

  /** Returns the holders of a folio, given the frame number of its head. */
  of(pfn: number): PageHolders | undefined {
    return this.#holders.get(pfn)
  }

  /** Returns the holders of a page, for adding to them. A page of a folio in use shares those of the folio's head. */
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

  /** Adds a pointer that the search found, unless a holder at the same address is already listed. */
  addPointer(pfn: number, holder: Holder, live: boolean): void {
    const page = this.holdersOf(pfn)
    const { address } = holder
    const known = [...page.holders, ...page.doubtful].some(each => each.address === address && each.kind !== 'mapping')
    if (known || page.holders.length + page.doubtful.length >= MOST_LISTED) return
    if (live) page.holders.push(holder)
    else page.doubtful.push(holder)
  }

  /**
   * Handles a struct page that points to a page in use. If that is the list link of an idle device page, the page in use is on a
   * list of free pages.
   */
  noteLink(address: bigint, pfn: number): void {
    const { size, zoneDeviceData } = this.#map.layout
    const distance = Number(address - this.#map.base)
    const from = Math.floor(distance / size)
    if (distance - from * size !== zoneDeviceData || from === pfn || this.isInUse(from)) return
    const pagemap = pagemapAt(this.#pages.pagemaps, from)
    if (pagemap < 0 || pagemap !== pagemapAt(this.#pages.pagemaps, pfn)) return
    const view = new PageView()
    if (!this.#map.read(from, view) || view.isTail || view.zoneDeviceData !== this.#map.addressOf(pfn)) return
    this.holdersOf(pfn).freeList = `zone_device_data of idle page 0x${from.toString(16)} points to it`
  }

  /** Returns at most `most` idle pages, taken from the beginnings of ranges of pagemaps that have pages in use. */
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
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Searches all of system memory for words that refer to device pages in use: pointers, frame numbers and physical addresses. */
import { growColumns, lengthFor } from '../../util/growable.ts'
import { FRAME_BYTES, type PhysicalMemory } from '../memory/physical.ts'
import type { MemoryMap } from '../mm/memory-map.ts'

/**
 * How a word refers to a page: by a pointer to its struct page, its frame number, its physical address, or its physical address
 * combined with flags (as in the page tables of an IOMMU).
 */
export const WordForm = { pointer: 0, number: 1, physical: 2, entry: 3 } as const

const WORDS = FRAME_BYTES / 8
const MOST_HITS = 1 << 22
/** Low bits of a pointer that can hold flags, such as the end mark of a scatterlist. */
const TAG_BITS = 3
/** Limit of the upper 32 bits of a frame number: frame numbers have 40 bits (physical addresses 52). */
const MOST_NUMBER_HIGH = 256
const PHYSICAL_HIGH = 0xfffff
/** Maximum number of pages that one bio_vec or scatterlist entry is taken to cover. */
const LONGEST_RUN = 1 << 14

/** Words that refer to pages, as columns. */
export class Hits {
  length = 0
  /** Physical address of the word. */
  place = new Float64Array(256)
  /** Frame that the word refers to, and the number of pages that it covers according to the length beside it. */
  pfn = new Float64Array(256)
  pages = new Float64Array(256)
  /** A {@link WordForm}. */
  form = new Uint8Array(256)
  /** True if there were more hits than are kept. */
  overflown = false

  add(place: number, pfn: number, pages: number, form: number): void {
    if (this.length >= MOST_HITS) {
      this.overflown = true
      return
    }
    const row = this.length++
    if (row >= this.place.length) growColumns(this, lengthFor(row, this.place.length))
    this.place[row] = place
    this.pfn[row] = pfn
    this.pages[row] = pages
    this.form[row] = form
  }
}

export interface SearchRequest {
  /** Ranges of device pages, sorted. Their contents are not searched, since they are not system memory. */
  readonly device: readonly { first: number; end: number }[]
  /** True for pages whose pointers are searched for. Called for device pages only. */
  wanted(pfn: number): boolean
  /** True for pages whose frame numbers are searched for. */
  wantedNumber(pfn: number): boolean
  /** Called for each frame of system memory that the dump lacks. */
  absent(frame: number): void
  progress(done: number, total: number): void
}

export function searchPointers(memory: PhysicalMemory, map: MemoryMap, request: SearchRequest): Hits {
  const hits = new Hits()
  const scan = new FrameScan(map, request, hits)
  const total = memory.ranges.reduce((sum, { first, end }) => sum + end - first, 0)
  let done = 0
  for (const { first, end } of memory.ranges) {
    for (let frame = first; frame < end; frame++) {
      if ((++done & 0xfff) === 0) request.progress(done, total)
      const skip = request.device.find(range => frame >= range.first && frame < range.end)
      if (skip) {
        done += Math.min(end, skip.end) - frame - 1
        frame = Math.min(end, skip.end) - 1
        continue
      }
      const bytes = memory.frame(frame)
      if (bytes) scan.scan(bytes, frame * FRAME_BYTES)
      else request.absent(frame)
    }
  }
  return hits
}

class FrameScan {
  readonly #words = new Uint32Array(2 * WORDS)
  readonly #bytes = new Uint8Array(this.#words.buffer)
  readonly #request: SearchRequest
  readonly #hits: Hits
  readonly #map: MemoryMap
  /** Upper and lower halves of two addresses: the struct page of the first device page, and the end of that of the last one. */
  readonly #firstHigh: number
  readonly #lastHigh: number
  readonly #baseHigh: number
  readonly #baseLow: number
  readonly #firstPfn: number
  readonly #endPfn: number

  constructor(map: MemoryMap, request: SearchRequest, hits: Hits) {
    this.#map = map
    this.#request = request
    this.#hits = hits
    this.#firstPfn = request.device[0]?.first ?? 0
    this.#endPfn = request.device.reduce((end, range) => Math.max(end, range.end), 0)
    this.#firstHigh = Number(map.addressOf(this.#firstPfn) >> 32n)
    this.#lastHigh = Number(map.addressOf(this.#endPfn) >> 32n)
    this.#baseHigh = Number(map.base >> 32n)
    this.#baseLow = Number(map.base & 0xffffffffn)
  }

  scan(bytes: Uint8Array, place: number): void {
    this.#bytes.set(bytes)
    const words = this.#words
    const [first, end] = [this.#firstPfn, this.#endPfn]
    for (let i = 0; i < 2 * WORDS; i += 2) {
      const low = words[i]!
      const high = words[i + 1]!
      // Skips zeros quickly, because most of memory is zeros.
      if ((low | high) === 0) continue
      if (high >= this.#firstHigh && high <= this.#lastHigh) {
        this.#pointer(i, place)
        continue
      }
      if (high < MOST_NUMBER_HIGH) {
        const number = high * 2 ** 32 + low
        if (number >= first && number < end) this.#number(i, place, number)
      }
      const frame = (high & PHYSICAL_HIGH) * 2 ** 20 + (low >>> 12)
      if (frame >= first && frame < end) this.#physical(i, place, frame)
    }
  }

  #pointer(i: number, place: number): void {
    const low = this.#words[i]!
    const distance = (this.#words[i + 1]! - this.#baseHigh) * 2 ** 32 + (low - (low & TAG_BITS)) - this.#baseLow
    const pfn = distance / this.#map.layout.size
    if (!Number.isInteger(pfn) || pfn < this.#firstPfn || pfn >= this.#endPfn) return
    const pages = this.#covered(i)
    for (let page = pfn; page < pfn + pages; page++) {
      if (!this.#request.wanted(page)) continue
      this.#hits.add(place + 4 * i, pfn, pages, WordForm.pointer)
      return
    }
  }

  #number(i: number, place: number, pfn: number): void {
    if (this.#request.wantedNumber(pfn)) this.#hits.add(place + 4 * i, pfn, 1, WordForm.number)
  }

  /** Adds a physical address, which can have flags below the frame number and above bit 51. */
  #physical(i: number, place: number, pfn: number): void {
    if (!this.#request.wantedNumber(pfn)) return
    const plain = this.#words[i + 1]! <= PHYSICAL_HIGH && (this.#words[i]! & 0xfff) === 0
    this.#hits.add(place + 4 * i, pfn, 1, plain ? WordForm.physical : WordForm.entry)
  }

  /**
   * Returns the number of pages that an entry covers if it is a bio_vec (page, length, offset) or in a scatterlist (page, offset,
   * length). Contiguous pages are merged into one entry, so pages after the first have no pointer of their own.
   */
  #covered(i: number): number {
    if (i + 3 >= 2 * WORDS) return 1
    const [a, b] = [this.#words[i + 2]!, this.#words[i + 3]!]
    const longer = Math.max(a, b)
    if (Math.min(a, b) >= FRAME_BYTES || longer % 512 !== 0) return 1
    const pages = Math.ceil((a + b) / FRAME_BYTES)
    return pages > 1 && pages <= LONGEST_RUN ? pages : 1
  }
}

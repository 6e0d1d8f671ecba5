// SPDX-License-Identifier: GPL-2.0-or-later
/** The memory map: the array in virtual memory of one `struct page` per frame (CONFIG_SPARSEMEM_VMEMMAP). */

import { lowerBound } from '../../util/lower-bound.ts'
import { CoreError } from '../error.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import { layoutOf, type PageLayout, PageView } from './page-layout.ts'
import { walkKernel } from './page-tables.ts'

/** Upper half of words that are masks (`compound_info` in 7.0). The addresses of the memory map are lower. */
const MASK = 0xffffffff
const WORD = 2 ** 32

/** Order of the largest folios, which have 1 GiB. */
const MOST_ORDER = 18

/** Struct pages in consecutive frames. */
interface StructRun {
  /** Frame number of the page that the first struct page describes. */
  first: number
  frame: number
  frames: number
}

/** Receives pages in order of their frame numbers. */
export interface PageVisitor {
  /**
   * Called for a run of equal pages: all have the flags and counts of the first. They are either single pages or tails of one
   * folio. A folio's head comes alone.
   * @param page the first of them. The same object is passed to every call, and may be moved on to the others
   */
  alike(page: PageView, pages: number): void
  /** Called for pages [from, to) whose struct pages are not in the dump. */
  absent(from: number, to: number): void
}

export class MemoryMap {
  readonly base: bigint
  readonly layout: PageLayout
  readonly #kernel: Kernel
  readonly #perFrame: number
  /** The two halves of the base. Distances from it are numbers, because arithmetic with bigints is slow. */
  readonly #baseHigh: number
  readonly #baseLow: number
  #runs: StructRun[] | undefined
  /** The same runs, sorted by frame. */
  #byFrame: StructRun[] | undefined

  /** @throws CoreError if the kernel has no memory map of this kind */
  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.layout = layoutOf(kernel)
    this.base = baseOf(kernel)
    this.#perFrame = FRAME_BYTES / this.layout.size
    this.#baseHigh = Number(this.base >> 32n)
    this.#baseLow = Number(this.base & 0xffffffffn)
  }

  addressOf(pfn: number): bigint {
    return this.base + BigInt(pfn) * BigInt(this.layout.size)
  }

  /** Frame number of the page whose struct page has this address; undefined for other addresses. */
  pfnOf(address: bigint): number | undefined {
    const distance = address - this.base
    const size = BigInt(this.layout.size)
    return distance < 0n || distance % size !== 0n || distance > 1n << 60n ? undefined : Number(distance / size)
  }

  /** Ranges [first, end) of pages whose struct pages the kernel maps. */
  *mapped(): Generator<{ first: number; end: number }> {
    let joined: { first: number; end: number } | undefined
    for (const { first, frames } of this.#runsFrom(0)) {
      const end = first + frames * this.#perFrame
      if (joined?.end === first) joined.end = end
      else {
        if (joined) yield joined
        joined = { first, end }
      }
    }
    if (joined) yield joined
  }

  /** Frame number of the first page whose struct page lies in a frame; undefined for frames without struct pages. */
  firstPageIn(frame: number): number | undefined {
    if (!this.#byFrame) {
      this.#byFrame = [...this.#allRuns()].sort((a, b) => a.frame - b.frame)
    }
    const runs = this.#byFrame
    const run = runs[lowerBound(runs.length, i => runs[i]!.frame <= frame) - 1]
    if (!run || frame >= run.frame + run.frames) return undefined
    return run.first + (frame - run.frame) * this.#perFrame
  }

  /**
   * Reads one page.
   * @returns false if its struct page is not in the dump
   */
  read(pfn: number, view: PageView): boolean {
    let seen = false
    this.visit(pfn, pfn + 1, page => {
      Object.assign(view, page)
      seen = true
    })
    return seen
  }

  /**
   * Reads the pages [first, end) one by one.
   * @param visit receives the same view object in every call
   */
  visit(first: number, end: number, visit: (page: PageView) => void): void {
    const alike = (page: PageView, pages: number) => {
      for (let left = pages; left > 0; left--, page.skip(1)) visit(page)
    }
    this.scan(first, end, { alike, absent: () => undefined })
  }

  /**
   * Reads the pages [first, end) in runs of equal pages. Parts that are not mapped, or lie in frames beyond all that the dump
   * has, are skipped at once, because a damaged range can have any length.
   */
  scan(first: number, end: number, visitor: PageVisitor): void {
    const view = new PageView()
    let at = first
    const upTo = (pfn: number) => {
      if (pfn > at) visitor.absent(at, pfn)
      at = Math.max(at, pfn)
    }
    for (const run of this.#runsFrom(first)) {
      if (run.first >= end || at >= end) break
      upTo(Math.min(end, run.first))
      const { ranges } = this.#kernel.dump.memory
      for (let i = lowerBound(ranges.length, k => ranges[k]!.end <= run.frame); i < ranges.length; i++) {
        const { first: from, end: to } = ranges[i]!
        if (from >= run.frame + run.frames) break
        const inRun = run.first + (Math.max(from, run.frame) - run.frame) * this.#perFrame
        const behind = run.first + (Math.min(to, run.frame + run.frames) - run.frame) * this.#perFrame
        const last = Math.min(end, behind)
        if (Math.max(at, inRun) >= last) continue
        upTo(Math.max(at, inRun))
        this.#scanRun(view, run, at, last, visitor)
        at = last
      }
      upTo(Math.min(end, run.first + run.frames * this.#perFrame))
    }
    upTo(end)
  }

  #scanRun(view: PageView, run: StructRun, at: number, last: number, visitor: PageVisitor): void {
    const { size } = this.layout
    for (let pfn = at; pfn < last; ) {
      const within = (pfn - run.first) % this.#perFrame
      const count = Math.min(last - pfn, this.#perFrame - within)
      const bytes = this.#kernel.dump.memory.frame(run.frame + Math.floor((pfn - run.first) / this.#perFrame))
      if (!bytes) visitor.absent(pfn, pfn + count)
      else {
        const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        for (let i = 0; i < count; ) {
          this.#fill(view, words, (within + i) * size, pfn + i)
          const pages = 1 + this.#alikeBehind(view, count - i - 1)
          visitor.alike(view, pages)
          i += pages
        }
      }
      pfn += count
    }
  }

  /** Number of the next `most` pages that are equal to this one. */
  #alikeBehind(view: PageView, most: number): number {
    const { words, count, mapcount, flagsLow, flagsHigh, isTail } = view
    const { size, refcount, mapcount: mapcountAt, flags, compound, headBit } = this.layout
    const isHead = ((flagsLow >>> headBit) & 1) !== 0
    const low = words.getInt32(view.at + compound, true)
    const high = words.getInt32(view.at + compound + 4, true)
    // A head stands alone, and so does a damaged page that is marked as a tail but belongs to no head.
    if ((isHead || (low & 1) !== 0) && !isTail) return 0
    // Single pages need only have the same mark, while tails need to have the same word, which leads to their head.
    const [lowBits, highBits] = isTail ? [-1, -1] : [1, 0]
    let found = 0
    for (let at = view.at + size; found < most; at += size, found++) {
      const differences =
        (words.getInt32(at + refcount, true) ^ count) |
        (words.getInt32(at + mapcountAt, true) ^ mapcount) |
        (words.getInt32(at + flags, true) ^ flagsLow) |
        (words.getInt32(at + flags + 4, true) ^ flagsHigh) |
        ((words.getInt32(at + compound, true) ^ low) & lowBits) |
        ((words.getInt32(at + compound + 4, true) ^ high) & highBits)
      if (differences !== 0) break
    }
    // From 7.0 on, a tail's word is a mask instead of the head's address, and two neighbouring folios can have the same one.
    return !isTail || this.#headOf(view.pfn + found, words, view.at) === view.head ? found : 0
  }

  #allRuns(): readonly StructRun[] {
    this.#runs ??= structRuns(this.#kernel, this.base, this.#perFrame)
    return this.#runs
  }

  /** Yields runs of struct pages, starting with the one that contains a page or else the first one after it. */
  *#runsFrom(pfn: number): Generator<StructRun> {
    const runs = this.#allRuns()
    let i = Math.max(0, lowerBound(runs.length, k => runs[k]!.first <= pfn) - 1)
    for (; i < runs.length; i++) yield runs[i]!
  }

  #fill(view: PageView, words: DataView, at: number, pfn: number): void {
    const { layout } = this
    view.pfn = pfn
    view.count = words.getInt32(at + layout.refcount, true)
    view.mapcount = words.getInt32(at + layout.mapcount, true)
    view.flagsLow = words.getUint32(at + layout.flags, true)
    view.flagsHigh = words.getUint32(at + layout.flags + 4, true)
    view.words = words
    view.at = at
    view.layout = layout
    view.order = 0
    if (words.getUint8(at + layout.compound) & 1) {
      view.head = this.#headOf(pfn, words, at)
      return
    }
    view.head = pfn
    if (layout.order && (view.flagsLow >>> layout.headBit) & 1) view.order = this.#orderOf(words, at, pfn)
  }

  /**
   * Head of a tail page, from the word that marks it as one (`compound_head` or `compound_info`).
   * @param at offset of a struct page with that word
   */
  #headOf(pfn: number, words: DataView, at: number): number {
    const { size, compound } = this.layout
    const high = words.getUint32(at + compound + 4, true)
    const low = words.getUint32(at + compound, true) - 1
    const own = pfn * size
    // A mask clears bits in the lower half of the page's own address only.
    const distance =
      high === MASK
        ? own - (((this.#baseLow + own) & ~low) >>> 0)
        : (high - this.#baseHigh) * WORD + low - this.#baseLow
    const head = distance / size
    // If the word leads to no page before this one, it is damaged, and the page is treated as its own head.
    return Number.isInteger(head) && head >= 0 && head < pfn ? head : pfn
  }

  /** Order of a folio, if its second page confirms that it is a tail of this head; 0 otherwise. */
  #orderOf(words: DataView, at: number, pfn: number): number {
    const { order, size, compound } = this.layout
    const inFrame = at + 2 * size <= words.byteLength
    const page = inFrame ? undefined : this.#kernel.memory.page(this.addressOf(pfn + 1))
    if (!inFrame && !page) return 0
    const view = page ? new DataView(page.buffer, page.byteOffset, page.byteLength) : words
    const second = page ? Number(this.addressOf(pfn + 1) & 0xfffn) : at + size
    const value = view.getUint8(second + order!.offset) & order!.mask
    const isTail = (view.getUint8(second + compound) & 1) === 1 && this.#headOf(pfn + 1, view, second) === pfn
    return isTail && value <= MOST_ORDER && pfn % 2 ** value === 0 ? value : 0
  }
}

/** Returns the parts of the memory map that the kernel's page tables map. */
function structRuns(kernel: Kernel, base: bigint, perFrame: number): StructRun[] {
  const { memory, arch } = kernel
  const first = memory.pageOf(base)
  const runs: StructRun[] = []
  walkKernel(kernel, {
    within: { first, end: first + kernel.regions.frames / perFrame },
    entry(page, level, low, high) {
      if (arch.kind(low, high, level) !== 'page') return
      const frames = 2 ** (arch.levelBits * (level - 1))
      const frame = Math.floor(arch.frame(low, high) / frames) * frames
      // A large entry can begin before the memory map.
      const before = Math.max(0, first - page)
      const run = { first: (page + before - first) * perFrame, frame: frame + before, frames: frames - before }
      const last = runs.at(-1)
      if (last && last.frame + last.frames === run.frame && last.first + last.frames * perFrame === run.first) {
        last.frames += run.frames
      } else runs.push(run)
    },
  })
  return runs
}

/** Returns the start address of the memory map, which KASLR randomises. */
function baseOf(kernel: Kernel): bigint {
  const { memoryMap } = kernel.regions
  if (memoryMap === undefined) {
    throw new CoreError(
      kernel.name,
      undefined,
      'expected a memory map in virtual memory (vmemmap); other kernels are not read',
    )
  }
  return memoryMap
}

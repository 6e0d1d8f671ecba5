// SPDX-License-Identifier: GPL-2.0-or-later
/** The memory map: one `struct page` for each frame, in one array in virtual memory (CONFIG_SPARSEMEM_VMEMMAP). */

import { lowerBound } from '../../util/lower-bound.ts'
import { CoreError } from '../error.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import { walkTables } from './page-tables.ts'

/** Words from here on are masks: the memory map lies lower. */
const FIRST_MASK = 0xffffffff00000000n

/** Byte offsets in a `struct page`, and what its words mean in this kernel. */
export interface PageLayout {
  readonly size: number
  readonly flags: number
  readonly refcount: number
  readonly mapcount: number
  readonly mapping: number
  readonly index: number
  readonly zoneDeviceData: number
  /** Word whose lowest bit says that the page is a tail; in a head, ZONE_DEVICE pages keep their pagemap there. */
  readonly compound: number
  readonly pgmap: number
  /** Order of a folio: in its second page. */
  readonly order: { offset: number; mask: number } | undefined
  readonly headBit: number
}

/** @throws CoreError where the kernel's types are too damaged to read pages by them */
function layoutOf(kernel: Kernel): PageLayout {
  const layout = membersOf(kernel)
  const { size, order } = layout
  const words = [layout.flags, layout.mapping, layout.index, layout.zoneDeviceData, layout.compound, layout.pgmap]
  const fits =
    words.every(at => at + 8 <= size) &&
    layout.refcount + 4 <= size &&
    layout.mapcount + 4 <= size &&
    layout.headBit < 32
  if (!fits || FRAME_BYTES % size !== 0 || (order && (order.offset < 0 || order.offset >= size))) {
    throw new CoreError(
      kernel.name,
      undefined,
      `expected members of a struct page that lie in its ${size} bytes, which fill frames`,
    )
  }
  return layout
}

function membersOf(kernel: Kernel): PageLayout {
  const need = (...paths: string[]) => kernel.offsetOf(...paths) ?? kernel.need(paths[0]!)
  const inSecond = (member: string) => {
    const offset = kernel.offset(`folio.${member}`)
    return offset === undefined ? undefined : { offset: offset - size, mask: 0xff }
  }
  const size = kernel.sizeOf('page')
  const oldOrder = kernel.offset('page.compound_order')
  return {
    size,
    flags: need('page.flags'),
    refcount: need('page._refcount'),
    mapcount: need('page._mapcount'),
    mapping: need('page.mapping'),
    // `index` became `__folio_index` when folios took it over (6.16).
    index: need('page.index', 'page.__folio_index', 'folio.index'),
    zoneDeviceData: need('page.zone_device_data'),
    // compound_info holds a mask instead of the head's address (7.0).
    compound: need('page.compound_head', 'page.compound_info'),
    // 6.15 (c25465eb7630) moved it to the folio; the word is the same.
    pgmap: need('page.pgmap', 'folio.pgmap'),
    // 6.6 (ebc1baf5c9b4) moved the order into the flags of the second page, which were there, without it, before.
    order:
      inSecond('_folio_order') ?? (oldOrder === undefined ? inSecond('_flags_1') : { offset: oldOrder, mask: 0xff }),
    headBit: kernel.btf.enumerator('PG_head') ?? Math.log2(kernel.info.number('PG_head_mask') ?? 64),
  }
}

/** Frames that 52 bits of physical addresses can number. */
const MOST_FRAMES = 2 ** 40
/** Largest folios: 1 GiB. */
const MOST_ORDER = 18

/** One page as it stands in the memory map. Used again for every page of a walk, and of use until the next memory is read. */
export class PageView {
  pfn = 0
  count = 0
  /** `_mapcount` as it is in memory: -1 is not mapped. */
  mapcount = 0
  flagsLow = 0
  flagsHigh = 0
  /** Frame of the folio's head: the page itself, unless it is a tail. */
  head = 0
  /** Order of the folio, of heads; 0 for tails. */
  order = 0
  /** The bytes that the struct page lies in, where, and its layout: words that few pages are asked for are read when they are. */
  words: DataView = new DataView(new ArrayBuffer(64))
  at = 0
  layout: PageLayout | undefined

  get mapping(): bigint {
    return this.#word('mapping')
  }

  get index(): bigint {
    return this.#word('index')
  }

  get zoneDeviceData(): bigint {
    return this.#word('zoneDeviceData')
  }

  /** Of heads; 0 of tails. */
  get pgmap(): bigint {
    return this.isTail ? 0n : this.#word('pgmap')
  }

  #word(member: 'mapping' | 'index' | 'zoneDeviceData' | 'pgmap'): bigint {
    return this.layout ? this.words.getBigUint64(this.at + this.layout[member], true) : 0n
  }

  get isTail(): boolean {
    return this.head !== this.pfn
  }

  get flags(): bigint {
    return (BigInt(this.flagsHigh) << 32n) | BigInt(this.flagsLow)
  }
}

/** Struct pages that lie side by side in frames side by side. */
interface StructRun {
  /** The first page that one is of. */
  first: number
  frame: number
  frames: number
}

interface RunVisit {
  at: number
  last: number
  visit: (page: PageView) => void
  absent: (from: number, to: number) => void
}

export class MemoryMap {
  readonly base: bigint
  readonly layout: PageLayout
  readonly #kernel: Kernel
  readonly #perFrame: number
  #runs: StructRun[] | undefined
  /** The same, sorted by frame. */
  #byFrame: StructRun[] | undefined

  /** @throws CoreError where the kernel has no such array */
  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.layout = layoutOf(kernel)
    this.base = baseOf(kernel)
    this.#perFrame = FRAME_BYTES / this.layout.size
  }

  addressOf(pfn: number): bigint {
    return this.base + BigInt(pfn) * BigInt(this.layout.size)
  }

  /** Frame of the page at an address of the memory map; undefined for an address that is none of a page. */
  pfnOf(address: bigint): number | undefined {
    const distance = address - this.base
    const size = BigInt(this.layout.size)
    return distance < 0n || distance % size !== 0n || distance > 1n << 60n ? undefined : Number(distance / size)
  }

  /** Pages [first, end) whose struct pages the kernel maps. */
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

  /** The first page whose struct page lies in a frame; undefined for frames that hold none. */
  firstPageIn(frame: number): number | undefined {
    if (!this.#byFrame) {
      this.#byFrame = [...this.#allRuns()].sort((a, b) => a.frame - b.frame)
    }
    const runs = this.#byFrame
    const run = runs[lowerBound(runs.length, i => runs[i]!.frame <= frame) - 1]
    if (!run || frame >= run.frame + run.frames) return undefined
    return run.first + (frame - run.frame) * this.#perFrame
  }

  /** Reads one page. @returns false where it is not in the dump */
  read(pfn: number, view: PageView): boolean {
    let seen = false
    this.visit(pfn, pfn + 1, page => {
      Object.assign(view, page)
      seen = true
    })
    return seen
  }

  /**
   * Reads the pages [first, end). What is not mapped, or lies in frames beyond all that the dump has, is passed over at once: a
   * damaged range can be of any length.
   * @param visit the view is the same object for every call
   * @param absent pages [from, to) that are not in the dump
   */
  visit(
    first: number,
    end: number,
    visit: (page: PageView) => void,
    absent: (from: number, to: number) => void = () => undefined,
  ): void {
    const view = new PageView()
    let at = first
    const upTo = (pfn: number) => {
      if (pfn > at) absent(at, pfn)
      at = Math.max(at, pfn)
    }
    for (const run of this.#runsFrom(first)) {
      if (run.first >= end || at >= end) break
      upTo(Math.min(end, run.first))
      for (const { first: from, end: to } of this.#kernel.dump.memory.ranges) {
        const inRun = run.first + (Math.max(from, run.frame) - run.frame) * this.#perFrame
        const behind = run.first + (Math.min(to, run.frame + run.frames) - run.frame) * this.#perFrame
        const last = Math.min(end, behind)
        if (Math.max(at, inRun) >= last) continue
        upTo(Math.max(at, inRun))
        this.#visitRun(view, run, { at, last, visit, absent })
        at = last
      }
      upTo(Math.min(end, run.first + run.frames * this.#perFrame))
    }
    upTo(end)
  }

  #visitRun(view: PageView, run: StructRun, { at, last, visit, absent }: RunVisit): void {
    const { size } = this.layout
    for (let pfn = at; pfn < last; ) {
      const index = (pfn - run.first) / this.#perFrame
      const within = (pfn - run.first) % this.#perFrame
      const count = Math.min(last - pfn, this.#perFrame - within)
      const bytes = this.#kernel.dump.memory.frame(run.frame + Math.floor(index))
      if (bytes) this.#visitFrame({ view, bytes, within: within * size, pfn, count, visit })
      else absent(pfn, pfn + count)
      pfn += count
    }
  }

  #allRuns(): readonly StructRun[] {
    this.#runs ??= structRuns(this.#kernel, this.base, this.#perFrame)
    return this.#runs
  }

  /** Runs of struct pages from the one that a page is in, or the first behind it. */
  *#runsFrom(pfn: number): Generator<StructRun> {
    const runs = this.#allRuns()
    let i = Math.max(0, lowerBound(runs.length, k => runs[k]!.first <= pfn) - 1)
    for (; i < runs.length; i++) yield runs[i]!
  }

  #visitFrame(frame: {
    view: PageView
    bytes: Uint8Array
    within: number
    pfn: number
    count: number
    visit: (page: PageView) => void
  }): void {
    const { view, bytes, visit } = frame
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let i = 0; i < frame.count; i++) {
      this.#fill(view, words, frame.within + i * this.layout.size, frame.pfn + i)
      visit(view)
    }
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
      view.head = this.#headOf(pfn, words.getBigUint64(at + layout.compound, true))
      return
    }
    view.head = pfn
    if (layout.order && (view.flagsLow >>> layout.headBit) & 1) view.order = this.#orderOf(words, at, pfn)
  }

  /** Head of a tail page, by the word that says it is one. */
  #headOf(pfn: number, word: bigint): number {
    const own = this.addressOf(pfn)
    const head = word >= FIRST_MASK ? own & (word & ~1n) : word & ~1n
    const found = this.pfnOf(head)
    // A head that is none makes the page its own: what is damaged is shown as it is.
    return found !== undefined && found < pfn ? found : pfn
  }

  /** Order of a folio, if its second page says that it is a tail of this one. */
  #orderOf(words: DataView, at: number, pfn: number): number {
    const { order, size, compound } = this.layout
    const inFrame = at + 2 * size <= words.byteLength
    const page = inFrame ? undefined : this.#kernel.memory.page(this.addressOf(pfn + 1))
    if (!inFrame && !page) return 0
    const view = page ? new DataView(page.buffer, page.byteOffset, page.byteLength) : words
    const second = page ? Number(this.addressOf(pfn + 1) & 0xfffn) : at + size
    const value = view.getUint8(second + order!.offset) & order!.mask
    const word = view.getBigUint64(second + compound, true)
    const isTail = (word & 1n) === 1n && this.#headOf(pfn + 1, word) === pfn
    return isTail && value <= MOST_ORDER && pfn % 2 ** value === 0 ? value : 0
  }
}

/** What of the memory map the kernel's page tables map. */
function structRuns(kernel: Kernel, base: bigint, perFrame: number): StructRun[] {
  const { arch, levels, root, physical } = kernel.memory
  const bits = arch.canonicalBits[levels as 4 | 5]
  const first = Number(BigInt.asUintN(bits, base) >> 12n)
  const half = 2 ** (arch.levelBits - 1)
  const runs: StructRun[] = []
  walkTables({
    physical,
    arch,
    levels,
    root,
    from: half,
    to: 2 * half,
    within: { first, end: first + MOST_FRAMES / perFrame },
    entry(page, level, low, high) {
      if (arch.kind(low, high, level) !== 'page') return
      const frames = 2 ** (arch.levelBits * (level - 1))
      const frame = Math.floor(arch.frame(low, high) / frames) * frames
      // A large entry can begin before the memory map does.
      const before = Math.max(0, first - page)
      const run = { first: (page + before - first) * perFrame, frame: frame + before, frames: frames - before }
      const last = runs.at(-1)
      if (last && last.frame + last.frames === run.frame && last.first + last.frames * perFrame === run.first) {
        last.frames += run.frames
      } else runs.push(run)
    },
    missing: () => undefined,
  })
  return runs
}

/** Where the array begins: KASLR moves it. */
function baseOf(kernel: Kernel): bigint {
  const variable = kernel.address('vmemmap_base')
  const read = variable === undefined ? undefined : kernel.try('vmemmap_base', () => kernel.memory.u64(variable))
  const known = [read, kernel.info.symbol('vmemmap'), kernel.arch.defaults[kernel.memory.levels as 4 | 5].memoryMap]
  const base = known.find(each => each !== undefined && each !== 0n && (each & 0xfffn) === 0n)
  if (base === undefined) {
    throw new CoreError(
      kernel.name,
      undefined,
      'expected a memory map in virtual memory (vmemmap); other kernels are not read',
    )
  }
  return base
}

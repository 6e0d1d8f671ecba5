// SPDX-License-Identifier: GPL-2.0-or-later
/** The memory map: one `struct page` for each frame, in one array in virtual memory (CONFIG_SPARSEMEM_VMEMMAP). */
import { CoreError } from '../error.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'

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

function layoutOf(kernel: Kernel): PageLayout {
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
    // 6.6 (ebc1baf5c9b4) moved the order into the flags of the second page.
    order:
      inSecond('_flags_1') ??
      inSecond('_folio_order') ??
      (oldOrder === undefined ? undefined : { offset: oldOrder, mask: 0xff }),
    headBit: kernel.btf.enumerator('PG_head') ?? Math.log2(kernel.info.number('PG_head_mask') ?? 64),
  }
}

/** One page as it stands in the memory map. Used again for every page of a walk. */
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
  mapping = 0n
  index = 0n
  zoneDeviceData = 0n
  /** Of heads. */
  pgmap = 0n

  get isTail(): boolean {
    return this.head !== this.pfn
  }

  get flags(): bigint {
    return (BigInt(this.flagsHigh) << 32n) | BigInt(this.flagsLow)
  }
}

export class MemoryMap {
  readonly base: bigint
  readonly layout: PageLayout
  readonly #kernel: Kernel
  readonly #whole: boolean

  /** @throws CoreError where the kernel has no such array */
  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.layout = layoutOf(kernel)
    this.base = baseOf(kernel)
    this.#whole = FRAME_BYTES % this.layout.size === 0
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
   * Reads the pages [first, end).
   * @param visit the view is the same object for every call
   * @param absent pages [from, to) that are not in the dump
   */
  visit(
    first: number,
    end: number,
    visit: (page: PageView) => void,
    absent?: (from: number, to: number) => void,
  ): void {
    const view = new PageView()
    const { size } = this.layout
    for (let pfn = first; pfn < end; ) {
      const address = this.addressOf(pfn)
      const within = Number(address & 0xfffn)
      const room = this.#whole ? (FRAME_BYTES - within) / size : 1
      const count = Math.min(end - pfn, this.#whole ? room : 1)
      const bytes = this.#whole ? this.#kernel.memory.page(address) : this.#straddling(address)
      if (bytes) this.#visitFrame({ view, bytes, within: this.#whole ? within : 0, pfn, count, visit })
      else absent?.(pfn, pfn + count)
      pfn += count
    }
  }

  #straddling(address: bigint): Uint8Array | undefined {
    try {
      return this.#kernel.memory.bytes(address, 2 * this.layout.size)
    } catch {
      return undefined
    }
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
    view.mapping = words.getBigUint64(at + layout.mapping, true)
    view.index = words.getBigUint64(at + layout.index, true)
    view.zoneDeviceData = words.getBigUint64(at + layout.zoneDeviceData, true)
    view.pgmap = 0n
    view.order = 0
    if (words.getUint8(at + layout.compound) & 1) {
      view.head = this.#headOf(pfn, words.getBigUint64(at + layout.compound, true))
      return
    }
    view.head = pfn
    view.pgmap = words.getBigUint64(at + layout.pgmap, true)
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

  #orderOf(words: DataView, at: number, pfn: number): number {
    const { order, size } = this.layout
    const second = at + size + order!.offset
    const low = second + 1 <= words.byteLength ? words.getUint8(second) : this.#byteAt(pfn + 1, order!.offset)
    const value = low & order!.mask
    return value <= 30 ? value : 0
  }

  #byteAt(pfn: number, offset: number): number {
    return this.#kernel.memory.page(this.addressOf(pfn))?.[Number(this.addressOf(pfn) & 0xfffn) + offset] ?? 0
  }
}

/** Where the array begins: KASLR moves it. */
function baseOf(kernel: Kernel): bigint {
  const variable = kernel.address('vmemmap_base')
  const read = variable === undefined ? undefined : kernel.try('vmemmap_base', () => kernel.memory.u64(variable))
  const base = read ?? kernel.info.symbol('vmemmap') ?? kernel.arch.defaults[kernel.memory.levels as 4 | 5].memoryMap
  if (base === 0n) {
    throw new CoreError(
      kernel.name,
      undefined,
      'expected a memory map in virtual memory (vmemmap); other kernels are not read',
    )
  }
  return base
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The layout of `struct page` according to the kernel's own types, and a view that reads one page by it. */
import { CoreError } from '../error.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'

/** Byte offsets in a `struct page`, and the meaning of its words in this kernel. */
export interface PageLayout {
  readonly size: number
  readonly flags: number
  readonly refcount: number
  readonly mapcount: number
  readonly mapping: number
  readonly index: number
  readonly zoneDeviceData: number
  /** Word whose lowest bit marks a tail page. In a head or single page of ZONE_DEVICE, it holds the pagemap. */
  readonly compound: number
  readonly pgmap: number
  /** Where the second page of a folio stores the folio's order. */
  readonly order: { offset: number; mask: number } | undefined
  readonly headBit: number
}

/** @throws CoreError if the kernel's types are too damaged to describe pages */
export function layoutOf(kernel: Kernel): PageLayout {
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
    // 6.16 renamed `index` to `__folio_index`.
    index: need('page.index', 'page.__folio_index', 'folio.index'),
    zoneDeviceData: need('page.zone_device_data'),
    // Since 7.0, `compound_info` holds a mask instead of the head's address.
    compound: need('page.compound_head', 'page.compound_info'),
    // 6.15 (c25465eb7630) moved the pagemap from struct page to struct folio. It is the same word.
    pgmap: need('page.pgmap', 'folio.pgmap'),
    // 6.6 (ebc1baf5c9b4) moved the order into `_flags_1` of the folio. The member existed before, but without the order.
    order:
      inSecond('_folio_order') ?? (oldOrder === undefined ? inSecond('_flags_1') : { offset: oldOrder, mask: 0xff }),
    headBit: kernel.btf.enumerator('PG_head') ?? Math.log2(kernel.info.number('PG_head_mask') ?? 64),
  }
}

const NO_WORDS = new DataView(new ArrayBuffer(0))

/**
 * One page as it is in the memory map. The object is reused for every page of a walk, and is valid until memory is read again.
 */
export class PageView {
  pfn = 0
  count = 0
  /** `_mapcount` as stored: -1 if the page is not mapped. */
  mapcount = 0
  flagsLow = 0
  flagsHigh = 0
  /** Frame number of the folio's head. For a page that is not a tail, its own. */
  head = 0
  /** Order of the folio for a head; 0 for a tail. */
  order = 0
  /**
   * The bytes that contain the struct page, its offset in them, and its layout. Words that are rarely needed are read from these
   * on demand.
   */
  words: DataView = NO_WORDS
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

  /** Address of the pagemap for a head or single page; 0 for a tail. */
  get pgmap(): bigint {
    return this.isTail ? 0n : this.#word('pgmap')
  }

  /** Moves on to a later page that has the same flags and counts. */
  skip(pages: number): void {
    if (!this.isTail) this.head += pages
    this.pfn += pages
    this.at += pages * (this.layout?.size ?? 0)
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

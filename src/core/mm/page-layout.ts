// SPDX-License-Identifier: GPL-2.0-or-later
/** Where a kernel keeps what in its `struct page`, by its own types; and one page read by that. */
import { CoreError } from '../error.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'

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

const NO_WORDS = new DataView(new ArrayBuffer(0))

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

  /** Of heads; 0 of tails. */
  get pgmap(): bigint {
    return this.isTail ? 0n : this.#word('pgmap')
  }

  /** Moves on to a later page whose numbers are those of this one. */
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

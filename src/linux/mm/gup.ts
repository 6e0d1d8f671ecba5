// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * mm/gup.c: get_user_pages_fast() and pins of pages that present entries map. Not modelled: faults
 * (at a missing entry the walk ends) and huge entries.
 */
import { AGAIN, type Cell, call, cell, repeat, type Steps, step } from '../../checker/index.ts'
import { type Address, type DevPagemap, type Kernel, LIVE, type Page } from '../types.ts'
import { get_dev_pagemap, put_dev_pagemap, put_page } from './memremap.ts'
import { migrate_device_coherent_folio } from './migrate_device.ts'
import { get_page_unless_zero, page_ref_dec_and_test, touch_page, try_get_page } from './page_ref.ts'
import { pte_page } from './pgtable.ts'

/** Adds the cell of a CPU that is 1 while its interrupts are off. One for each thread that calls {@link gup_fast}. */
export function irqs_off_cell(kernel: Kernel, index: number): Cell {
  const irqs_off = cell(`irqs_off[${index}]`, { max: 1 })
  kernel.cells.push(irqs_off)
  kernel.rcu_readers.push(irqs_off)
  return irqs_off
}

/** pte_devmap(): true for entries of DAX up to 6.14. P2PDMA's entries come from vm_insert_page() and are ordinary ones. */
function pte_devmap({ type, kernel }: DevPagemap): boolean {
  return kernel.protocol.dax_maps_with_devmap && (type === 'FS_DAX' || type === 'GENERIC')
}

/**
 * gup_fast_pte_range(): reads an entry without the page table lock, takes a reference on the page unless the count is zero, and
 * reads the entry again. For a devmap entry it also holds a reference on the pagemap meanwhile.
 */
export function* gup_fast(address: Address, irqs_off: Cell): Steps<Page | undefined> {
  const page = yield* step('gup_fast_pte_range', s => {
    const page = pte_page(address, s.get(address.pte))
    if (page) s.set(irqs_off, 1)
    return page
  })
  if (!page) return undefined
  const { pgmap } = page
  const holds_pgmap = pte_devmap(pgmap)
  if (holds_pgmap && !(yield* get_dev_pagemap(pgmap))) return yield* irqs_on(irqs_off)
  const taken = yield* get_page_unless_zero(page)
  const same = taken && (yield* step('pte_same', s => pte_page(address, s.get(address.pte)) === page, 'plain'))
  if (taken && !same) yield* call(put_page, page)
  if (holds_pgmap && (same || pgmap.kernel.fixes.has('gup_gives_pgmap_back'))) yield* put_dev_pagemap(pgmap)
  yield* irqs_on(irqs_off)
  return same ? page : undefined
}

function* irqs_on(irqs_off: Cell): Steps<undefined> {
  yield* step('local_irq_restore', s => s.set(irqs_off, 0))
}

/** follow_page_pte(): the same under the page table lock, where a mapped page must have a count. */
function* follow_page_pte(address: Address): Steps<Page | undefined> {
  return yield* step('follow_page_pte', s => {
    const page = pte_page(address, s.get(address.pte))
    if (!page || (pte_devmap(page.pgmap) && s.get(page.pgmap.state) !== LIVE)) return undefined
    return try_get_page(s, page) ? page : undefined
  })
}

/** O_DIRECT, RDMA: pins the page, lets a device write to it, unpins. */
export function* pin_user_page(address: Address, irqs_off: Cell): Steps<void> {
  const page = (yield* call(gup_fast, address, irqs_off)) ?? (yield* follow_page_pte(address))
  if (!page) return
  yield* touch_page(page, 'DMA')
  yield* call(gup_put_folio, page)
}

/**
 * pin_user_pages() with FOLL_LONGTERM: memory that must stay evictable (COHERENT) is first migrated to system memory, and the
 * walk begins anew; EBUSY if somebody else holds the page. Pins of system memory are not modelled, so that the function ends
 * there.
 */
export function* pin_longterm(address: Address, irqs_off: Cell): Steps<void> {
  // gup_fast_fallback() takes the reference before it finds that the page must not be pinned for long.
  const fast = yield* call(gup_fast, address, irqs_off)
  if (fast) yield* call(put_page, fast)
  yield* repeat(check_and_migrate_movable_folios, address)
}

function* check_and_migrate_movable_folios(address: Address): Steps<typeof AGAIN | 'pinned' | 'EBUSY'> {
  const page = yield* follow_page_pte(address)
  if (!page) return 'pinned'
  return (yield* call(migrate_device_coherent_folio, page)) ? AGAIN : 'EBUSY'
}

/** Up to 5.18 gup_put_folio() did not treat FS_DAX pages, which are idle at a count of one, specially, and woke nobody. */
function* gup_put_folio(page: Page): Steps<void> {
  const { type, kernel } = page.pgmap
  if (type === 'FS_DAX' && !kernel.fixes.has('unpin_wakes')) yield* page_ref_dec_and_test(page)
  else yield* put_page(page)
}

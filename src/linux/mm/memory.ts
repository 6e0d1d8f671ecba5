// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * mm/memory.c: faults, fork and unmap, one page table entry at a time.
 *
 * What the page table lock makes indivisible is one step here. Left out: mmap_lock (MADV_DONTNEED and faults take it shared,
 * so it excludes neither), swap, copy on write, and the reference counts of system pages.
 */
import { AGAIN, call, type Steps, step } from '../../checker/index.ts'
import { type Address, LIVE, type Page, type VmFault } from '../types.ts'
import { put_page, trylock_page, unlock_page } from './memremap.ts'
import { page_ref_add_unless_zero, page_ref_count, page_ref_dec, page_ref_inc, touch_page } from './page_ref.ts'
import { migration_entry_to_page, mk_pte, PTE_NONE, PTE_RAM, PTE_RAM_MIGRATION, pte_page } from './pgtable.ts'

/** One attempt of the CPU to touch an address; AGAIN while the access would still fault. */
export function* handle_mm_fault(address: Address): Steps<typeof AGAIN | VmFault | 'done'> {
  const fault = yield* step('handle_pte_fault', s => {
    const pte = s.get(address.pte)
    if (pte === PTE_NONE) s.set(address.pte, PTE_RAM)
    if (pte === PTE_NONE || pte === PTE_RAM) return 'done'
    if (pte === PTE_RAM_MIGRATION) return 'wait'
    const page = pte_page(address, pte)
    if (page && page.pgmap.type !== 'PRIVATE') return 'done'
    return page ? 'private' : 'migrating'
  })
  if (fault === 'done') return 'done'
  if (fault === 'wait') yield* step('migration_entry_wait', s => s.wait(s.get(address.pte) !== PTE_RAM_MIGRATION))
  else if (fault === 'migrating') yield* migration_entry_wait(address)
  else if ((yield* call(do_swap_page, address)) === 'SIGBUS') return 'SIGBUS'
  return AGAIN
}

/**
 * do_swap_page() on a device-private entry. Up to 6.0 it used the page without a reference; from 6.1 it takes one under the
 * page table lock; from 6.15 it locks the page first, and who finds it locked waits.
 */
export function* do_swap_page(address: Address): Steps<VmFault> {
  const { fixes } = address.mm.pages[0]!.pgmap.kernel
  if (!fixes.has('fault_takes_reference')) return yield* do_swap_page_5_10(address)
  if (!fixes.has('fault_trylocks')) return yield* do_swap_page_6_1(address)
  const found = yield* step('do_swap_page', s => {
    const page = pte_page(address, s.get(address.pte))
    if (!page) return undefined
    if (!trylock_page(s, page)) return 'locked'
    page_ref_inc(s, page)
    return page
  })
  if (found === 'locked') yield* migration_entry_wait_on_locked(address)
  if (found === undefined || found === 'locked') return 'retry'
  const result = yield* migrate_to_ram(found, address)
  if (!(yield* unlock_and_put(found))) {
    yield* unlock_page(found)
    yield* call(put_page, found)
  }
  return result
}

/**
 * Between unlock_page() and put_page() the next fault locks the page and finds a reference too many. No kernel does both at
 * once; the proposed change asks what would be if one did. False if it does not apply, or the reference is the last.
 */
function* unlock_and_put(page: Page): Steps<boolean> {
  if (!page.pgmap.kernel.fixes.has('fault_unlocks_with_put')) return false
  return yield* step('folio_unlock_and_put', s => {
    if (page_ref_count(s, page) === 1) return false
    s.set(page.locked, 0)
    page_ref_dec(s, page)
    return true
  })
}

function* do_swap_page_6_1(address: Address): Steps<VmFault> {
  const page = yield* step('do_swap_page', s => {
    const page = pte_page(address, s.get(address.pte))
    if (page) page_ref_inc(s, page)
    return page
  })
  if (!page) return 'retry'
  const result = yield* migrate_to_ram(page, address)
  yield* call(put_page, page)
  return result
}

function* do_swap_page_5_10(address: Address): Steps<VmFault> {
  const page = yield* step('do_swap_page', s => pte_page(address, s.get(address.pte)))
  if (!page) return 'retry'
  return yield* migrate_to_ram(page, address)
}

function* migrate_to_ram(page: Page, address: Address): Steps<VmFault> {
  yield* touch_page(page, 'page->pgmap->ops->migrate_to_ram')
  return yield* page.pgmap.ops.migrate_to_ram!({ address, page })
}

/** Sleeps until the migration that replaced the entry is over. Up to 5.16 with a page reference while it queues. */
function* migration_entry_wait(address: Address): Steps<void> {
  const { fixes } = address.mm.pages[0]!.pgmap.kernel
  if (fixes.has('wait_takes_no_reference')) return yield* migration_entry_wait_on_locked(address)
  const page = yield* step('__migration_entry_wait', s => {
    const page = migration_entry_to_page(address, s.get(address.pte))
    return page && page_ref_add_unless_zero(s, page) ? page : undefined
  })
  if (page) yield* put_and_wait_on_page_locked(page)
}

function* put_and_wait_on_page_locked(page: Page): Steps<void> {
  yield* call(put_page, page)
  yield* step('wait_on_page_locked', s => s.wait(s.get(page.pgmap.state) !== LIVE || s.get(page.locked) === 0))
}

/** Waits on the page's lock without holding or touching the page: the wait queue is hashed by its address. */
function* migration_entry_wait_on_locked(address: Address): Steps<void> {
  yield* step('migration_entry_wait_on_locked', s => {
    const pte = s.get(address.pte)
    const page = migration_entry_to_page(address, pte) ?? pte_page(address, pte)
    s.wait(page === undefined || s.get(page.locked) === 0)
  })
}

/** zap_pte_range() on one entry: what munmap, exit and MADV_DONTNEED do. */
export function* zap_pte(address: Address): Steps<void> {
  const page = yield* step('zap_pte_range', s => {
    const pte = s.get(address.pte)
    // A migration of system memory is let to finish: its pages are not modelled, so neither is losing them.
    s.wait(pte !== PTE_RAM_MIGRATION)
    s.set(address.pte, PTE_NONE)
    return pte_page(address, pte)
  })
  if (page?.pgmap.kernel.protocol.pte_holds_reference(page.pgmap.type)) yield* call(put_page, page)
}

/** copy_nonpresent_pte() and copy_present_pte(): fork gives the child's address what the parent's has. */
export function* copy_pte(parent: Address, child: Address): Steps<void> {
  yield* step('copy_pte_range', s => {
    if (s.get(child.pte) !== PTE_NONE) return
    const pte = s.get(parent.pte)
    const page = pte_page(parent, pte)
    if (page?.pgmap.kernel.protocol.pte_holds_reference(page.pgmap.type)) page_ref_inc(s, page)
    // A migration of system memory is not shared: see zap_pte.
    s.set(child.pte, pte === PTE_RAM_MIGRATION ? PTE_NONE : pte)
  })
}

/** vm_insert_page(): false if the page has no count, the entry is taken, or (by choice) page tables cannot be had. */
export function* vm_insert_page(address: Address, page: Page): Steps<boolean> {
  return yield* step('vm_insert_page', s => {
    if (page_ref_count(s, page) === 0 || s.get(address.pte) !== PTE_NONE || s.choose(2) === 1) return false
    page_ref_inc(s, page)
    s.set(address.pte, mk_pte(page))
    return true
  })
}

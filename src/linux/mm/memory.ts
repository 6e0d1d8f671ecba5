// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * mm/memory.c: faults, fork and unmap, one page table entry at a time.
 *
 * What runs under the page table lock is one step here. Not modelled: mmap_lock (MADV_DONTNEED and faults take it shared, so that
 * they do not exclude each other), swap, copy on write, and the reference counts of system pages.
 */
import { AGAIN, call, ModelError, type Steps, step } from '../../checker/index.ts'
import { type Address, LIVE, type Page, type VmFault } from '../types.ts'
import { put_page, trylock_page, unlock_page } from './memremap.ts'
import { page_ref_add_unless_zero, page_ref_count, page_ref_dec, page_ref_inc, touch_page } from './page_ref.ts'
import { migration_entry_to_page, mk_pte, PTE_NONE, PTE_RAM, PTE_RAM_MIGRATION, pte_page } from './pgtable.ts'

/** One attempt of the CPU to access an address; AGAIN while the access would still fault. */
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
 * page table lock; from 6.15 it also locks the page first, and waits if that is locked.
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
 * Unlocks a page and puts a reference in one step, which no kernel does. Otherwise, between unlock_page() and put_page(), the
 * next fault may lock the page and find a reference too many; the proposed change shows what would happen without that
 * window. Returns false if the change is not in use, or the reference is the last.
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
  const result: unknown = yield* page.pgmap.ops.migrate_to_ram!({ address, page })
  if (result === 'retry' || result === 'SIGBUS') return result
  throw new ModelError(`migrate_to_ram() returns ${String(result)}, not 'retry' or 'SIGBUS'`)
}

/** Sleeps until the migration that replaced the entry is over; up to 5.16 with a page reference while it queues. */
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

/** Waits for the page's lock without a reference and without an access to the page: the wait queue is found by its address. */
function* migration_entry_wait_on_locked(address: Address): Steps<void> {
  yield* step('migration_entry_wait_on_locked', s => {
    const pte = s.get(address.pte)
    const page = migration_entry_to_page(address, pte) ?? pte_page(address, pte)
    s.wait(page === undefined || s.get(page.locked) === 0)
  })
}

/** zap_pte_range() on one entry, as munmap, exit and MADV_DONTNEED call it. */
export function* zap_pte(address: Address): Steps<void> {
  const page = yield* step('zap_pte_range', s => {
    const pte = s.get(address.pte)
    // Wait until a migration of system memory is over: its pages are not modelled, and neither is the loss of one.
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

/** vm_insert_page(): false if the page's count is zero, the entry is in use, or (by choice) no page table can be allocated. */
export function* vm_insert_page(address: Address, page: Page): Steps<boolean> {
  return yield* step('vm_insert_page', s => {
    if (page_ref_count(s, page) === 0 || s.get(address.pte) !== PTE_NONE || s.choose(2) === 1) return false
    page_ref_inc(s, page)
    s.set(address.pte, mk_pte(page))
    return true
  })
}

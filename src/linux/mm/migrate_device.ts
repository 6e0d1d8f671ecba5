// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * mm/migrate_device.c (mm/migrate.c before 5.19): moving one page between system and device memory.
 *
 * Not modelled: the mmu notifier (there is no device page table), the LRU, large folios (see lib/test_hmm_large.ts), batches
 * (a range is moved page by page), and system pages: a migration of system memory never fails because of a count.
 */
import { call, ModelError, type Shared, type Steps, step } from '../../checker/index.ts'
import type { Address, Fault, Page } from '../types.ts'
import { lock_page, put_page, trylock_page, unlock_page } from './memremap.ts'
import { busy_base } from './page_count.ts'
import { get_page_unless_zero, page_ref_count, page_ref_dec, page_ref_inc } from './page_ref.ts'
import { make_migration_entry, mapcount, mk_pte, PTE_NONE, PTE_RAM, PTE_RAM_MIGRATION, pte_page } from './pgtable.ts'

/**
 * migrate_vma_collect_pmd() on a device page: takes a reference, locks the page, and replaces the mapping by a migration
 * entry. Still under the page table lock it puts the mapping's reference or, if somebody else has locked the page, its own.
 */
function* migrate_vma_collect(address: Address, fault_page: Page | undefined): Steps<Page | undefined> {
  const { fixes, protocol } = address.mm.pages[0]!.pgmap.kernel
  const [page, locked] = yield* step('migrate_vma_collect_pmd', s => {
    const page = pte_page(address, s.get(address.pte))
    if (!page) return [undefined, false] as const
    page_ref_inc(s, page)
    const locked_by_fault = page === fault_page && fixes.has('fault_trylocks')
    const locked = locked_by_fault || trylock_page(s, page)
    if (locked) s.set(address.pte, make_migration_entry(page))
    if (locked || !protocol.migration_tries_lock_twice) page_ref_dec(s, page)
    return [page, locked] as const
  })
  if (!page || locked) return page
  return protocol.migration_tries_lock_twice ? yield* migrate_vma_prepare(page) : undefined
}

/** migrate_vma_prepare(), up to 5.16: tries again to lock a page that could not be locked when it was collected. */
function* migrate_vma_prepare(page: Page): Steps<Page | undefined> {
  if (yield* step('trylock_page', s => trylock_page(s, page), 'relaxed')) return page
  yield* call(put_page, page)
  return undefined
}

/** try_to_migrate(): replaces the other mappings of the page by migration entries too. */
function* try_to_migrate(page: Page): Steps<void> {
  for (const address of page.pgmap.kernel.mm.addresses)
    yield* step('try_to_migrate_one', s => {
      must_be_locked(s, page, 'try_to_migrate()')
      if (pte_page(address, s.get(address.pte)) !== page) return
      s.set(address.pte, make_migration_entry(page))
      page_ref_dec(s, page)
    })
}

/**
 * migrate_vma_check_page(): lets pass one reference more than the migration's own for any ZONE_DEVICE page, a leftover of
 * the one-based count; up to 5.17 it lets every device-private page pass.
 */
function* migrate_vma_check_page(page: Page, fault_page: Page | undefined): Steps<boolean> {
  if (page.pgmap.kernel.protocol.migrate_check_is_blind && page.pgmap.type === 'PRIVATE') return true
  const extra = 1 + fault_references(page, fault_page) + 1
  return yield* step('migrate_vma_check_page', s => page_ref_count(s, page) - extra <= mapcount(s, page), 'plain')
}

/** The reference that do_swap_page() holds on the page it faulted on. */
function fault_references(page: Page, fault_page: Page | undefined): number {
  return page === fault_page && page.pgmap.kernel.fixes.has('fault_takes_reference') ? 1 : 0
}

/**
 * folio_migrate_mapping() (migrate_page_move_mapping()): succeeds only if no reference but the migration's own is left.
 * @param migrated what the driver notes of a page that has moved, while the page is still locked
 */
function* folio_migrate_mapping(
  page: Page,
  fault_page: Page | undefined,
  migrated?: (s: Shared, page: Page) => void,
): Steps<boolean> {
  const expected = busy_base(page.pgmap) + 1 + fault_references(page, fault_page)
  const nobody_else = (s: Shared) => {
    must_be_locked(s, page, 'folio_migrate_mapping()')
    if (page_ref_count(s, page) !== expected) return false
    migrated?.(s, page)
    return true
  }
  return yield* step('folio_migrate_mapping', nobody_else, 'plain')
}

/**
 * Only the lock prevents a second migration of the page. The kernel asserts it for all folios that it moves
 * (move_to_new_folio()).
 */
function must_be_locked(s: Shared, page: Page, what: string): void {
  s.warn(s.get(page.locked) === 0, 'warn', `VM_BUG_ON_FOLIO: ${what} on page ${page.index}, which is not locked`)
}

/** remove_migration_ptes(): replaces the migration entries by mappings of `to`, or of system memory if omitted. */
function* remove_migration_ptes(page: Page, to: Page | undefined): Steps<void> {
  for (const address of page.pgmap.kernel.mm.addresses)
    yield* step('remove_migration_pte', s => {
      if (s.get(address.pte) !== make_migration_entry(page)) return
      if (to) page_ref_inc(s, to)
      s.set(address.pte, to ? mk_pte(to) : PTE_RAM)
    })
}

/**
 * The rest of a migration once a device page is collected: unmap, check, copy, compare, finalize.
 * @param moved what the driver notes of a page that has moved
 */
export function* migrate_device_page(
  page: Page,
  fault_page: Page | undefined,
  moved?: (s: Shared, page: Page) => void,
): Steps<boolean> {
  yield* try_to_migrate(page)
  const migrated =
    (yield* migrate_vma_check_page(page, fault_page)) && (yield* folio_migrate_mapping(page, fault_page, moved))
  yield* remove_migration_ptes(page, migrated ? undefined : page)
  // From 6.15 the fault's own lock outlives the migration: do_swap_page() drops it.
  if (!(page === fault_page && page.pgmap.kernel.fixes.has('fault_trylocks'))) yield* unlock_page(page)
  yield* call(put_page, page)
  return migrated
}

/**
 * migrate_vma_*() from device to device memory (drm_pagemap, 7.x): the entries then map a page that `alloc` returns. Here,
 * source and destination belong to one pagemap (can_migrate_same_pagemap). For counts that makes no difference, since each
 * page holds its own.
 */
export function* migrate_vma_device_to_device(
  address: Address,
  alloc: () => Steps<Page | undefined>,
): Steps<Page | undefined> {
  const page = yield* migrate_vma_collect(address, undefined)
  if (!page) return undefined
  yield* try_to_migrate(page)
  const to = (yield* migrate_vma_check_page(page, undefined)) ? yield* call(alloc) : undefined
  const migrated = to !== undefined && (yield* folio_migrate_mapping(page, undefined))
  yield* remove_migration_ptes(page, migrated ? to : page)
  yield* unlock_page(page)
  yield* call(put_page, page)
  if (!to) return undefined
  yield* unlock_page(to)
  yield* call(put_page, to)
  return to
}

/** migrate_vma_setup(), _pages() and _finalize() as a driver's migrate_to_ram() calls them. */
export function* migrate_vma_to_ram(
  { address, page: fault_page }: Fault,
  moved?: (s: Shared, page: Page) => void,
): Steps<boolean> {
  const page = yield* migrate_vma_collect(address, fault_page)
  return page !== undefined && (yield* call(migrate_device_page, page, page === fault_page ? page : undefined, moved))
}

/** The same functions as a driver's ioctl calls them, without a fault. */
export function* migrate_vma_to_system(address: Address): Steps<boolean> {
  const page = yield* migrate_vma_collect(address, undefined)
  return page !== undefined && (yield* call(migrate_device_page, page, undefined))
}

/** migrate_device_range() on one pfn, and the rest of an eviction (6.1 and later): false if the page is in use and stays. */
export function* migrate_device_pfn(page: Page): Steps<boolean> {
  if (!(yield* get_page_unless_zero(page))) return true
  if (yield* step('folio_trylock', s => trylock_page(s, page), 'relaxed'))
    return yield* call(migrate_device_page, page, undefined)
  yield* call(put_page, page)
  return false
}

/** migrate_device_coherent_folio(): puts the caller's reference in any case; false if the page could not be migrated. */
export function* migrate_device_coherent_folio(page: Page): Steps<boolean> {
  yield* lock_page(page)
  return yield* call(migrate_device_page, page, undefined)
}

/**
 * migrate_vma_setup(), _pages() and _finalize() from system to device memory.
 * @param alloc the driver's allocation, which may fail
 * @returns the page that was populated, on which the caller no longer holds a reference, whether it was mapped or not
 */
export function* migrate_vma_to_device(
  address: Address,
  alloc: () => Steps<Page | undefined>,
): Steps<Page | undefined> {
  const source = yield* step('migrate_vma_collect_pmd', s => {
    const pte = s.get(address.pte)
    if (pte === PTE_RAM) s.set(address.pte, PTE_RAM_MIGRATION)
    return pte === PTE_RAM ? 'page' : pte === PTE_NONE ? 'hole' : 'skip'
  })
  if (source === 'skip') return undefined
  const page = yield* call(alloc)
  demand_page(page, address)
  if (source === 'page') yield* finish_ram_migration(address, page)
  if (!page) return undefined
  if (source === 'hole') yield* migrate_vma_insert_page(address, page)
  yield* unlock_page(page)
  yield* call(put_page, page)
  return page
}

/** @throws ModelError for what is no page of the pagemap; nothing has checked the types of a driver that is loaded from a file */
function demand_page(page: unknown, { mm }: Address): void {
  if (page && !mm.pages.includes(page as Page))
    throw new ModelError(`alloc_page() returns ${String(page)}: it returns a page of the pagemap, or undefined`)
}

/** remove_migration_pte() for a system page: the device page is mapped, with a reference for the entry. */
function* finish_ram_migration(address: Address, page: Page | undefined): Steps<void> {
  yield* step('remove_migration_pte', s => {
    if (page) page_ref_inc(s, page)
    s.set(address.pte, page ? mk_pte(page) : PTE_RAM)
  })
}

/** migrate_vma_insert_page(): maps the page where nothing was mapped; gives up if something is mapped by now. */
function* migrate_vma_insert_page(address: Address, page: Page): Steps<void> {
  yield* step('migrate_vma_insert_page', s => {
    if (s.get(address.pte) !== PTE_NONE) return
    page_ref_inc(s, page)
    s.set(address.pte, mk_pte(page))
  })
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * mm/huge_memory.c and mm/migrate_device.c for folios of device-private memory, large ones included (6.19 and later). A
 * mapping is one entry for the whole folio, whatever its order.
 *
 * Not modelled: entries for parts of a large folio; faults for which no large folio of system memory can be allocated (such a
 * fault splits the PMD, and the next one the folio); splits of a folio that two processes map; and batches.
 */
import { AGAIN, call, repeat, type Shared, type Steps, step } from '../../checker/index.ts'
import type { Address, Kernel, Page } from '../types.ts'
import type { Folios } from './folio.ts'
import { trylock_page, unlock_page } from './memremap.ts'
import { get_page_unless_zero, page_ref_count, page_ref_dec, page_ref_inc } from './page_ref.ts'
import {
  make_migration_entry,
  mapcount,
  migration_entry_to_page,
  mk_pte,
  PTE_NONE,
  PTE_RAM,
  pte_page,
} from './pgtable.ts'

export interface HugeMemory {
  /** migrate_vma_*() to device memory where nothing was mapped; the folio is locked, with one reference. */
  migrate_to_device(address: Address, folio: Page): Steps<void>
  /** A CPU accesses the address until the access does not fault any more. */
  fault(address: Address): Steps<void>
  zap(address: Address): Steps<void>
  fork(parent: Address, child: Address): Steps<void>
  /** Migrates to system memory with small destination pages, for which a large folio is split; if that fails, nothing changes. */
  split(address: Address): Steps<void>
  /**
   * migrate_device_range() and the rest of a driver's eviction.
   * @param compound true if the driver sets MIGRATE_PFN_COMPOUND for the destination of a large folio
   */
  evict(compound: boolean): Steps<void>
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: its functions share what the folios are, which is local.
export function huge_memory(kernel: Kernel, { page_folio, folio_order, ...folios }: Folios): HugeMemory {
  const { pgmap, mm, fixes } = kernel
  const { folio_put } = folios

  function* migrate_to_device(address: Address, folio: Page): Steps<void> {
    yield* step('migrate_vma_insert_page', s => {
      if (s.get(address.pte) !== PTE_NONE) return
      page_ref_inc(s, page_folio(s, folio))
      s.set(address.pte, mk_pte(folio))
    })
    yield* unlock_page(folio)
    yield* folio_put(folio)
  }

  function* zap(address: Address): Steps<void> {
    const page = yield* step('zap_huge_pmd', s => {
      const page = pte_page(address, s.get(address.pte))
      s.set(address.pte, PTE_NONE)
      return page
    })
    if (page) yield* folio_put(page)
  }

  function* fork(parent: Address, child: Address): Steps<void> {
    yield* step('copy_huge_non_present_pmd', s => {
      if (s.get(child.pte) !== PTE_NONE) return
      const pte = s.get(parent.pte)
      const folio = pte_page(parent, pte)
      if (folio) page_ref_inc(s, folio)
      s.set(child.pte, pte)
    })
  }

  function* fault(address: Address): Steps<void> {
    yield* repeat(do_huge_pmd_device_private, address)
  }

  /** As do_swap_page() from 6.15 on, except that a fault on a large folio does not wait for the folio's lock, but is retried. */
  function* do_huge_pmd_device_private(address: Address): Steps<typeof AGAIN | 'done'> {
    const found = yield* step('do_huge_pmd_device_private', s => {
      const pte = s.get(address.pte)
      if (pte === PTE_NONE) s.set(address.pte, PTE_RAM)
      const page = pte_page(address, pte)
      if (!page) return migration_entry_to_page(address, pte) ? 'wait' : 'done'
      if (!trylock_page(s, page)) return folio_order(s, page) === 1 ? 'again' : 'wait'
      page_ref_inc(s, page)
      return page
    })
    if (found === 'done') return 'done'
    if (found === 'again') return AGAIN
    if (found === 'wait') yield* wait_on_locked(address)
    else {
      yield* migrate_to_ram(address, found)
      yield* unlock_page(found)
      yield* folio_put(found)
    }
    return AGAIN
  }

  function* wait_on_locked(address: Address): Steps<void> {
    yield* step('softleaf_entry_wait_on_locked', s => {
      const pte = s.get(address.pte)
      const page = migration_entry_to_page(address, pte) ?? pte_page(address, pte)
      s.wait(page === undefined || s.get(page.locked) === 0)
    })
  }

  /** The fault holds the folio's lock and a reference; the migration takes another reference. */
  function* migrate_to_ram(address: Address, folio: Page): Steps<void> {
    const collected = yield* step('migrate_vma_collect_huge_pmd', s => {
      if (pte_page(address, s.get(address.pte)) !== folio) return false
      page_ref_inc(s, folio)
      s.set(address.pte, make_migration_entry(folio))
      page_ref_dec(s, folio)
      return true
    })
    if (!collected) return
    yield* migrate(folio, 2, true)
    yield* folio_put(folio)
  }

  /**
   * The rest of a migration once a folio is collected: unmap, check, compare, finalize.
   * @param expected number of references that the migration and the fault hold
   */
  function* migrate(folio: Page, expected: number, whole: boolean): Steps<void> {
    yield* try_to_migrate(folio)
    const passes = yield* step(
      'migrate_vma_check_page',
      s => page_ref_count(s, folio) - expected - 1 <= mapcount(s, folio),
      'plain',
    )
    const migrated =
      passes &&
      whole &&
      (yield* step('folio_migrate_mapping', s => {
        s.warn(s.get(folio.locked) === 0, 'warn', `VM_BUG_ON_FOLIO: page ${folio.index} is migrated without its lock`)
        return page_ref_count(s, folio) === expected
      }))
    yield* remove_migration_ptes(folio, migrated)
  }

  function* try_to_migrate(folio: Page): Steps<void> {
    for (const address of mm.addresses)
      yield* step('try_to_migrate_one', s => {
        if (pte_page(address, s.get(address.pte)) !== folio) return
        s.set(address.pte, make_migration_entry(folio))
        page_ref_dec(s, folio)
      })
  }

  function* remove_migration_ptes(folio: Page, migrated: boolean): Steps<void> {
    for (const address of mm.addresses)
      yield* step('remove_migration_pte', s => {
        if (s.get(address.pte) !== make_migration_entry(folio)) return
        if (!migrated) page_ref_inc(s, folio)
        s.set(address.pte, migrated ? PTE_RAM : mk_pte(folio))
      })
  }

  function* evict(compound: boolean): Steps<void> {
    for (let i = 0; i < pgmap.pages.length; ) i += yield* call(migrate_device_pfn, pgmap.pages[i]!, compound)
  }

  /** One round of migrate_device_range(); returns the number of pages that it has handled. */
  function* migrate_device_pfn(page: Page, compound: boolean): Steps<number> {
    const folio = yield* step('page_folio', s => page_folio(s, page), 'plain')
    const held = yield* lock_pfn(page)
    if (!held && fixes.has('range_skips_what_it_holds')) return 1
    // If nobody holds the folio, this order is a stale one, of the folio's last use.
    const nr = yield* step('folio_nr_pages', s => 1 << folio_order(s, folio), 'plain')
    if (!held) return nr
    yield* migrate(page, 1, nr === 1 || compound)
    yield* unlock_page(page)
    yield* folio_put(page)
    return nr
  }

  /** migrate_device_pfn_lock(); a tail has no count of its own. */
  function* lock_pfn(page: Page): Steps<boolean> {
    if (!(yield* get_page_unless_zero(page))) return false
    if (yield* step('folio_trylock', (s: Shared) => trylock_page(s, page), 'relaxed')) return true
    yield* folio_put(page)
    return false
  }

  function* split(address: Address): Steps<void> {
    const folio = yield* step('migrate_vma_collect_huge_pmd', s => {
      const page = pte_page(address, s.get(address.pte))
      if (!page || folio_order(s, page) === 0 || mapcount(s, page) > 1 || !trylock_page(s, page)) return undefined
      page_ref_inc(s, page)
      s.set(address.pte, make_migration_entry(page))
      page_ref_dec(s, page)
      return page
    })
    if (!folio) return
    const tail = yield* migrate_vma_split_unmapped_folio(address, folio)
    yield* step('remove_migration_pte', s => {
      if (s.get(address.pte) !== make_migration_entry(folio)) return
      if (!tail) page_ref_inc(s, folio)
      s.set(address.pte, tail ? PTE_RAM : mk_pte(folio))
    })
    yield* unlock_page(folio)
    yield* folio_put(folio)
    if (tail) yield* folio_put(tail)
  }

  /**
   * Takes a reference for split_huge_pmd_address(), which puts one when it splits the PMD. If MADV_DONTNEED has removed the PMD
   * meanwhile, nobody puts the reference. The folio then has one too many, and is not split.
   */
  function* migrate_vma_split_unmapped_folio(address: Address, folio: Page): Steps<Page | undefined> {
    yield* step('folio_get', s => page_ref_inc(s, folio), 'relaxed')
    const put = yield* step('split_huge_pmd_address', s => {
      const found = s.get(address.pte) === make_migration_entry(folio)
      if (found) page_ref_dec(s, folio)
      return found
    })
    const tail = yield* folios.folio_split_unmapped(folio)
    if (!put && fixes.has('split_failure_puts')) yield* folio_put(folio)
    return tail
  }

  return { migrate_to_device, fault, zap, fork, split, evict }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Page table entries as small numbers. A device page is mapped either by a present entry (COHERENT, FS_DAX, GENERIC,
 * P2PDMA) or by a device-private swap entry; the model writes both the same way. The system pages that
 * {@link PTE_RAM} maps are not modelled: each entry has one of its own.
 */
import type { Image, Shared, Sort, View } from '../../checker/index.ts'
import type { Address, Page } from '../types.ts'

export const PTE_NONE = 0
/** An entry that maps a page of system memory. */
export const PTE_RAM = 1
/** A migration entry for a page of system memory. */
export const PTE_RAM_MIGRATION = 2
const FIRST_DEVICE = 3

export const pte_max = (pages: number): number => FIRST_DEVICE + 2 * pages - 1

export function mk_pte(page: Page): number {
  return FIRST_DEVICE + 2 * page.index
}

export function make_migration_entry(page: Page): number {
  return FIRST_DEVICE + 2 * page.index + 1
}

/** The device page that an entry maps; undefined if it maps none. */
export function pte_page(address: Address, pte: number): Page | undefined {
  return pte >= FIRST_DEVICE && (pte - FIRST_DEVICE) % 2 === 0 ? address.mm.pages[(pte - FIRST_DEVICE) / 2] : undefined
}

/** The device page of a migration entry; undefined for any other entry. */
export function migration_entry_to_page(address: Address, pte: number): Page | undefined {
  return pte >= FIRST_DEVICE && (pte - FIRST_DEVICE) % 2 === 1
    ? address.mm.pages[(pte - FIRST_DEVICE - 1) / 2]
    : undefined
}

export function rename_pte(pages: Sort): (pte: number, image: Image) => number {
  return (pte, image) => {
    if (pte < FIRST_DEVICE) return pte
    const page = Math.floor((pte - FIRST_DEVICE) / 2)
    return FIRST_DEVICE + 2 * image(pages, page) + ((pte - FIRST_DEVICE) % 2)
  }
}

export function show_pte(pte: number): string {
  if (pte === PTE_NONE) return 'none'
  if (pte === PTE_RAM) return 'ram'
  if (pte === PTE_RAM_MIGRATION) return 'migration(ram)'
  const page = Math.floor((pte - FIRST_DEVICE) / 2)
  return (pte - FIRST_DEVICE) % 2 === 0 ? `page ${page}` : `migration(page ${page})`
}

/** page_mapcount(): number of entries that map the page. It is computed from them, since the page table lock keeps it exact. */
export function mapcount(s: View | Shared, page: Page): number {
  const entry = mk_pte(page)
  return s.sum(
    page.pgmap.kernel.mm.addresses.map(a => a.pte),
    pte => (pte === entry ? 1 : 0),
  )
}

/** Number of migration entries for the page. */
export function migration_count(s: View | Shared, page: Page): number {
  const entry = make_migration_entry(page)
  return s.sum(
    page.pgmap.kernel.mm.addresses.map(a => a.pte),
    pte => (pte === entry ? 1 : 0),
  )
}

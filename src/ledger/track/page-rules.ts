// SPDX-License-Identifier: GPL-2.0-or-later
import { BASE_PUT_LIMITS, type Limits } from './op-semantics.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { Pagemap, PagemapTable } from './pagemap-table.ts'
import { NEVER_CLOSES } from './rule-recognition.ts'

/** The rule that a page follows at present: the rule of its pagemap until memunmap_pages() has put the base reference. */
export class PageRules {
  readonly #pages: PageTable
  readonly #pagemaps: PagemapTable
  readonly #allPages: boolean

  /** @param allPages true if ordinary pages are accounted for, too */
  constructor(pages: PageTable, pagemaps: PagemapTable, allPages: boolean) {
    this.#pages = pages
    this.#pagemaps = pagemaps
    this.#allPages = allPages
  }

  /** Returns the pagemap of a page. */
  pagemap(row: number): Pagemap {
    return this.#pagemaps.list[this.#pages.pagemap[row]!]!
  }

  /** Returns the counts between which gets and puts of a page are allowed. */
  limits(row: number): Limits {
    if (this.#pages.has(row, PageBit.rested)) return { getFrom: 1, putTo: this.#pages.rest[row]!, setOn: 0 }
    return this.#pages.has(row, PageBit.basePut) ? BASE_PUT_LIMITS : this.pagemap(row).limits
  }

  /** Returns the count at which the page's lifetime ends. */
  closesAt(row: number): number {
    const bits = this.#pages.bits[row]!
    if (bits & PageBit.rested) return this.#pages.rest[row]!
    return bits & PageBit.basePut ? 0 : this.pagemap(row).closesAt
  }

  /** Returns the count of the page while idle; undefined where the rule is not known. */
  idleCount(row: number): number | undefined {
    if (this.#pages.has(row, PageBit.rested)) return this.#pages.rest[row]!
    return this.#pages.has(row, PageBit.basePut) ? 0 : this.pagemap(row).rule?.idle
  }

  /** Returns the number of an idle page's references that stay with the core when the page is handed out. */
  keptBack(row: number): number {
    return this.closesAt(row) === NEVER_CLOSES ? 0 : (this.idleCount(row) ?? 0)
  }

  /** True if pages of this pagemap are handed out by a set. */
  isHandedOutBySet(row: number): boolean {
    return this.pagemap(row).rule?.handOut === 'set'
  }

  /** True if the page belongs to the account: it is device memory, or all pages are asked for. */
  isCounted(row: number): boolean {
    return this.#allPages || !this.#pagemaps.anyDevice || this.pagemap(row).device
  }
}

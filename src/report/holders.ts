// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Who holds the references of a page, step by step: page table entries, and threads by what they took and did not give back
 * or hand on to an entry.
 */

import { busy_base } from '../linux/mm/page_count.ts'
import { make_migration_entry, mk_pte } from '../linux/mm/pgtable.ts'
import type { Built } from '../linux/scenario/build.ts'
import type { SimulatedStep } from '../linux/scenario/simulator.ts'
import { IDLE, type Page } from '../linux/types.ts'

export class Holders {
  private readonly built: Built
  private readonly value = new Map<string, number>()
  /** By page: number of references by thread. */
  private readonly held = new Map<Page, Map<string, number>>()

  constructor(built: Built) {
    this.built = built
    for (const c of built.system.cells) this.value.set(c.name, c.init)
    for (const p of built.kernel.pgmap.pages) this.held.set(p, new Map())
  }

  take(step: SimulatedStep): void {
    const before = this.built.kernel.pgmap.pages.map(p => this.taken(p))
    for (const c of step.changes) this.value.set(c.cell, c.to)
    for (const [i, page] of this.built.kernel.pgmap.pages.entries()) {
      const held = this.held.get(page)!
      if (this.get(page.life.name) === IDLE) held.clear()
      else held.set(step.thread, (held.get(step.thread) ?? 0) + this.taken(page) - before[i]!)
    }
  }

  /** `page 0: 2 = pte[0] + migrate`; free pages are left out, unless an entry still maps one: `page 0: free, in pte[0]`. */
  text(): string {
    return this.built.kernel.pgmap.pages.flatMap(p => this.textOf(p)).join('; ')
  }

  private textOf(page: Page): string[] {
    const { index, life, _refcount } = page
    if (this.get(life.name) !== IDLE) return [`page ${index}: ${this.get(_refcount.name)}${this.of(page)}`]
    const entries = this.mapping(page, [mk_pte(page), make_migration_entry(page)])
    return entries.length > 0 ? [`page ${index}: free, in ${entries.join(' and ')}`] : []
  }

  private of(page: Page): string {
    const holders = [
      ...(busy_base(page.pgmap) > 0 ? ['base'] : []),
      ...this.entries(page),
      ...[...this.held.get(page)!].filter(([, n]) => n > 0).map(([t, n]) => (n === 1 ? t : `${t} ${n}`)),
    ]
    return holders.length > 0 ? ` = ${holders.join(' + ')}` : ''
  }

  /** Returns the number of references to a page that are neither the base reference nor those of page tables. */
  private taken(page: Page): number {
    if (this.get(page.life.name) === IDLE) return 0
    return this.get(page._refcount.name) - busy_base(page.pgmap) - this.entries(page).length
  }

  private entries(page: Page): string[] {
    return this.built.kernel.protocol.pte_holds_reference(page.pgmap.type) ? this.mapping(page) : []
  }

  private mapping(page: Page, as = [mk_pte(page)]): string[] {
    return this.built.kernel.mm.addresses.filter(a => as.includes(this.get(a.pte.name))).map(a => a.pte.name)
  }

  private get(cell: string): number {
    return this.value.get(cell)!
  }
}

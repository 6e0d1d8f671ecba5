// SPDX-License-Identifier: GPL-2.0-or-later
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { fitsResult } from './op-semantics.ts'
import type { PageTable } from './page-table.ts'
import type { PagemapTable } from './pagemap-table.ts'
import type { Tables } from './tables.ts'
import type { UnmapSweep } from './unmap-sweep.ts'

/** Hand-outs after which one more says nothing new about the rule. */
const OFTEN = 64

/** Tells which events of ordinary pages can be applied straight from their batch: most can. */
export class FastPath {
  readonly #pages: PageTable
  readonly #pagemaps: PagemapTable
  readonly #sites: CallSites
  readonly #sweep: UnmapSweep

  constructor({ pages, pagemaps, sites }: Tables, sweep: UnmapSweep) {
    this.#pages = pages
    this.#pagemaps = pagemaps
    this.#sites = sites
    this.#sweep = sweep
  }

  /** True if a set hands out an idle page as the rule has it, and as it was seen often before; the set is counted then. */
  takeSet(row: number, val: number, stack: number): boolean {
    const { votes, rule } = this.#pagemaps.list[this.#pages.pagemap[row]!]!
    if (val <= 0 || rule?.handOut !== 'set' || this.#pages.count[row] !== 0 || votes.setAtZero < OFTEN) return false
    if (this.#sites.traits(stack) & StackTrait.INIT) return false
    votes.setAtZero++
    return true
  }

  /** True if a get or put is one that the rule and its own result allow at the present count, and says nothing new. */
  isPlain(row: number, op: number, val: number, ret: number, stack: number, pid: number): boolean {
    const count = this.#pages.count[row]!
    const { limits, rule } = this.#pagemaps.list[this.#pages.pagemap[row]!]!
    if (!rule || (val === -1 && rule.idle === 1 && this.#sweep.mayBeBasePut(row, stack, pid))) return false
    if (!fitsResult(count, op, val, ret)) return false
    // A get from zero and a put to zero say something about the rule, so they are looked at.
    if (val > 0) return count >= limits.getFrom && count > 0
    const next = count + val
    return val < 0 && next >= limits.putTo && (next > 0 || limits.putTo === 0)
  }
}

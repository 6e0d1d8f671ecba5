// SPDX-License-Identifier: GPL-2.0-or-later
import { OFTEN } from './hot-layout.ts'
import { fitsResult } from './op-semantics.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { PagemapTable } from './pagemap-table.ts'
import type { Tables } from './tables.ts'
import type { UnmapSweep } from './unmap-sweep.ts'

/** Decides which events can be applied directly from their batch, without an event object: most can. */
export class FastPath {
  readonly #pages: PageTable
  readonly #pagemaps: PagemapTable
  readonly #sweep: UnmapSweep

  constructor({ pages, pagemaps }: Tables, sweep: UnmapSweep) {
    this.#pages = pages
    this.#pagemaps = pagemaps
    this.#sweep = sweep
  }

  /**
   * True if a set hands out an idle page as its rule says, and this was seen often before, or undoes a hand-out. A hand-out is
   * counted as a vote. The set is no initialisation.
   */
  takeSet(row: number, val: number): boolean {
    const { votes, rule } = this.#pagemaps.list[this.#pages.pagemap[row]!]!
    if (rule?.handOut !== 'set' || votes.setAtZero < OFTEN) return false
    if (val === 0) return this.#pages.count[row] === 1 && this.#pages.has(row, PageBit.open)
    if (val < 0 || this.#pages.count[row] !== 0) return false
    votes.setAtZero++
    return true
  }

  /**
   * True if the rule and the operation's own result allow a get or put at the present count, and it is no news about the rule.
   */
  isPlain(row: number, op: number, val: number, ret: number, stack: number, pid: number): boolean {
    const count = this.#pages.count[row]!
    const { limits, rule } = this.#pagemaps.list[this.#pages.pagemap[row]!]!
    if (!rule || (val === -1 && rule.idle === 1 && this.#sweep.mayBeBasePut(row, stack, pid))) return false
    if (!fitsResult(count, op, val, ret)) return false
    // A get from zero and a put to zero are evidence about the rule, so they take the slow path.
    if (val > 0) return count >= limits.getFrom && count > 0
    const next = count + val
    return val < 0 && next >= limits.putTo && (next > 0 || limits.putTo === 0)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import { isSameTask } from '../track/same-task.ts'
import { type Candidate, type CandidateKind, Candidates } from './candidates.ts'
import type { PageView, ProbedTables } from './page-view.ts'
import { ProbeState, ProbeTable } from './probe-table.ts'
import { isBefore, type Stamp } from './stamps.ts'

/** Numbers of probes of one pagemap's pages, by what they said. */
export interface ProbeCounts {
  /** Number of hand-outs with a probe (`allocs`), and of those that seem to have had none. */
  allocs: number
  unannounced: number
  frees: number
  uses: number
}

const NO_PROBES: ProbeCounts = { allocs: 0, unannounced: 0, frees: 0, uses: 0 }

/** What probes tell of each page: who had it last, and which events of it are suspicious. */
export class PageProbes {
  readonly table = new ProbeTable()
  readonly candidates = new Candidates()
  readonly #tables: ProbedTables
  readonly #view: PageView
  readonly #counts: ProbeCounts[] = []

  constructor(tables: ProbedTables, view: PageView) {
    this.#tables = tables
    this.#view = view
  }

  /** True if the page has had a probe. */
  has(row: number): boolean {
    return row < this.table.state.length
  }

  /** True if the page is handed out, by its probes. */
  isBusy(row: number): boolean {
    return this.has(row) && (this.table.state[row]! & ProbeState.BUSY) !== 0
  }

  /** True if the page was handed to the task of the event earlier, and has not been given back since. */
  isOwner(row: number, event: Stamp): boolean {
    if (!this.has(row)) return false
    const { freed, handed } = this.holders(row)
    if (handed.time === 0 || !isSameTask(handed, event) || handed.time > event.time) return false
    return freed.time > event.time || !isBefore(handed, freed, this.#tables.order)
  }

  /** Returns when the page was handed out last; undefined if it is not known to be. */
  handedOut(row: number): Stamp | undefined {
    return this.isBusy(row) ? this.table.handedOf(row) : undefined
  }

  /** True if a return undoes the hand-out before it: the same call of the same task took the page and gave it back. */
  isUndone(row: number, returned: Stamp): boolean {
    const { sites } = this.#tables
    const { handed } = this.holders(row)
    const [, ...taking] = sites.functions(handed.stack)
    const [, ...returning] = sites.functions(returned.stack)
    const isSameCall = taking.length > 0 && taking.join() === returning.join()
    return handed.time > 0 && isSameTask(handed, returned) && isSameCall
  }

  /** Returns the page's last return (`freed`) and its last hand-out (`handed`). */
  holders(row: number): { freed: Stamp; handed: Stamp } {
    return { freed: this.table.freedOf(row), handed: this.table.handedOf(row) }
  }

  /** Returns the number of probes of a pagemap, by what they said. */
  countsOf(pagemap: number): Readonly<ProbeCounts> {
    return this.#counts[pagemap] ?? NO_PROBES
  }

  /** Returns the same of the page's pagemap, as the object in which the caller goes on counting. */
  countsFor(row: number): ProbeCounts {
    return (this.#counts[this.#tables.pages.pagemap[row]!] ??= { ...NO_PROBES })
  }

  /** True if a probe announced a hand-out of any page of the same pagemap. */
  isAnnounced(row: number): boolean {
    return this.countsOf(this.#tables.pages.pagemap[row]!).allocs > 0
  }

  /** True if handing out a page of this pagemap does not change its count. */
  isHandOutSilent(row: number): boolean {
    const { pages, pagemaps } = this.#tables
    return (pagemaps.list[pages.pagemap[row]!]!.rule?.handOut ?? 'none') === 'none'
  }

  /** Makes a candidate with the page's present state. */
  candidate(kind: CandidateKind, row: number, event: LedgerEvent, more: Partial<Candidate> = {}): Candidate {
    this.table.reach(row)
    return {
      kind,
      row,
      event,
      since: this.table.freedTime[row]!,
      freed: this.table.freedOf(row),
      handedOut: undefined,
      count: this.#tables.pages.count[row]!,
      idle: this.#view.idleCount(row),
      life: this.#view.lifeEvents(row),
      lastLife: this.#view.lastLives(row)[0] ?? [],
      restsOnAllocs: false,
      isOrdered: true,
      isWithdrawn: false,
      ...more,
    }
  }

  /** Keeps a candidate with the page's present state. Later probes of the page may explain it. */
  raise(kind: CandidateKind, row: number, event: LedgerEvent, more: Partial<Candidate>): void {
    const isFree = (this.table.state[row]! & ProbeState.FREE) !== 0
    this.candidates.keepExplicable(this.candidate(kind, row, event, more), isFree)
  }

  /** Forgets the state of a page if probes of it may have been lost. */
  keepCurrent(row: number): void {
    const { gaps } = this.#tables
    if (this.table.epoch[row] === gaps.epoch && gaps.open === 0) return
    this.forget(row)
    this.table.epoch[row] = gaps.epoch
  }

  /** Forgets the state of a page. */
  forget(row: number): void {
    this.table.state[row] = 0
    this.candidates.withdraw(row)
    this.#tables.pages.clear(row, PageBit.freed)
  }
}

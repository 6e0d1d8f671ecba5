// SPDX-License-Identifier: GPL-2.0-or-later
import type { AnomalyKind } from '../track/anomalies.ts'
import type { LedgerEvent, LifetimeEvent } from '../track/lifetime-event.ts'
import type { Stamp } from './stamps.ts'

export type CandidateKind =
  | 'touch-after-free'
  | 'free-twice'
  | 'freed-in-use'
  | 'pagemap-gone'
  | 'alloc-after-kill'
  | (AnomalyKind & 'get-on-free-page')

/**
 * A suspected fault: an event that no order of the page's probes allows. Whether the probes sit at the right places in the driver
 * is known only at the end of the recording, so it becomes a finding only then.
 */
export interface Candidate {
  kind: CandidateKind
  row: number
  /** The event that raised the suspicion. */
  event: LedgerEvent
  /** Time from which on no event may be missing for the suspicion to count. */
  since: number
  /** The last return of the page to its driver before the event. */
  freed: Stamp
  /** The hand-out to another task after that return; undefined: none. */
  handedOut: Stamp | undefined
  /**
   * State of the page when the event came: its count, the count that it has while idle, the events of the open lifetime (`life`)
   * and those of the lifetime before (`lastLife`).
   */
  count: number
  idle: number | undefined
  life: LifetimeEvent[]
  lastLife: LifetimeEvent[]
  /** True if the event was rightful in case a hand-out of the page had no probe. */
  restsOnAllocs: boolean
  /** True if the stamps alone prove the order; otherwise it is inferred from the counts that the events read. */
  isOrdered: boolean
  /** True if a later probe explained the event. */
  isWithdrawn: boolean
}

/** Most candidates kept, in all and of one page. */
const MAX_CANDIDATES = 10_000
const MAX_PER_PAGE = 4

const NONE: readonly Candidate[] = []

/** The candidates of a recording, with those that later probes and stamps may still explain. */
export class Candidates {
  readonly list: Candidate[] = []
  /** Number of candidates that were not kept, because there was no room. */
  dropped = 0
  /** By row: candidates of pages that have not been handed out since. A hand-out without a probe may still explain them. */
  readonly #open = new Map<number, Candidate[]>()
  /** By row: the latest candidates of each page. Late stamps of other CPUs may still explain them. */
  readonly #recent = new Map<number, Candidate[]>()
  readonly #perPage = new Map<number, number>()

  /** Keeps a candidate. Returns false if there is no room. */
  keep(candidate: Candidate): boolean {
    const before = this.#perPage.get(candidate.row) ?? 0
    if (before >= MAX_PER_PAGE) return false
    if (this.list.length >= MAX_CANDIDATES) {
      this.dropped++
      return false
    }
    this.#perPage.set(candidate.row, before + 1)
    this.list.push(candidate)
    return true
  }

  /** Keeps a candidate that later probes of its page may explain. @param isFree true if the page is free, by its probes */
  keepExplicable(candidate: Candidate, isFree: boolean): void {
    if (!this.keep(candidate)) return
    const { row } = candidate
    this.#recent.set(row, [...this.recent(row), candidate])
    if (isFree) this.#open.set(row, [...this.open(row), candidate])
  }

  /** Returns the candidates of a page that a hand-out without a probe may still explain. */
  open(row: number): readonly Candidate[] {
    return this.#open.get(row) ?? NONE
  }

  /** Returns the last candidates of a page. */
  recent(row: number): readonly Candidate[] {
    return this.#recent.get(row) ?? NONE
  }

  /** Notes that a probe announced a hand-out of the page: a hand-out without a probe can no longer explain earlier candidates. */
  close(row: number): void {
    this.#open.delete(row)
  }

  /**
   * Notes that the page is in use although no probe announced a hand-out. Candidates that assume that every hand-out is announced
   * are withdrawn.
   */
  withdraw(row: number): void {
    for (const candidate of this.open(row)) if (candidate.restsOnAllocs) candidate.isWithdrawn = true
    this.#open.delete(row)
  }
}

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
 * Something that probes show and no order allows, if the probes are where they belong: whether they are is known only at the
 * end of the recording.
 */
export interface Candidate {
  kind: CandidateKind
  row: number
  /** What gave it away. */
  event: LedgerEvent
  /** Since when all events must be known. */
  since: number
  /** When the page was given back before. */
  freed: Stamp
  /** When it was handed out since then, to another task. */
  handedOut: Stamp | undefined
  /** Count and events of the open lifetime at that moment, and those of the lifetime before; the count of an idle page. */
  count: number
  idle: number | undefined
  life: LifetimeEvent[]
  lastLife: LifetimeEvent[]
  /** It would be nothing if a hand-out had come without a probe. */
  restsOnAllocs: boolean
  /** The order is beyond doubt; otherwise the counts read speak for it. */
  isOrdered: boolean
  /** A later probe explained it. */
  isWithdrawn: boolean
}

/** Candidates kept, and kept of one page. */
const MAX_CANDIDATES = 10_000
const MAX_PER_PAGE = 4

const NONE: readonly Candidate[] = []

/** The candidates of a recording, with those that later probes and stamps may still explain. */
export class Candidates {
  readonly list: Candidate[] = []
  /** Candidates that found no room. */
  dropped = 0
  /** Those of pages that were not handed out since. */
  readonly #open = new Map<number, Candidate[]>()
  /** The last ones of each page: stamps of other CPUs may still explain them. */
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

  /** Keeps a candidate that later probes of its page may explain. @param isFree the page is free by its probes */
  keepExplicable(candidate: Candidate, isFree: boolean): void {
    if (!this.keep(candidate)) return
    const { row } = candidate
    this.#recent.set(row, [...this.recent(row), candidate])
    if (isFree) this.#open.set(row, [...this.open(row), candidate])
  }

  /** Returns the candidates of a page that was not handed out since. */
  open(row: number): readonly Candidate[] {
    return this.#open.get(row) ?? NONE
  }

  /** Returns the last candidates of a page. */
  recent(row: number): readonly Candidate[] {
    return this.#recent.get(row) ?? NONE
  }

  /** Notes that the page was handed out: what was found before stands. */
  close(row: number): void {
    this.#open.delete(row)
  }

  /** Notes that the page is free no more, though no hand-out was announced: what rests on their absence is withdrawn. */
  withdraw(row: number): void {
    for (const candidate of this.open(row)) if (candidate.restsOnAllocs) candidate.isWithdrawn = true
    this.#open.delete(row)
  }
}

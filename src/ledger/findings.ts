// SPDX-License-Identifier: GPL-2.0-or-later
import type { Frame } from '../trace/events.ts'
import type { IncidentKind } from './incidents.ts'

/** What a finding says. The first five accuse, the others only report. */
export type FindingKind = 'leak' | IncidentKind | 'held-at-end' | 'teardown-waits'

export const ACCUSATIONS: ReadonlySet<FindingKind> = new Set<FindingKind>([
  'leak',
  'surplus-put',
  'get-on-free-page',
  'put-on-free-page',
  'count-mismatch',
])

/**
 * `certain`: no other history fits the recording. `likely`: the evidence listed speaks for it and nothing against.
 * `possible`: worth a look.
 */
export type Certainty = 'certain' | 'likely' | 'possible'

/** Who acted: the first frame below the reference helpers, with the event's context. */
export interface Actor {
  /** undefined where the recording has no stack. */
  frame: Frame | undefined
  /** From the acting frame outwards. */
  stack: Frame[]
  task: string
  pid: number
  cpu: number
  /** Time base and unit of the recording's events. */
  time: number
  /** Name of the page_ref event, and the change of the count. */
  operation: string
  delta: number
}

/** One event of the life that a finding is about. */
export interface HistoryEvent extends Actor {
  /** Count after the event, in the order that was settled. */
  count: number
  /** Place in the history of the event that gave this reference back, or took it; undefined: none. */
  partner: number | undefined
}

export interface ConsequenceFinding {
  kind: string
  pfn: number
  time: number
  count: number
  actor: Actor
}

export interface Finding {
  kind: FindingKind
  pfn: number
  /** Number of the page's pagemap in the account. */
  pagemap: number
  /** Times between which the life in question ran; the end is undefined while it is open. */
  life: { began: number | undefined; ended: number | undefined }
  /** The life's events, and the violating one, as far as they were kept. */
  history: HistoryEvent[]
  /** Count found, and the one that the protocol wants. */
  count: number
  expected: number
  certainty: Certainty
  /** Bits by which the second best culprit fits worse; undefined where there is no other. */
  margin: number | undefined
  /** undefined where nothing says who it was. */
  culprit: Actor | undefined
  /** Where a reference like this one usually comes back (of a get), or was usually taken (of a put). */
  counterpart: { frame: Frame | undefined; lives: number } | undefined
  /** References that the page is short of or has too many of. */
  references: number
  consequences: ConsequenceFinding[]
  /** Consequences beyond those listed. */
  moreConsequences: number
  /** Sentences. */
  evidence: string[]
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Types of the findings in a recording. */
import type { Frame } from '../../trace/events.ts'
import type { FindingKind } from './registry.ts'

/**
 * How certain a fault or its culprit is. `certain`: every history that is consistent with the recording has it. `likely`: the
 * listed evidence speaks for it and none against it. `possible`: it is worth examining.
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
  /** Relative to the time base, in the unit of the recording's events. */
  time: number
  /** Name of the page_ref event and its change of the count (`delta`); for a probe its name and 0. */
  operation: string
  delta: number
}

/** One event of the life that a finding is about. */
export interface HistoryEvent extends Actor {
  /** Count after the event, in the order that the tracker found. */
  count: number
  /** Place in the history of the event that gave this reference back, or took it; undefined: none. */
  partner: number | undefined
}

/** One of those who could be the culprit. */
export interface Candidate {
  actor: Actor
  /** Evidence for or against this candidate, as sentences. */
  reasons: string[]
}

export interface ConsequenceFinding {
  kind: string
  pfn: number
  time: number
  count: number
  actor: Actor
}

/** Details of a reference that is merely held. */
export interface HeldReference {
  /** True if it was taken by pin_user_pages() or a similar function, for the holder that is named. */
  isPin: boolean
  /** Why it may be leaked nevertheless: its task exited, or later references of its law came back and it did not. */
  doubt: 'exited' | 'overtaken' | undefined
}

export interface Finding {
  kind: FindingKind
  pfn: number
  /** Index of the page's pagemap in the account. */
  pagemap: number
  /** Begin and end of the lifetime in question; the end is undefined while it is open. */
  life: { began: number | undefined; ended: number | undefined }
  /** The life's events, and the violating one, as far as they were kept. */
  history: HistoryEvent[]
  /** Set if no count was recorded, so that `count` and `expected` are meaningless. */
  isUncounted?: true
  /** Set if the page has a rest level: `expected` is that level, which includes references of unknown holders. */
  isRest?: true
  /** Count that was found, and the one that the protocol requires. */
  count: number
  expected: number
  /** How certain it is that the fault happened on this page. */
  certainty: Certainty
  /** Who made the fault; undefined if there is no evidence, or if several could have made it. */
  culprit: Actor | undefined
  /** How certain the culprit is, given that there was a fault; undefined if nobody is accused alone. */
  culpritCertainty: Certainty | undefined
  /** All who could have made the fault, by the evidence for each; the culprit, if there is one, comes first. */
  candidates: Candidate[]
  /** The law that is broken, by its number in the account; undefined where no law tells. */
  law: number | undefined
  /** Number of references that the page is short of or has too many of. */
  references: number
  consequences: ConsequenceFinding[]
  /** Number of consequences beyond those listed. */
  moreConsequences: number
  /** The evidence, as sentences. */
  evidence: string[]
  /** Set for a page whose holder is known. */
  held?: HeldReference
}

/** A report of the kernel's own, by the event error_report_end. It is an accusation, but the ledger names no culprit for it. */
export interface ErrorReport {
  /** Name of the detector in the event: kfence, kasan or warning; an unknown one as its number. */
  detector: string
  /** The event's `id`: of a WARN the address that it stands at. */
  address: bigint
  /** The first frame outside of the kernel's reporting code, and its callers; undefined without a stack. */
  frame: Frame | undefined
  stack: Frame[]
  task: string
  pid: number
  cpu: number
  /** Time of the first such report, as of the recording's events. */
  time: number
  /** Page of the task's page_ref events just before, if these were all of one page. */
  page: number | undefined
  /** Number of reports by this detector at this address. */
  times: number
}

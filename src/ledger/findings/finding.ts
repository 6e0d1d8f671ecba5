// SPDX-License-Identifier: GPL-2.0-or-later
/** What the ledger found in a recording. */
import type { Frame } from '../../trace/events.ts'
import type { FindingKind } from './registry.ts'

/**
 * `certain`: every history that the recording allows has this fault (this culprit). `likely`: the evidence listed speaks for it
 * and nothing against. `possible`: worth a look.
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
  /** Name of the page_ref event, and the change of the count; of a probe, and 0. */
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

/** One of those who could be the culprit. */
export interface Candidate {
  actor: Actor
  /** What speaks for it, or against: sentences. */
  reasons: string[]
}

export interface ConsequenceFinding {
  kind: string
  pfn: number
  time: number
  count: number
  actor: Actor
}

/** What is worth knowing of a reference that is merely held. */
export interface HeldReference {
  /** Taken by pin_user_pages() or its kin, for the one who is named. */
  isPin: boolean
  /** Why it may be forgotten: its task exited, or later references of its law came back and it did not. */
  doubt: 'exited' | 'overtaken' | undefined
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
  /** No count was recorded: `count` and `expected` say nothing. */
  isUncounted?: true
  /** The page was watched: `expected` is the count that it had before, of whatever the others held. */
  isRest?: true
  /** Count found, and the one that the protocol wants. */
  count: number
  expected: number
  /** Of the fault: that it happened, on this page. */
  certainty: Certainty
  /** Who did it; undefined where nothing says who it was, or where several could be it. */
  culprit: Actor | undefined
  /** Of the culprit: that it was this one, if there was a fault; undefined where nobody is accused alone. */
  culpritCertainty: Certainty | undefined
  /** Everybody who could be it, by what speaks for each; the culprit, if there is one, comes first. */
  candidates: Candidate[]
  /** The law that is broken, by its number in the account; undefined where no law tells. */
  law: number | undefined
  /** References that the page is short of or has too many of. */
  references: number
  consequences: ConsequenceFinding[]
  /** Consequences beyond those listed. */
  moreConsequences: number
  /** Sentences. */
  evidence: string[]
  /** Of a page that is held by one who is known. */
  held?: HeldReference
}

/** A report of the kernel's own: the event error_report_end. It accuses, but nobody that the ledger would name. */
export interface ErrorReport {
  /** As the event has it: kfence, kasan, warning; another number as text. */
  detector: string
  /** The event's `id`: of a WARN the address that it stands at. */
  address: bigint
  /** The first frame that is no part of the machinery of such reports, and those around it; undefined without a stack. */
  frame: Frame | undefined
  stack: Frame[]
  task: string
  pid: number
  cpu: number
  /** Of the first one, as of the recording's events. */
  time: number
  /** Page of the task's page_ref events just before, where these were about one page. */
  page: number | undefined
  /** Reports by this detector at this address. */
  times: number
}

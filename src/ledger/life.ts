// SPDX-License-Identifier: GPL-2.0-or-later
/** Events on their way through the ledger: one by one where a closer look is needed, and as part of a life. */
import type { OrderedEvent } from './order.ts'

/** An event as the slow paths pass it on. */
export interface LedgerEvent extends OrderedEvent {
  signature: number
  stack: number
  mapcount: number
  /** Count as the event read it, after its operation and maybe after others. */
  count: number
  /** Page flags proper, without zone, node and section. */
  flags: number
}

/** An event as part of a life. */
export interface LifeEvent extends LedgerEvent {
  /** References taken (positive) or given back (negative). */
  delta: number
  mapped: boolean
  taskSeq: number
  signatureSeq: number
  /** Number of the event among all of the recording. */
  ordinal: number
}

/** A page's state at one moment. */
export interface PageState {
  row: number
  count: number
  idle: number | undefined
  /** Events of the life that was open, oldest first; references held before them; whether events may be missing. */
  events: LifeEvent[]
  heldBefore: number
  lossy: boolean
}

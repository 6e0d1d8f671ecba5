// SPDX-License-Identifier: GPL-2.0-or-later
/** Events on their way through the tracker: one by one where a closer look is needed, and as part of a page's lifetime. */

/** An event as far as its place among others matters. */
export interface OrderedEvent {
  time: number
  /** The operation came after this: the stamp before on the same CPU, or of the same task where the CPU had another. */
  since: number
  pid: number
  cpu: number
  op: number
  val: number
  ret: number
}

/** An event that was taken out of its batch. */
export interface LedgerEvent extends OrderedEvent {
  /** Key of the call site, see `CallSites`. */
  signature: number
  stack: number
  mapcount: number
  /** Count as the event read it, after its operation and maybe after others. */
  count: number
  /** Page flags proper, without zone, node and section. */
  flags: number
  /** Number of the event among all of the recording, in the order in which they were read. */
  ordinal: number
}

/** An event as part of a lifetime. */
export interface LifetimeEvent extends LedgerEvent {
  /** References taken (positive) or given back (negative). */
  delta: number
  mapped: boolean
  taskSeq: number
  signatureSeq: number
}

/** What is known of a page at one moment. */
export interface PageState {
  row: number
  count: number
  idle: number | undefined
  /** Events of the lifetime that was open, oldest first; references held before them; whether events may be missing. */
  events: LifetimeEvent[]
  heldBefore: number
  lossy: boolean
}

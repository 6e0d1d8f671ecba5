// SPDX-License-Identifier: GPL-2.0-or-later
/** Events on their way through the tracker: one by one where a closer look is needed, and as part of a page's lifetime. */

import type { EventBatch } from '../../trace/events.ts'

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
}

/** A put that gave back a reference of before the recording. */
export interface RestDrop {
  row: number
  event: LedgerEvent
  /** Count of the page at rest until then. */
  rest: number
  /** Events since the page was last at rest, before it. */
  life: readonly LifetimeEvent[]
  /** Count that it left; at 0 the page is freed. */
  left: number
  /** First get or put that found the page freed, and not handed out since; undefined: none. */
  usedAfter: LedgerEvent | undefined
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

/** Page flags proper; above them stand zone, node and section. */
const PAGE_FLAGS = (1 << 24) - 1

/** Takes an event out of its batch. */
export function eventOf(batch: EventBatch, i: number, signature: number, since: number, ordinal: number): LedgerEvent {
  return {
    time: batch.time[i]!,
    since,
    pid: batch.pid[i]!,
    cpu: batch.cpu[i]!,
    op: batch.op[i]!,
    val: batch.val[i]!,
    ret: batch.ret[i]!,
    signature,
    stack: batch.stack[i]!,
    mapcount: batch.mapcount[i]!,
    count: batch.count[i]!,
    flags: batch.flagsLow[i]! & PAGE_FLAGS,
    ordinal,
  }
}

/** Puts an event into a row of a batch, as far as tracking reads it again. */
export function putRow(batch: EventBatch, i: number, event: LedgerEvent): void {
  batch.time[i] = event.time
  batch.pid[i] = event.pid
  batch.cpu[i] = event.cpu
  batch.op[i] = event.op
  batch.val[i] = event.val
  batch.ret[i] = event.ret
  batch.stack[i] = event.stack
  batch.mapcount[i] = event.mapcount
  batch.count[i] = event.count
}

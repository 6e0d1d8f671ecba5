// SPDX-License-Identifier: GPL-2.0-or-later
/** Event objects of the tracker: for events that the fast path cannot apply, and for the events of a page's lifetime. */

import type { EventBatch } from '../../trace/events.ts'
import { PAGE_FLAGS } from './hot-layout.ts'

/** The part of an event that decides its place among others. */
export interface OrderedEvent {
  time: number
  /**
   * Lower bound for the time of the operation: the previous stamp on the same CPU or, if another task ran there, of the same
   * task.
   */
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
  /** Count that the event read, after its own operation and possibly after others. */
  count: number
  /** Page flags, without the zone, node and section bits above them. */
  flags: number
  /** Ordinal of the event in the recording, in the order of reading. */
  ordinal: number
}

/** An event as part of a lifetime. */
export interface LifetimeEvent extends LedgerEvent {
  /** References taken (positive) or given back (negative). */
  delta: number
  mapped: boolean
  taskSeq: number
}

/** A put that gave back a reference which was taken before the recording. */
export interface RestDrop {
  row: number
  event: LedgerEvent
  /** Rest level of the page until then (see `RestLevels`). */
  rest: number
  /** Events between the page's last time at rest and this put. */
  life: readonly LifetimeEvent[]
  /** Count after the put; at 0 the page is freed. */
  left: number
  /** First get or put after the page was freed and before it was handed out again; undefined: none. */
  usedAfter: LedgerEvent | undefined
}

/** The state of a page at one moment. */
export interface PageState {
  row: number
  count: number
  idle: number | undefined
  /** Events of the lifetime that was open, oldest first; references held before them; whether events may be missing. */
  events: LifetimeEvent[]
  heldBefore: number
  lossy: boolean
}

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

/** Writes an event into a row of a batch: only the columns that the tracker reads. */
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

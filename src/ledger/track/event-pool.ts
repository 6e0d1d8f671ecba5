// SPDX-License-Identifier: GPL-2.0-or-later
import { Op } from '../../trace/events.ts'
import { growColumns } from '../../util/growable.ts'
import type { LifetimeEvent } from './lifetime-event.ts'

const FIRST_SIZE = 4096

/**
 * Events of lifetimes, as columns in one pool. A lifetime is a chain through `next`; a lifetime that is forgotten gives its
 * nodes back, so that memory follows the lifetimes that are open and not the length of the recording.
 */
export class EventPool {
  time = new Float64Array(FIRST_SIZE)
  /** See `OrderedEvent.since`. */
  since = new Float64Array(FIRST_SIZE)
  /** Key of the call site. */
  signature = new Int32Array(FIRST_SIZE)
  stack = new Int32Array(FIRST_SIZE)
  /** Change of the count: references taken (positive) or given back (negative). */
  delta = new Int32Array(FIRST_SIZE)
  pid = new Int32Array(FIRST_SIZE)
  cpu = new Uint16Array(FIRST_SIZE)
  op = new Uint8Array(FIRST_SIZE)
  val = new Int32Array(FIRST_SIZE)
  ret = new Int32Array(FIRST_SIZE)
  mapcount = new Int32Array(FIRST_SIZE)
  /** Count as the event read it. */
  count = new Int32Array(FIRST_SIZE)
  /** 1 where the reference belongs to a page table (see `Reference.mapped`). */
  mapped = new Uint8Array(FIRST_SIZE)
  /** Ordinal of the event among those of its task, and of its call-site key: how much came after is a difference. */
  taskSeq = new Int32Array(FIRST_SIZE)
  signatureSeq = new Int32Array(FIRST_SIZE)
  /** See `LedgerEvent.ordinal`. */
  ordinal = new Int32Array(FIRST_SIZE)
  next = new Int32Array(FIRST_SIZE)
  #free = -1
  #used = 0

  /** Returns a node that stands for nothing yet. */
  take(): number {
    if (this.#free >= 0) {
      const node = this.#free
      this.#free = this.next[node]!
      return node
    }
    if (this.#used === this.next.length) growColumns(this, this.#used * 2)
    return this.#used++
  }

  /** Links a node behind the last one of its chain. A mapping raises the map count after its get and lowers it before its put. */
  link(last: number, node: number): void {
    const raised = this.mapcount[node]! - this.mapcount[last]!
    this.next[last] = node
    this.mapped[node] = this.delta[node]! < 0 && raised < 0 ? 1 : 0
    if (this.delta[last]! > 0 && raised > 0) this.mapped[last] = 1
  }

  /** Gives back one node. */
  give(node: number): void {
    this.next[node] = this.#free
    this.#free = node
  }

  /** Gives back a whole chain in one step. */
  giveChain(head: number, tail: number): void {
    this.next[tail] = this.#free
    this.#free = head
  }

  /** Returns the events of a chain, from its first node on. */
  chain(head: number): LifetimeEvent[] {
    const events: LifetimeEvent[] = []
    for (let node = head; node >= 0; node = this.next[node]!) events.push(this.event(node))
    return events
  }

  /** Returns the event that a node stands for. */
  event(node: number): LifetimeEvent {
    return {
      time: this.time[node]!,
      since: this.since[node]!,
      pid: this.pid[node]!,
      cpu: this.cpu[node]!,
      op: this.op[node]!,
      val: this.val[node]!,
      ret: this.ret[node]!,
      signature: this.signature[node]!,
      stack: this.stack[node]!,
      mapcount: this.mapcount[node]!,
      count: this.count[node]!,
      flags: 0,
      ordinal: this.ordinal[node]!,
      delta: this.delta[node]!,
      mapped: this.mapped[node] === 1,
      taskSeq: this.taskSeq[node]!,
      signatureSeq: this.signatureSeq[node]!,
    }
  }

  /**
   * Returns the reference with which the core set a page's count back to 1, as if it had been taken when the lifetime that
   * begins with this node did.
   */
  baseEvent(first: number): LifetimeEvent {
    return {
      ...this.event(first),
      op: Op.SET,
      val: 1,
      ret: 0,
      signature: Op.SET,
      stack: 0,
      delta: 1,
      mapped: false,
    }
  }

  /** Puts the base reference in front of a chain, and returns the node for it. */
  addBase(first: number): number {
    const node = this.take()
    this.#put(node, this.baseEvent(first))
    this.next[node] = first
    return node
  }

  #put(node: number, event: LifetimeEvent): void {
    this.time[node] = event.time
    this.ordinal[node] = event.ordinal
    this.since[node] = event.since
    this.signature[node] = event.signature
    this.stack[node] = event.stack
    this.delta[node] = event.delta
    this.pid[node] = event.pid
    this.cpu[node] = event.cpu
    this.op[node] = event.op
    this.val[node] = event.val
    this.ret[node] = event.ret
    this.mapcount[node] = event.mapcount
    this.count[node] = event.count
    this.mapped[node] = event.mapped ? 1 : 0
    this.taskSeq[node] = event.taskSeq
    this.signatureSeq[node] = event.signatureSeq
  }
}

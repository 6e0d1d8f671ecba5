// SPDX-License-Identifier: GPL-2.0-or-later
import type { LifeEvent } from './life.ts'

const FIRST_SIZE = 4096

/**
 * Events of open lives, as columns in one pool. A life is a chain through `next`; a closed life gives its nodes back,
 * so that memory follows the lives that are open and not the length of the recording.
 */
export class NodePool {
  time = new Float64Array(FIRST_SIZE)
  /** See `OrderedEvent.since`. */
  since = new Float64Array(FIRST_SIZE)
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
  /** Ordinal of the event among those of its task, and of its signature: how much came after is a difference. */
  taskSeq = new Int32Array(FIRST_SIZE)
  signatureSeq = new Int32Array(FIRST_SIZE)
  /** Number of the event among all of the recording, in the order in which they were read. */
  ordinal = new Int32Array(FIRST_SIZE)
  next = new Int32Array(FIRST_SIZE)
  #free = -1
  #used = 0

  take(): number {
    if (this.#free >= 0) {
      const node = this.#free
      this.#free = this.next[node]!
      return node
    }
    if (this.#used === this.next.length) this.#grow()
    return this.#used++
  }

  give(node: number): void {
    this.next[node] = this.#free
    this.#free = node
  }

  /** Gives back a whole chain in one step. */
  giveChain(head: number, tail: number): void {
    this.next[tail] = this.#free
    this.#free = head
  }

  /** The events of a chain, from its first node on. */
  chain(head: number): LifeEvent[] {
    const events: LifeEvent[] = []
    for (let node = head; node >= 0; node = this.next[node]!) events.push(this.event(node))
    return events
  }

  /** The event that a node stands for. */
  event(node: number): LifeEvent {
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
      delta: this.delta[node]!,
      mapped: this.mapped[node] === 1,
      taskSeq: this.taskSeq[node]!,
      signatureSeq: this.signatureSeq[node]!,
      ordinal: this.ordinal[node]!,
    }
  }

  /** Makes a node stand for that event. */
  put(node: number, event: LifeEvent): void {
    this.time[node] = event.time
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
    this.ordinal[node] = event.ordinal
  }

  #grow(): void {
    const size = this.next.length * 2
    const time = new Float64Array(size)
    time.set(this.time)
    this.time = time
    const since = new Float64Array(size)
    since.set(this.since)
    this.since = since
    const cpu = new Uint16Array(size)
    cpu.set(this.cpu)
    this.cpu = cpu
    const op = new Uint8Array(size)
    op.set(this.op)
    this.op = op
    const mapped = new Uint8Array(size)
    mapped.set(this.mapped)
    this.mapped = mapped
    for (const name of INT_COLUMNS) {
      const column = new Int32Array(size)
      column.set(this[name])
      this[name] = column
    }
  }
}

const INT_COLUMNS = [
  'signature',
  'stack',
  'delta',
  'pid',
  'val',
  'ret',
  'mapcount',
  'count',
  'taskSeq',
  'signatureSeq',
  'ordinal',
  'next',
] as const

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A pool of the events of lifetimes. A lifetime is a chain of nodes, linked from its last event back to its first. Nodes of
 * lifetimes that are dropped are used again, so that memory grows with the open lifetimes and not with the length of the recording.
 *
 * Nodes are reused in the order in which they lie in the pool, because the processor fetches memory ahead of an ascending scan: with
 * a list of free nodes, which lie anywhere, each event was a cache miss. The fields of a node stand in one record of the size of a
 * cache line. For the same reason adding an event does not touch the node before it.
 */
import { type EventBatch, Op } from '../../trace/events.ts'
import { type Arena, plainArena } from './arena.ts'
import {
  NODE_BEFORE as BEFORE,
  NODE_COUNT as COUNT,
  NODE_CPU_AND_OP as CPU_AND_OP,
  NODE_DELTA as DELTA,
  NODE_INTS as INTS,
  NODE_MAPCOUNT as MAPCOUNT,
  MAPPED,
  OP_SHIFT,
  NODE_ORDINAL as ORDINAL,
  NODE_PID as PID,
  NODE_RET as RET,
  NODE_SIGNATURE as SIGNATURE,
  NODE_SINCE as SINCE,
  NODE_STACK as STACK,
  NODE_TASK_SEQ as TASK_SEQ,
  NODE_TIME as TIME,
  NODE_VAL as VAL,
} from './hot-layout.ts'
import type { LifetimeEvent } from './lifetime-event.ts'

/** Nodes for which there is room at first, and those that a long recording needs. */
const FIRST_NODES = 4096
const USUAL_NODES = 1 << 20

export class EventPool {
  /** The nodes, and the same memory as doubles. */
  ints: Int32Array
  #doubles: Float64Array
  readonly #arena: Arena
  /** Nodes that were returned since the last `keepOnly`, as a chain. */
  free = -1
  /** The next nodes to be taken: those from `next` to `end`. Nodes from `#used` on were never taken. */
  next = 0
  end = 0
  #used = 0
  /** By node, 1 if it was in use at the last `keepOnly`; how many were, and the sizes of the runs that were begun since. */
  #kept = new Uint8Array(0)
  #keptNodes = 0
  #runs = 0

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.ints = arena.column(Int32Array, arena.lengthFor(FIRST_NODES, USUAL_NODES) * INTS)
    this.#doubles = asDoubles(this.ints)
  }

  /** Returns an unused node. */
  #take(): number {
    if (this.free >= 0) {
      const node = this.free
      this.free = this.before(node)
      return node
    }
    return this.next < this.end ? this.next++ : this.#takeAhead()
  }

  /** Looks for the next run of unused nodes, and returns its first. */
  #takeAhead(): number {
    const kept = this.#kept
    let node = this.next
    while (node < kept.length && kept[node] === 1) node++
    let end = node
    while (end < kept.length && kept[end] === 0) end++
    if (node === end) {
      // All that the last `keepOnly` left are taken.
      node = this.#used
      if (node * INTS === this.ints.length) this.#grow()
      end = this.#used = Math.min(this.ints.length / INTS, Math.max(FIRST_NODES, node * 2))
    }
    this.next = node + 1
    this.end = end
    this.#runs += end - node
    return node
  }

  #grow(): void {
    this.ints = this.#arena.grown(this.ints, this.ints.length * 2)
    this.#doubles = asDoubles(this.ints)
  }

  /**
   * Appends an event of a batch to a chain. The map count tells whether a reference belongs to a page table: a mapping raises it
   * after its get, and lowers it before its put.
   *
   * @param last last node of the chain, -1 where there is none yet
   * @param lastMapcount map count of that node's event
   * @returns the new node
   */
  add(
    last: number,
    lastMapcount: number,
    delta: number,
    batch: EventBatch,
    i: number,
    signature: number,
    since: number,
    ordinal: number,
    taskSeq: number,
  ): number {
    const node = this.#take()
    const ints = this.ints
    const at = node * INTS
    const mapcount = batch.mapcount[i]!
    const raised = last < 0 ? 0 : mapcount - lastMapcount
    let bits = batch.cpu[i]! | (batch.op[i]! << OP_SHIFT)
    if (delta < 0 && raised < 0) bits |= MAPPED
    if (raised > 0 && this.delta(last) > 0) ints[last * INTS + CPU_AND_OP]! |= MAPPED
    this.#doubles[(at >> 1) + TIME] = batch.time[i]!
    this.#doubles[(at >> 1) + SINCE] = since
    ints[at + BEFORE] = last
    ints[at + SIGNATURE] = signature
    ints[at + STACK] = batch.stack[i]!
    ints[at + DELTA] = delta
    ints[at + PID] = batch.pid[i]!
    ints[at + CPU_AND_OP] = bits
    ints[at + VAL] = batch.val[i]!
    ints[at + RET] = batch.ret[i]!
    ints[at + MAPCOUNT] = mapcount
    ints[at + COUNT] = batch.count[i]!
    ints[at + TASK_SEQ] = taskSeq
    ints[at + ORDINAL] = ordinal
    return node
  }

  /** Links a node to the one before it in its chain. @param before that node; -1 makes `node` the first one */
  link(node: number, before: number): void {
    this.ints[node * INTS + BEFORE] = before
  }

  /**
   * Returns all nodes to the pool but those of some chains. What was returned to it before is part of the rest, and so is
   * forgotten. Does nothing while fewer nodes were taken than an eighth of those that were kept the last time: each call looks at all
   * that are kept, so that many open lifetimes would make each of many calls slow.
   *
   * @param tails last nodes of the chains; -1 stands for none
   */
  keepOnly(...tails: Int32Array[]): void {
    const taken = this.#runs - (this.end - this.next)
    if (8 * taken < this.#keptNodes) return
    const kept = new Uint8Array(this.#used)
    let keptNodes = 0
    for (const each of tails) keptNodes += markChains(this.ints, each, kept)
    this.#kept = kept
    this.#keptNodes = keptNodes
    this.free = -1
    this.next = this.end = this.#runs = 0
  }

  /** Returns one node to the pool. */
  give(node: number): void {
    this.giveChain(node, node)
  }

  /** Returns a whole chain to the pool, in constant time. */
  giveChain(head: number, tail: number): void {
    this.link(head, this.free)
    this.free = tail
  }

  /** Returns the node before that one in its chain, -1 for none. */
  before(node: number): number {
    return this.ints[node * INTS + BEFORE]!
  }

  /** Returns the nodes of a chain, the first event's first. */
  nodes(tail: number): number[] {
    const nodes: number[] = []
    for (let node = tail; node >= 0; node = this.before(node)) nodes.push(node)
    return nodes.reverse()
  }

  mapcount(node: number): number {
    return this.ints[node * INTS + MAPCOUNT]!
  }

  time(node: number): number {
    return this.#doubles[((node * INTS) >> 1) + TIME]!
  }

  /** Returns the key of the call site. */
  signature(node: number): number {
    return this.ints[node * INTS + SIGNATURE]!
  }

  stack(node: number): number {
    return this.ints[node * INTS + STACK]!
  }

  /** Returns the references taken (positive) or given back (negative). */
  delta(node: number): number {
    return this.ints[node * INTS + DELTA]!
  }

  pid(node: number): number {
    return this.ints[node * INTS + PID]!
  }

  op(node: number): number {
    return (this.ints[node * INTS + CPU_AND_OP]! >> OP_SHIFT) & 0xff
  }

  /** See `LedgerEvent.ordinal`. */
  ordinal(node: number): number {
    return this.ints[node * INTS + ORDINAL]!
  }

  /** True where the reference belongs to a page table. */
  isMapped(node: number): boolean {
    return (this.ints[node * INTS + CPU_AND_OP]! & MAPPED) !== 0
  }

  /** Returns the events of a chain, oldest first. */
  chain(tail: number): LifetimeEvent[] {
    return this.nodes(tail).map(node => this.event(node))
  }

  /** Returns the event that a node stands for. */
  event(node: number): LifetimeEvent {
    const ints = this.ints
    const at = node * INTS
    return {
      time: this.time(node),
      since: this.#doubles[(at >> 1) + SINCE]!,
      pid: this.pid(node),
      cpu: ints[at + CPU_AND_OP]! & 0xffff,
      op: this.op(node),
      val: ints[at + VAL]!,
      ret: ints[at + RET]!,
      signature: this.signature(node),
      stack: this.stack(node),
      mapcount: ints[at + MAPCOUNT]!,
      count: ints[at + COUNT]!,
      flags: 0,
      ordinal: this.ordinal(node),
      delta: this.delta(node),
      mapped: this.isMapped(node),
      taskSeq: ints[at + TASK_SEQ]!,
    }
  }

  /**
   * Returns an event for the reference that the core's reset to 1 gave the page. It has the time and place of the lifetime's
   * first event, because the reset itself is no event of the lifetime.
   */
  baseEvent(first: number): LifetimeEvent {
    return {
      ...this.event(first),
      op: Op.SET,
      val: 1,
      ret: 0,
      count: 1,
      signature: Op.SET,
      stack: 0,
      delta: 1,
      mapped: false,
    }
  }

  /** Prepends the base reference to a chain as an event of its own, and returns the new node. */
  addBase(first: number): number {
    const { cpu, op, val, ret, count, signature, stack, delta } = this.baseEvent(first)
    const node = this.#take()
    const ints = this.ints
    const at = node * INTS
    ints.copyWithin(at, first * INTS, (first + 1) * INTS)
    ints[at + BEFORE] = -1
    this.link(first, node)
    ints[at + SIGNATURE] = signature
    ints[at + STACK] = stack
    ints[at + DELTA] = delta
    ints[at + CPU_AND_OP] = cpu | (op << OP_SHIFT)
    ints[at + VAL] = val
    ints[at + RET] = ret
    ints[at + COUNT] = count
    return node
  }
}

/** Sets `kept` to 1 for each node of some chains, and returns how many there are. @param tails last nodes; -1 stands for none */
function markChains(ints: Int32Array, tails: Int32Array, kept: Uint8Array): number {
  let nodes = 0
  for (let i = 0; i < tails.length; i++)
    for (let node = tails[i]!; node >= 0; node = ints[node * INTS + BEFORE]!) {
      kept[node] = 1
      nodes++
    }
  return nodes
}

/** Returns the memory of a column as doubles. */
function asDoubles({ buffer, byteOffset, length }: Int32Array): Float64Array {
  return new Float64Array(buffer, byteOffset, length >> 1)
}

// SPDX-License-Identifier: GPL-2.0-or-later
import type { EventPool } from './event-pool.ts'

/** Lifetimes that are remembered after their end, because a fault shows on the page only a moment later. */
const KEPT = 1 << 14

/** The lifetimes that closed last, with their events, for as long as there is room. */
export class ClosedLifetimes {
  readonly #nodes: EventPool
  readonly #heads = new Int32Array(KEPT).fill(-1)
  readonly #tails = new Int32Array(KEPT)
  /** Ticket of the same page's lifetime before. */
  readonly #before = new Int32Array(KEPT)
  #count = 0

  constructor(nodes: EventPool) {
    this.#nodes = nodes
  }

  /**
   * Keeps a chain of nodes, gives back the oldest one, and returns a ticket for it.
   *
   * @param before ticket of the same page's lifetime before; 0 for none
   */
  add(head: number, tail: number, before: number): number {
    const slot = this.#count % KEPT
    if (this.#heads[slot]! >= 0) this.#nodes.giveChain(this.#heads[slot]!, this.#tails[slot]!)
    this.#heads[slot] = head
    this.#tails[slot] = tail
    this.#before[slot] = before
    return ++this.#count
  }

  /** Returns the ticket of the same page's lifetime before; 0 if that is not known. */
  before(ticket: number): number {
    return this.#isKept(ticket) ? this.#before[(ticket - 1) % KEPT]! : 0
  }

  /** Returns the first node of the lifetime of that ticket, -1 if it was given back. */
  head(ticket: number): number {
    return this.#isKept(ticket) ? this.#heads[(ticket - 1) % KEPT]! : -1
  }

  #isKept(ticket: number): boolean {
    return ticket > 0 && ticket > this.#count - KEPT
  }
}

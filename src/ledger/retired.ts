// SPDX-License-Identifier: GPL-2.0-or-later
import type { NodePool } from './nodes.ts'

/** Lives that are remembered after their end, because a fault shows on the page only a moment later. */
const KEPT = 1 << 14

/** The last closed lives, with their events, for as long as there is room. */
export class RetiredLives {
  readonly #nodes: NodePool
  readonly #heads = new Int32Array(KEPT).fill(-1)
  readonly #tails = new Int32Array(KEPT)
  #count = 0

  constructor(nodes: NodePool) {
    this.#nodes = nodes
  }

  /** Keeps a chain of nodes, gives back the oldest one, and returns a ticket for it. */
  add(head: number, tail: number): number {
    const slot = this.#count % KEPT
    if (this.#heads[slot]! >= 0) this.#nodes.giveChain(this.#heads[slot]!, this.#tails[slot]!)
    this.#heads[slot] = head
    this.#tails[slot] = tail
    return ++this.#count
  }

  /** First node of the life of that ticket, -1 if it was given back. */
  head(ticket: number): number {
    if (ticket <= 0 || ticket <= this.#count - KEPT) return -1
    return this.#heads[(ticket - 1) % KEPT]!
  }
}

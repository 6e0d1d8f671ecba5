// SPDX-License-Identifier: GPL-2.0-or-later
// No node of a chain that is in use is handed out again, and the pool does not grow while unused ones are left.
import { describe, expect, test } from 'vitest'
import { EventPool } from '../../src/ledger/track/event-pool.ts'
import { newBatch } from '../../src/trace/common/batch.ts'
import { random } from '../../testkit/random.ts'

/** Counts how many nodes are looked at for the one before them. */
class CountingPool extends EventPool {
  looks = 0

  override before(node: number): number {
    this.looks++
    return super.before(node)
  }
}

/** A pool, and a plain list of what its chains have to contain: ordinals, oldest first. */
class Chains {
  readonly pool = new CountingPool()
  readonly tails: number[] = []
  readonly expected: number[][] = []
  most = 0
  #ordinal = 0
  readonly #batch = newBatch(1)

  add(chain: number): void {
    const ordinal = this.#ordinal++
    const last = this.tails[chain] ?? -1
    const node = this.pool.add(last, 0, 1, this.#batch, 0, 7, 0, ordinal, 0)
    this.tails[chain] = node
    this.most = Math.max(this.most, node)
    const events = (this.expected[chain] ??= [])
    events.push(ordinal)
  }

  /** Takes back the last event, as an event that is found to be out of order is. */
  undo(chain: number): void {
    const last = this.tails[chain] ?? -1
    if (last < 0) return
    this.tails[chain] = this.pool.before(last)
    this.pool.give(last)
    this.expected[chain]!.pop()
  }

  drop(chain: number, isReturned: boolean): void {
    const tail = this.tails[chain] ?? -1
    if (isReturned && tail >= 0) this.pool.giveChain(this.pool.nodes(tail)[0]!, tail)
    this.tails[chain] = -1
    this.expected[chain] = []
  }

  keepOnly(): void {
    const tails = Int32Array.from(this.tails, tail => tail ?? -1)
    const half = tails.length >> 1
    this.pool.keepOnly(tails.subarray(0, half), tails.subarray(half))
  }

  check(): void {
    this.tails.forEach((tail, chain) => {
      expect(this.pool.chain(tail).map(({ ordinal }) => ordinal)).toEqual(this.expected[chain])
    })
  }
}

describe('chains keep their events, whatever becomes of others', () => {
  test.each([1, 2, 3, 4, 5, 6])('seed %i', seed => {
    const draw = random(seed)
    const chains = new Chains()
    for (let step = 0; step < 20_000; step++) {
      const chain = draw.int(0, 19)
      if (draw.chance(0.01)) chains.drop(chain, draw.chance(0.5))
      else if (draw.chance(0.1)) chains.undo(chain)
      else chains.add(chain)
      if (draw.chance(0.002)) chains.keepOnly()
      if (step % 500 === 0) chains.check()
    }
    chains.check()
  })
})

describe('what is dropped is used again', () => {
  test.each([
    { kept: 4000, dropped: 4000, rounds: 50 },
    { kept: 50_000, dropped: 50, rounds: 20_000 },
  ])('$dropped beside $kept that are kept', ({ kept, dropped, rounds }) => {
    const chains = new Chains()
    for (let event = 0; event < kept; event++) chains.add(0)
    for (let round = 0; round < rounds; round++) {
      for (let event = 0; event < dropped; event++) chains.add(1)
      chains.drop(1, false)
      chains.keepOnly()
    }
    chains.check()
    expect(chains.most).toBeLessThan(3 * (kept + dropped))
    expect(chains.pool.looks).toBeLessThan(10 * (kept + dropped * rounds))
  })
})

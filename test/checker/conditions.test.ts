// SPDX-License-Identifier: GPL-2.0-or-later
// Conditions of the reductions, each with a small system that a reduction without it gets wrong.
import { describe, expect, it } from 'vitest'
import {
  AGAIN,
  always,
  cell,
  cells,
  check,
  lock,
  repeat,
  type Steps,
  type System,
  sort,
  step,
  system,
  thread,
  wait_until,
  write,
} from '../../src/checker/index.ts'
import { ReferenceChecker } from '../../src/checker/reference/reference-checker.ts'

async function verdicts(of: () => System): Promise<[naive: string, engine: string, reductions: string]> {
  const { verdict, reductions } = await check(of())
  return [new ReferenceChecker(of()).run().verdict, verdict, reductions.join()]
}

describe('partial order', () => {
  it('a thread that goes round within one run puts nobody off for ever', async () => {
    const [own, begun, x] = [cell('own', { max: 1 }), cell('begun', { max: 1 }), cell('x', { max: 1 })]
    function* turn(): Steps<typeof AGAIN> {
      yield* step('turn', s => s.set(own, 1 - s.get(own)))
      return AGAIN
    }
    function* spins(): Steps<unknown> {
      yield* write(begun, 1)
      return yield* repeat(turn)
    }
    function* follows(): Steps<void> {
      yield* wait_until('see it begin', v => v.get(begun) === 1)
      yield* write(x, 1)
    }
    const of = () =>
      system('round', {
        cells: [own, begun, x],
        threads: [thread('spinner', spins), thread('writer', follows, { times: 1 })],
        properties: [always('x stays 0', v => v.get(x) === 0)],
      })
    expect(await verdicts(of)).toEqual(['violated', 'violated', expect.any(String)])
  })

  it('a deadlock is looked for without it, too, for the shortest way', async () => {
    const [a, b, own] = [cell('a', { max: 1 }), cell('b', { max: 1 }), cell('own', { max: 2 })]
    function* first(): Steps<void> {
      for (const value of [1, 2]) yield* write(own, value)
      for (const held of [a, b]) yield* lock(held)
    }
    function* second(): Steps<void> {
      for (const held of [b, a]) yield* lock(held)
    }
    const of = () =>
      system('embrace', {
        cells: [a, b, own],
        threads: [thread('first', first, { times: 1 }), thread('second', second, { times: 1 })],
      })
    const { reductions, seconds: _, ...verdict } = await check(of())
    expect(verdict).toMatchObject({ verdict: 'violated', property: 'deadlock' })
    const { reductions: none, seconds: __, ...plain } = await check(of(), { partialOrder: false })
    expect([verdict, reductions, none]).toEqual([plain, [], []])
  })
})

describe('symmetry', () => {
  const pages = sort('page', 2)
  const used = cells(pages, 'used', { max: 1 })
  const pte = cell('pte', { max: 2, refers: (v, image) => (v === 0 ? 0 : 1 + image(pages, v - 1)) })
  const use = () =>
    step('use', s => {
      const page = s.get(pte)
      s.wait(page > 0)
      s.set(used[page - 1]!, 1)
      s.set(pte, 0)
    })

  it('a sum over values that name members is permuted with them', async () => {
    const of = () =>
      system('weights', {
        cells: [...used, pte],
        threads: [thread('map', () => step('map', s => s.set(pte, 1 + s.choose(2)))), thread('use', use)],
        properties: [always('page 1 is not mapped', v => v.sum([pte], page => (page === 2 ? 1 : 0)) === 0)],
      })
    const refused = 'no symmetry of page: an invariant tells its members apart'
    expect(await verdicts(of)).toEqual(['violated', 'violated', expect.stringContaining(refused)])
  })

  it('so is what a step writes', async () => {
    const of = () =>
      system('writes', {
        cells: [...used, pte],
        threads: [thread('map', () => write(pte, 1)), thread('use', use)],
        properties: [always('one page is used', v => v.sum(used) < 2)],
      })
    const refused = 'no symmetry of page: thread map tells its members apart'
    expect(await verdicts(of)).toEqual(['holds', 'holds', expect.stringContaining(refused)])
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coreResets } from '../../bench/models/core-resets.ts'
import { daxTruncate } from '../../bench/models/dax-truncate.ts'
import { swapLivelock } from '../../bench/models/swap-livelock.ts'
import { limitsOf } from '../../src/checker/check.ts'
import { findFairCycle, obligationsOf } from '../../src/checker/explore/liveness.ts'
import { localGroup, search } from '../../src/checker/explore/search.ts'
import { check, prepare, type System, type Verdict } from '../../src/checker/index.ts'
import { spawn } from '../../src/node/spawn.ts'
import { build, plans } from './random.ts'

function same(v: Verdict) {
  const { seconds: _, ...rest } = v
  return rest
}

async function compare(system: System, options: Parameters<typeof check>[1]) {
  const one = same(await check(system, options))
  for (const workers of [2, 3])
    expect(same(await check(system, { ...options, workers, spawn, handover: 0 }))).toEqual(one)
  return one
}

describe('any number of workers', () => {
  it('has the same verdict, counts and counterexample', async () => {
    const size = { pages: 2, vas: 2, faults: 2, gups: 2, zappers: 1 }
    const holds = await compare(coreResets(size), { symmetry: false })
    expect(holds).toMatchObject({ verdict: 'holds' })
    expect(holds.states).toBeGreaterThan(10_000)
    await compare(coreResets(size), {})
    expect(await compare(coreResets({ ...size, broken: true }), { symmetry: false })).toMatchObject({
      verdict: 'violated',
    })
    expect(await compare(daxTruncate({ blocks: 2, offsets: 2, faults: 1, gups: 3, broken: true }), {})).toMatchObject({
      verdict: 'violated',
    })
  })

  it('does so on random systems', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async plan => void (await compare(build(plan), {}))),
      { numRuns: 12 },
    )
  })
})

describe('limits', () => {
  const large = coreResets({ pages: 2, vas: 2, faults: 2, gups: 3, zappers: 2 })
  const plain = { symmetry: false, partialOrder: false }

  it('gives up, and says what was covered, when memory or time runs out', async () => {
    for (const workers of [1, 2]) {
      const memory = await check(large, { ...plain, memory: 3e6, workers, spawn, handover: 100 })
      expect(memory.verdict).toBe('inconclusive')
      expect(memory.reason).toMatch(/^out of memory after \d+ states: every interleaving of up to \d+ steps holds$/)
      expect(memory.states).toBeGreaterThan(1000)
      const time = await check(large, { ...plain, time: 0, workers, spawn, handover: 100 })
      expect(time).toMatchObject({ verdict: 'inconclusive', reason: expect.stringMatching(/^out of time/) })
    }
  })

  it('hold while endless executions are looked for', async () => {
    const system = swapLivelock({ pages: 2, faults: 4 })
    const options = { symmetry: false, properties: ['faults make progress'] }
    const whole = await check(system, options)
    expect(whole.verdict).toBe('holds')
    const memory = await check(system, { ...options, memory: 24 * whole.states })
    expect(memory.reason).toMatch(/liveness: out of memory for the (\d+ )?edges of \d+ states$/)

    const { program, packing, most } = prepare(system, { ...options, partialOrder: false })
    const limits = limitsOf(options)
    await search(localGroup(program), packing.words, most, Int32Array.from(packing.initial), limits)
    const live = (more: Partial<typeof limits>) =>
      findFairCycle(
        system,
        program,
        false,
        obligationsOf(system, () => true),
        { ...limits, ...more },
      )
    expect(await live({ deadline: 0 })).toMatch(/^out of time with the edges of 10000 of \d+ states$/)
    const reasons: unknown[] = []
    do {
      // Tells to stop at one look later each time.
      let looks = reasons.length
      const signal = new AbortController().signal
      Object.defineProperty(signal, 'aborted', { get: () => looks-- === 0 })
      reasons.push(await live({ signal }))
    } while (reasons.at(-1) !== undefined)
    const said = reasons.join('\n')
    expect(said).toMatch(/stopped with the edges of 20000 of \d+ states/)
    expect(said).toMatch(/stopped in the search for endless executions: \d+ of \d+ states, promise 1 of 1/)
  })

  it('tells how far it is, and stops when told to', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const v = await check(large, {
      ...plain,
      signal: controller.signal,
      onProgress: p => {
        if (p.doing !== undefined) return
        expect(p.bytes).toBeGreaterThan(0)
        expect(p.queue).toBeGreaterThan(0)
        seen.push(p.states)
        controller.abort()
      },
      progressInterval: 0,
    })
    expect(v).toMatchObject({ verdict: 'inconclusive', reason: expect.stringMatching(/^stopped after/) })
    expect(seen.length).toBeGreaterThan(0)
  })
})

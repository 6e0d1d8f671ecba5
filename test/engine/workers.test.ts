// SPDX-License-Identifier: GPL-2.0-or-later
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coreResets } from '../../bench/models/core-resets.ts'
import { daxTruncate } from '../../bench/models/dax-truncate.ts'
import { check, type System, type Verdict } from '../../src/engine/index.ts'
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
      fc.asyncProperty(plans, async plan => void (await compare(build(plan), { time: 20 }))),
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
      expect(memory.reason).toMatch(/^out of memory after \d+ states, every interleaving of \d+ steps$/)
      expect(memory.states).toBeGreaterThan(1000)
      const time = await check(large, { ...plain, time: 0, workers, spawn, handover: 100 })
      expect(time).toMatchObject({ verdict: 'inconclusive', reason: expect.stringMatching(/^out of time/) })
    }
  })

  it('tells how far it is, and stops when told to', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const v = await check(large, {
      ...plain,
      signal: controller.signal,
      onProgress: p => {
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

// SPDX-License-Identifier: GPL-2.0-or-later
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/checker/check.ts'
import { prepare } from '../../src/checker/prepare.ts'
import { ReferenceChecker } from '../../src/checker/reference/reference-checker.ts'
import { build, plans } from './random.ts'

const RUNS = Number(process.env.LASTPUT_RANDOM_RUNS ?? 80)
const LIMIT = 3000

/** Longest loops of a plan are cut by the naive explorer's limit: such plans say nothing. */
function oracle(plan: Parameters<typeof build>[0]) {
  const naive = new ReferenceChecker(build(plan), { states: LIMIT })
  const verdict = naive.run()
  fc.pre(verdict.verdict !== 'inconclusive')
  return { naive, verdict }
}

describe('random systems, against the naive explorer', () => {
  it('has the same states, transitions, depth and memories without merging and reductions', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const { naive, verdict } = oracle(plan)
        const engine = await check(build(plan), { minimise: false, symmetry: false, partialOrder: false })
        expect(engine.verdict).toBe(verdict.verdict)
        if (verdict.property === 'finishes' || verdict.property === 'progress') {
          expect(engine.property).toBe(verdict.property)
          return
        }
        expect(engine.states).toBe(verdict.states)
        if (verdict.verdict === 'holds') expect(engine.depth).toBe(verdict.depth)
        else {
          expect(engine.counterexample).toHaveLength(naive.shortest()[0]!.length)
          expect(naive.shortest().map(f => f.violation.property)).toContain(engine.property)
        }
      }),
      { numRuns: RUNS },
    )
  })

  it.each([
    { symmetry: false, partialOrder: false },
    { symmetry: true, partialOrder: false },
    { symmetry: false, partialOrder: true },
    { symmetry: true, partialOrder: true },
  ])('has the same verdict and length of counterexample with %o', async options => {
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const { naive, verdict } = oracle(plan)
        const engine = await check(build(plan), options)
        expect(engine.verdict).toBe(verdict.verdict)
        expect(engine.states).toBeLessThanOrEqual(verdict.states)
        if (verdict.verdict === 'holds') return
        if (verdict.property === 'finishes' || verdict.property === 'progress') {
          expect(engine.property).toBe(verdict.property)
          return
        }
        expect(engine.counterexample).toHaveLength(naive.shortest()[0]!.length)
        expect(naive.shortest().map(f => f.violation.property)).toContain(engine.property)
      }),
      { numRuns: RUNS },
    )
  })

  it('has the same liveness when safety properties are not selected', async () => {
    const only = { properties: ['finishes', 'progress'] }
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const verdict = new ReferenceChecker(build(plan), { states: LIMIT, ...only }).run()
        fc.pre(verdict.verdict !== 'inconclusive')
        const engine = await check(build(plan), only)
        expect([engine.verdict, engine.property]).toEqual([verdict.verdict, verdict.property])
      }),
      { numRuns: RUNS },
    )
  })

  it('reaches the same memories when equal futures are merged', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const { naive, verdict } = oracle(plan)
        fc.pre(verdict.verdict === 'holds')
        const prepared = prepare(build(plan), { symmetry: false, partialOrder: false })
        const { program, packing } = prepared
        const buffer = [new Int32Array(64 * 2000 * packing.words)]
        program.rebuffer(buffer, [new Int32Array(64)], 2000)
        program.seed(Int32Array.from(packing.initial))
        while (program.advance() > 0)
          for (let more = true; more; ) {
            more = program.expand()
            program.insert()
          }
        expect(new Set(packing.split(program.states()).map(s => packing.values(s).join()))).toEqual(naive.memories())
      }),
      { numRuns: RUNS },
    )
  })
})

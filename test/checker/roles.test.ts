// SPDX-License-Identifier: GPL-2.0-or-later
// Liveness where threads take each other's place: with symmetry, what goes on for ever may be another thread in each state.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/checker/check.ts'
import { ReferenceChecker } from '../../src/checker/reference/reference-checker.ts'
import type { Verdict } from '../../src/checker/verdict.ts'
import { spawn } from '../../src/node/spawn.ts'
import { build, type Roles, roles } from './roles.ts'

const RUNS = Number(process.env.LASTPUT_RANDOM_RUNS ?? 200)
const LIMIT = 600

/** Who goes round for ever is another thread each time: only threads followed through the permutations tell it. */
const round = (threads: number, effect: 'pass' | 'share', more: Partial<Roles> = {}): [Roles] => [
  {
    ...{ threads, named: true, first: [], times: 1, daemon: true, tokens: 'first', promise: 'any' },
    ...{ helper: undefined, helperDaemon: false },
    loop: [{ op: 'try', test: { of: 'token', is: true }, effect, yes: [{ op: 'again' }], no: [] }],
    ...more,
  },
]

const said = ({ verdict, property }: Verdict) => [verdict, property]

/** Too large for the naive explorer: says nothing. */
function oracle(plan: Roles): Verdict {
  const verdict = new ReferenceChecker(build(plan), { states: LIMIT }).run()
  fc.pre(verdict.verdict !== 'inconclusive')
  return verdict
}

describe('threads that swap roles, against the naive explorer', () => {
  it('have the same verdict on endless executions with symmetry and without', async () => {
    const seen = new Map<string, number>()
    const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
    await fc.assert(
      fc.asyncProperty(roles, async plan => {
        const naive = oracle(plan)
        for (const symmetry of [false, true]) {
          const v = await check(build(plan), { symmetry })
          expect(said(v)).toEqual(said(naive))
          if (symmetry) count(`${v.verdict}${v.reductions.some(r => r.startsWith('symmetry')) ? ', reduced' : ''}`)
        }
      }),
      { numRuns: RUNS, examples: [round(2, 'pass'), round(3, 'share'), round(2, 'pass', { promise: 'each' })] },
    )
    // Both verdicts come up where symmetry brings states together.
    for (const what of ['holds, reduced', 'violated, reduced']) expect(seen.get(what)).toBeGreaterThan(RUNS / 10)
  })

  it('have it with any number of workers', async () => {
    await fc.assert(
      fc.asyncProperty(roles, async plan => {
        const naive = oracle(plan)
        for (const workers of [2, 3])
          expect(said(await check(build(plan), { workers, spawn, handover: 0 }))).toEqual(said(naive))
      }),
      { numRuns: Math.ceil(RUNS / 10) },
    )
  })
})

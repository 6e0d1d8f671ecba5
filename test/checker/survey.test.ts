// SPDX-License-Identifier: GPL-2.0-or-later
// One exploration tells of every property what a search for it alone would, and which are broken only after others.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Interpreter, type State, type System, survey } from '../../src/checker/index.ts'
import { ReferenceChecker } from '../../src/checker/reference/reference-checker.ts'
import { build, plans } from './random.ts'

const RUNS = Number(process.env.LASTPUT_RANDOM_RUNS ?? 60)
const LIMIT = 2000
const LIVE = ['finishes', 'progress']

/** Breadth first over executions that end where they break something: by property, steps to its first violation. */
function firstViolations(system: System): Map<string, number> | undefined {
  const interpreter = new Interpreter(system)
  const keyOf = (s: State) => JSON.stringify([s.values, s.places.map(p => [p.runs, p.frames.map(f => f.history)])])
  const found = new Map<string, number>()
  const note = (property: string, steps: number) => found.set(property, Math.min(steps, found.get(property) ?? steps))
  const seen = new Set<string>()
  let front = [interpreter.initial()]
  for (let depth = 0; front.length > 0; depth++) {
    const next: State[] = []
    for (const state of front) {
      const broken = interpreter.broken(state)
      for (const property of broken) note(property, depth)
      if (broken.length > 0) continue
      let moves = 0
      for (const [t, thread] of system.threads.entries()) {
        const place = state.places[t]!
        for (const o of place.next ? interpreter.outcomes(place.next, state.values) : []) {
          moves++
          for (const v of o.violations) note(v.property, depth + 1)
          if (o.stops || o.violations.length > 0) continue
          const after = { values: o.values, places: state.places.with(t, interpreter.after(thread, place, o.result)) }
          if (seen.has(keyOf(after))) continue
          seen.add(keyOf(after))
          next.push(after)
        }
      }
      if (moves === 0 && system.deadlock && state.places.some(p => p.started)) note('deadlock', depth)
    }
    if (seen.size > LIMIT) return undefined
    front = next
  }
  return found
}

describe('random systems', () => {
  it('each property has the verdict that the naive explorer finds for it alone', async () => {
    let violated = 0
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const verdicts = await survey(build(plan))
        for (const [property, of] of verdicts) {
          const naive = new ReferenceChecker(build(plan), { states: LIMIT, properties: [property] })
          const alone = naive.run()
          fc.pre(alone.verdict !== 'inconclusive')
          expect([property, of.verdict]).toEqual([property, alone.verdict])
          if (of.verdict !== 'violated') continue
          violated++
          expect(of.counterexample).toHaveLength(of.steps!)
          if (!LIVE.includes(property) && of.consequence) expect(of.steps).toBe(naive.shortest()[0]!.length)
        }
      }),
      { numRuns: RUNS },
    )
    expect(violated).toBeGreaterThan(RUNS / 2)
  })

  it('a consequence is what no execution breaks first', async () => {
    let consequences = 0
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const first = firstViolations(build(plan))
        fc.pre(first !== undefined)
        const verdicts = await survey(build(plan), { explain: false })
        for (const [property, { verdict, consequence, steps }] of verdicts) {
          if (verdict !== 'violated' || LIVE.includes(property)) continue
          expect([property, consequence]).toEqual([property, !first!.has(property)])
          if (consequence) consequences++
          else expect([property, steps]).toEqual([property, first!.get(property)])
        }
      }),
      { numRuns: RUNS },
    )
    expect(consequences).toBeGreaterThan(0)
  })
})

describe('limits', () => {
  it('leave what was found violated, and the rest open', async () => {
    const plan = fc.sample(plans, { numRuns: 1, seed: 5 })[0]!
    const verdicts = await survey(build(plan), { memory: 1 })
    expect(verdicts.size).toBeGreaterThan(0)
    for (const v of verdicts.values())
      if (v.verdict !== 'violated')
        expect([v.verdict, v.reason]).toEqual(['inconclusive', expect.stringContaining('memory')])
  })
})

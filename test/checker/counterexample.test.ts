// SPDX-License-Identifier: GPL-2.0-or-later
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CounterexampleStep, check, type System, type Verdict } from '../../src/checker/index.ts'
import { Interpreter, keyOfPlace, type State } from '../../src/checker/reference/interpreter.ts'
import { build, plans } from './random.ts'

const RUNS = Number(process.env.LASTPUT_RANDOM_RUNS ?? 40)

function switchesOf(steps: readonly CounterexampleStep[]): number {
  return steps.filter((s, i) => i > 0 && s.thread !== steps[i - 1]!.thread).length
}

/** Fewest context switches of any execution of `length` steps that ends in a violation of `property`, by trying all. */
function fewestSwitches(system: System, length: number, property: string): number {
  const interpreter = new Interpreter(system)
  let fewest = Number.POSITIVE_INFINITY
  let front = new Map<string, { state: State; last: number; switches: number }>()
  front.set('', { state: interpreter.initial(), last: -1, switches: 0 })
  const violates = (state: State) => {
    const moves = state.places.some(p => p.next && interpreter.outcomes(p.next, state.values).length > 0)
    if (property === 'deadlock') return !moves && state.places.some(p => p.started)
    return interpreter.broken(state).includes(property)
  }
  for (let depth = 0; depth <= length; depth++) {
    const next: typeof front = new Map()
    for (const { state, last, switches } of front.values()) {
      if (depth === length && violates(state)) fewest = Math.min(fewest, switches)
      for (const [t, place] of state.places.entries()) {
        if (!place.next || depth === length) continue
        const cost = switches + (last >= 0 && last !== t ? 1 : 0)
        for (const o of interpreter.outcomes(place.next, state.values)) {
          if (depth + 1 === length && o.violations.some(v => v.property === property)) fewest = Math.min(fewest, cost)
          if (o.stops) continue
          const after = interpreter.after(system.threads[t]!, place, o.result)
          const to: State = { values: o.values, places: state.places.with(t, after) }
          const key = `${t}|${to.values.join()}|${to.places.map(keyOfPlace).join('|')}`
          if ((next.get(key)?.switches ?? Number.POSITIVE_INFINITY) > cost)
            next.set(key, { state: to, last: t, switches: cost })
        }
      }
    }
    front = next
  }
  return fewest
}

/** Takes the steps as the counterexample tells them, from the thread's name and its choices. */
function replay(system: System, steps: readonly CounterexampleStep[]): { state: State; violated: string[] } {
  const interpreter = new Interpreter(system)
  let state = interpreter.initial()
  let violated: string[] = []
  for (const s of steps) {
    const t = system.threads.findIndex(x => x.name === s.thread)
    const place = state.places[t]!
    expect(place.next!.name).toBe(s.operation)
    const outcome = interpreter.outcomes(place.next!, state.values).find(o => o.choices.join() === s.choices.join())!
    const changes = system.cells.flatMap((c, i) =>
      outcome.values[i] === state.values[i] ? [] : [{ cell: c.name, from: state.values[i]!, to: outcome.values[i]! }],
    )
    expect(s.changes).toEqual(changes)
    violated = outcome.violations.map(v => v.property)
    if (outcome.stops) break
    state = {
      values: outcome.values,
      places: state.places.with(t, interpreter.after(system.threads[t]!, place, outcome.result)),
    }
  }
  return { state, violated: [...violated, ...interpreter.broken(state)] }
}

/** Violated by a finite execution, in at most seven steps. */
function shortAndFinite(v: Verdict): boolean {
  return v.verdict === 'violated' && !['finishes', 'progress'].includes(v.property!) && v.counterexample!.length <= 7
}

describe('counterexamples of random systems', () => {
  it.each([
    { symmetry: true, partialOrder: true },
    { symmetry: true, partialOrder: false },
    { symmetry: false, partialOrder: true },
    { symmetry: false, partialOrder: false },
  ])('have the fewest context switches of all that are as short, with %o', async options => {
    let switching = 0
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const v = await check(build(plan), options)
        fc.pre(shortAndFinite(v))
        const switches = switchesOf(v.counterexample!)
        if (switches > 0) switching++
        expect(switches).toBe(fewestSwitches(build(plan), v.counterexample!.length, v.property!))
      }),
      { numRuns: RUNS },
    )
    expect(switching).toBeGreaterThan(RUNS / 8)
  })

  it('can be taken step by step, and end in the violation', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        const system = build(plan)
        const v = await check(system)
        fc.pre(v.verdict === 'violated')
        const { state, violated } = replay(system, v.counterexample!)
        if (v.property === 'finishes' || v.property === 'progress') {
          if (v.loop === undefined) return
          // Going round leads back to memory as it was.
          const start = replay(system, v.counterexample!.slice(0, v.loop - 1))
          expect(state.values).toEqual(start.state.values)
        } else if (v.property !== 'deadlock') expect(violated).toContain(v.property)
      }),
      { numRuns: 80 },
    )
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// A verdict that holds says what nothing was in a position to break, and what it takes for granted.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { always, cell, check, explore, type System, step, survey, system, thread } from '../../src/checker/index.ts'
import { build, plans } from './random.ts'

const RUNS = Number(process.env.LASTPUT_RANDOM_RUNS ?? 80)
const LIMIT = 1000
const LIVE = ['finishes', 'progress']

/** The verdict of the naive explorer on one property, by the definition. */
function naive(of: System, property: string): string {
  const verdict = explore(of, { states: LIMIT, properties: [property] })
  fc.pre(verdict.verdict !== 'inconclusive')
  return verdict.verdict
}

describe('random systems', () => {
  it('what is said to be unbreakable holds, by the naive explorer', async () => {
    let vacuous = 0
    await fc.assert(
      fc.asyncProperty(plans, async plan => {
        for (const [property, { vacuous: said = [] }] of await survey(build(plan), { also: ['nobody has it'] })) {
          if (property === 'nobody has it') expect(said).toEqual([property])
          else if (said.length > 0) {
            vacuous++
            expect(naive(build(plan), property)).toBe('holds')
          }
        }
      }),
      { numRuns: RUNS },
    )
    expect(vacuous).toBeGreaterThan(RUNS)
  })

  it('an assumption is said where the naive explorer without it finds something else', async () => {
    let rests = 0
    let stands = 0
    await fc.assert(
      fc.asyncProperty(plans, fc.boolean(), async (plan, all) => {
        const given = build({ ...plan, daemon: false, finishes: true })
        const named = (name: string) => all || name === given.threads.at(-1)!.name
        const assuming: System = {
          ...given,
          threads: given.threads.map(t => (named(t.name) ? { ...t, daemon: true, assumed: 'it goes on' } : t)),
        }
        const verdicts = await survey(assuming)
        for (const property of LIVE) {
          const of = verdicts.get(property)
          if (of?.verdict !== 'holds') continue
          const without = naive(given, property)
          expect([property, of.assumes ?? []]).toEqual([property, without === 'holds' ? [] : ['it goes on']])
          if (without === 'holds') stands++
          else rests++
        }
      }),
      { numRuns: 2 * RUNS },
    )
    expect([rests > 0, stands > 0]).toEqual([true, true])
  })
})

describe('small ones', () => {
  const closed = cell('closed', { max: 1 })
  const use = () => thread('use', () => step('use', s => s.warn(s.get(closed) === 1, 'after close')), { times: 1 })
  const close = () => thread('close', () => step('close', s => s.set(closed, 1)), { times: 1 })

  it('a promise that nobody can break, and the same with somebody who can', async () => {
    const alone = await check(system('alone', { cells: [closed], threads: [use()] }))
    expect([alone.verdict, alone.vacuous]).toEqual(['holds', ['after close']])
    const both = await check(system('both', { cells: [closed], threads: [use(), close()] }))
    expect([both.verdict, both.property]).toEqual(['violated', 'after close'])
  })

  it('nothing can get stuck beside a thread that can always move', async () => {
    const wait = thread('wait', () => step('wait', s => s.wait(s.get(closed) === 1)), { finishes: true })
    const stuck = system('stuck', { cells: [closed], threads: [wait, use()] })
    expect((await check(stuck, { properties: ['deadlock'] })).vacuous).toBeUndefined()
    const busy = thread('busy', () => step('look', s => s.get(closed)))
    const beside = await check(system('beside', { cells: [closed], threads: [wait, busy] }), {
      properties: ['deadlock'],
    })
    expect([beside.verdict, beside.vacuous]).toEqual(['holds', ['deadlock']])
  })

  it('an invariant over what never changes, and over a sum', async () => {
    const other = cell('other', { max: 3 })
    const of = (most: number) =>
      system('sums', {
        cells: [closed, other],
        threads: [close()],
        properties: [always('sum', s => s.sum([closed, other]) <= most), always('fixed', s => s.get(other) === 0)],
      })
    expect((await check(of(1))).vacuous).toEqual(expect.arrayContaining(['sum', 'fixed']))
    expect((await check(of(0))).verdict).toBe('violated')
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The engine's verdicts on the model do not depend on its reductions, and are those of the naive explorer.
import { describe, expect, test } from 'vitest'
import { check, explore } from '../../src/checker/index.ts'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, D, drivers, properties, protocols, searches, verify } from '../../src/linux/index.ts'

const NAIVE_STATES = 60_000

const systems = drivers.flatMap(driver =>
  protocols.filter(p => driver.protocols.includes(p.id)).map(protocol => ({ driver, protocol })),
)

describe.each(systems.map(s => [`${s.driver.name} under ${s.protocol.id}`, s] as const))('%s', (_, system) => {
  const { properties: safety = [] } = searches(Object.keys(properties))[0]!

  test('safety: the same verdict without symmetry, without partial order, and naively', async () => {
    const { system: built } = build({ ...system, pages: 1, vas: 1 })
    const reduced = await check(built, { properties: safety })
    const plain = await check(built, { properties: safety, symmetry: false, partialOrder: false })
    const naive = explore(built, { properties: safety, states: NAIVE_STATES })
    expect([plain.verdict, plain.counterexample?.length]).toEqual([reduced.verdict, reduced.counterexample?.length])
    expect([naive.verdict, naive.counterexample?.length]).toEqual([reduced.verdict, reduced.counterexample?.length])
    expect(reduced.states).toBeLessThanOrEqual(plain.states)
  })

  test('two pages and two addresses: the same verdict without reductions', async () => {
    const { system: built } = build(system)
    const reduced = await check(built, { properties: safety })
    const plain = await check(built, { properties: safety, symmetry: false, partialOrder: false })
    expect([plain.verdict, plain.property]).toEqual([reduced.verdict, reduced.property])
  })
})

test('rows of the corpus that are small enough: the reference checker says the same of both forms', async () => {
  const decided: string[] = []
  for (const bug of bugs)
    for (const form of ['broken', 'fixed'] as const) {
      const properties = form === 'broken' ? bug.breaks : bug.keeps
      const naive = explore(build(bug[form]).system, { properties, states: 5000 })
      if (naive.verdict === 'inconclusive') continue
      decided.push(`${bug.id} ${form}`)
      const { verdict } = await verify(bug[form], { properties })
      expect([bug.id, form, verdict.verdict]).toEqual([bug.id, form, naive.verdict])
    }
  expect(decided.length).toBeGreaterThan(bugs.length)
  for (const row of ['21', 'new-8', 'new-9', 'new-10', 'new-11', 'new-12'])
    expect(decided).toEqual(expect.arrayContaining([`${row} broken`, `${row} fixed`]))
}, 300_000)

test('verify() looks for all but what it is told to leave out', async () => {
  const scenario = { driver: drivers.find(d => d.name === 'test_hmm')!, protocol: D, pages: 1, vas: 1 }
  const seen: string[] = []
  for (let property: string | undefined; ; seen.push(property)) {
    const { verdict } = await verify(scenario, { except: seen })
    property = verdict.property
    if (property === undefined) break
    expect(seen).not.toContain(property)
  }
  expect(seen).toContain('pagemap-gone')
  expect(await verify(scenario, { except: [...Object.keys(properties)] })).toMatchObject({
    verdict: { verdict: 'holds' },
  })
})

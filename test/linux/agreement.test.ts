// SPDX-License-Identifier: GPL-2.0-or-later
// The engine's verdicts on the model do not depend on its reductions, and are those of the naive explorer.
import { describe, expect, test } from 'vitest'
import { check, explore } from '../../src/checker/index.ts'
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

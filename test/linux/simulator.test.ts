// SPDX-License-Identifier: GPL-2.0-or-later
// The simulator runs what the engine explores: replays its counterexamples, and breaks only what check says can break.
import { describe, expect, test } from 'vitest'
import { bugs } from '../../src/linux/bugs/index.ts'
import { BUSY, build, drivers, G, IDLE, protocols, Simulator, verify } from '../../src/linux/index.ts'
import { replay } from '../../src/report/check.ts'

const test_hmm = drivers.find(d => d.name === 'test_hmm')!

describe('by hand', () => {
  test('a driver is tried from a unit test', () => {
    const built = build({ driver: test_hmm, protocol: G, pages: 1, vas: 1 })
    const simulator = new Simulator(built)
    const page = built.kernel.pgmap.pages[0]!
    expect(simulator.finish('migrate')).toBe(true)
    expect([simulator.count(0), simulator.get(page.life)]).toEqual([1, BUSY])
    expect(simulator.finish('fault')).toBe(true)
    expect([simulator.count(0), simulator.get(page.life)]).toEqual([0, IDLE])
    expect(simulator.finish('unbind')).toBe(true)
    expect(simulator.violations).toEqual([])
  })

  test('memunmap_pages() waits for a page that is mapped', () => {
    const simulator = new Simulator(
      build({ driver: test_hmm, protocol: G, pages: 1, vas: 1, threads: { migrate: 1, leak: 1, exit: 1, unbind: 1 } }),
    )
    simulator.finish('migrate')
    simulator.finish('leak')
    simulator.finish('exit')
    expect(simulator.finish('unbind')).toBe(false)
    expect(simulator.running('unbind')).toBe(true)
    expect(simulator.count(0)).toBe(1)
  })

  test('an unknown thread is an error that names the known ones', () => {
    const simulator = new Simulator(build({ driver: test_hmm, protocol: G }))
    expect(() => simulator.step('nobody')).toThrow('fault, migrate, exit, unbind')
  })
})

describe('seeds', () => {
  test('the same seed, the same steps', () => {
    const run = (seed: number) => {
      const simulator = new Simulator(build({ driver: test_hmm, protocol: G }))
      simulator.run(seed, 200)
      return simulator.steps.map(s => `${s.thread} ${s.operation} ${s.choice}`)
    }
    expect(run(7)).toEqual(run(7))
    expect(run(7)).not.toEqual(run(8))
  })

  test('what holds is not broken by any of 50 schedules, what does not is by some', () => {
    const broken = (protocol: (typeof protocols)[number]) =>
      Array.from({ length: 50 }, (_, seed) => {
        const simulator = new Simulator(build({ driver: test_hmm, protocol, pages: 1, vas: 1 }))
        simulator.run(seed + 1, 150)
        return simulator.violations.length > 0
      }).filter(Boolean).length
    expect(broken(G)).toBe(0)
    expect(broken(protocols.find(p => p.id === 'D')!)).toBeGreaterThan(0)
  })
})

test.each(bugs.map(b => [b.id, b] as const))(
  'the counterexample of bug %s is replayed to the same violation',
  async (_, bug) => {
    const found = await verify(bug.broken, { properties: bug.breaks })
    const steps = replay(found)
    expect(steps).toHaveLength(found.verdict.counterexample!.length)
    if (found.verdict.loop === undefined && !['finishes', 'deadlock'].includes(found.verdict.property!))
      expect(steps.at(-1)!.violations.map(v => v.property)).toContain(found.verdict.property)
  },
)

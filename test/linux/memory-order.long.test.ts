// SPDX-License-Identifier: GPL-2.0-or-later
// The model on processors that hold plain stores back: what the kernel's barriers are for, and that its verdicts do not rest on their absence.
import { describe, expect, test } from 'vitest'
import {
  build,
  C,
  D,
  type Driver,
  driver,
  drivers,
  G,
  get_page_unless_zero,
  type Kernel,
  put_page,
  type Scenario,
  type Steps,
  set_page_count,
  step,
  verify,
} from '../../src/linux/index.ts'

const named = (name: string) => drivers.find(d => d.name === name)!
const ORDERS = ['tso', 'pso'] as const

async function said(of: Scenario, properties?: string[]): Promise<string> {
  const { verdict } = await verify(of, properties ? { properties } : {})
  return `${verdict.verdict} ${verdict.property ?? ''} ${verdict.message ?? ''}`.trim()
}

describe('who sleeps on a page needs the barrier of set_current_state()', () => {
  const sleep: Scenario = {
    driver: named('fsdax'),
    protocol: D,
    pages: 1,
    vas: 1,
    threads: { fault: 1, gup: 1, truncate: 1 },
  }
  const without: Scenario = { ...sleep, adds: ['sleeper_looks_without_barrier'] }
  const live = ['deadlock', 'finishes']

  test('in one order of all steps it makes no difference', async () => {
    expect(await said(sleep, live)).toBe('holds')
    expect(await said(without, live)).toBe('holds')
  })

  test.each(ORDERS)('with store buffers (%s) he may sleep for ever', async stores => {
    expect(await said({ ...sleep, stores }, live)).toBe('holds')
    expect(await said({ ...without, stores }, live)).toBe(
      'violated deadlock stuck: truncate in wait_page_idle: schedule',
    )
  })
})

/** A driver that hands a page out by a flag that others look at without a lock, and by nothing that orders its stores. */
function flagged(order: 'plain' | 'release'): Driver {
  return driver({
    name: 'flagged',
    type: 'PRIVATE',
    protocols: ['C'],
    setup(kernel: Kernel) {
      const page = kernel.pgmap.pages[0]!
      const { pte } = kernel.mm.addresses[0]!
      function* publish(): Steps<void> {
        yield* step('take', s => s.set(page.life, 1))
        yield* set_page_count(page, 1)
        yield* step('publish', s => s.set(pte, 1), order)
      }
      function* look(): Steps<void> {
        if (yield* step('look', s => s.get(pte) !== 1, 'plain')) return
        const got = yield* get_page_unless_zero(page)
        yield* step('got', s => s.warn(!got, 'published-with-count', 'a page that was published has no count'))
        if (got) yield* put_page(page)
      }
      return {
        ops: {
          *page_free(): Steps<void> {
            yield* step('page_free', s => s.set(page.life, 0))
          },
        },
        roles: { publish: { body: publish, times: 1 }, look: { body: look, times: 1 } },
        threads: { publish: 1, look: 1 },
      }
    },
  })
}

test('a page that is published without a release may be found before its count: on ARM, not on x86', async () => {
  const of = (order: 'plain' | 'release', stores?: 'tso' | 'pso') =>
    said({ driver: flagged(order), protocol: C, pages: 1, vas: 1, ...(stores ? { stores } : {}) }, [
      'published-with-count',
    ])
  expect(await of('plain')).toBe('holds')
  expect(await of('plain', 'tso')).toBe('holds')
  expect(await of('plain', 'pso')).toMatch(/^violated published-with-count/)
  expect(await of('release', 'pso')).toBe('holds')
})

test.each(ORDERS)('what holds in one order of all steps holds with store buffers (%s)', async stores => {
  for (const [name, protocol] of [
    ['test_hmm', C],
    ['test_hmm', G],
    ['device_dax', C],
    ['drm_pagemap', G],
  ] as const) {
    const of: Scenario = { driver: named(name), protocol, pages: 1, vas: 1, threads: users(name) }
    expect([name, protocol.id, await said(of)]).toEqual([name, protocol.id, await said({ ...of, stores })])
  }
})

function users(name: string): Record<string, number> {
  return name === 'device_dax' ? { fault: 1, gup: 1, unbind: 1 } : { fault: 1, migrate: 2, exit: 1 }
}

test('only threads that store plainly have a buffer, and the bounds say that there are some', () => {
  const built = build({ driver: named('test_hmm'), protocol: G, threads: { migrate: 2, exit: 1 }, stores: 'tso' })
  expect(built.system.threads.map(t => t.name)).toEqual([
    'migrate[0]',
    'migrate[1]',
    'exit',
    'store buffer of migrate[0]',
    'store buffer of migrate[1]',
  ])
  expect(built.system.bounds).toMatch(/, store buffers of 2 \(TSO\)$/)
})

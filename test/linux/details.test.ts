// SPDX-License-Identifier: GPL-2.0-or-later
// Details of single functions that no row of the corpus and no cell of the matrix turns on (docs/internals/system.md, "Details").
import { describe, expect, test } from 'vitest'
import {
  A,
  build,
  call,
  D,
  type Driver,
  driver,
  drivers,
  E,
  G,
  type Page,
  type Protocol,
  PTE_RAM,
  page_exists,
  page_free,
  page_ref_dec_and_test,
  put_dev_pagemap,
  Simulator,
  type Steps,
  step,
  unlock_page,
  verify,
} from '../../src/linux/index.ts'

const test_hmm = drivers.find(d => d.name === 'test_hmm')!
const one = { pages: 1, vas: 1 }

/** Takes steps of a thread until one of this name was taken. */
function until(simulator: Simulator, thread: string, operation: string): void {
  for (let i = 0; i < 100; i++) if (simulator.step(thread)?.operation === operation) return
  throw new Error(`${thread} never takes ${operation}`)
}

describe('a migration finds the page locked when it collects it', () => {
  /** A fault meets the page while the thread that has mapped it still has it locked; what becomes of its first try. */
  function collide(protocol: Protocol): { steps: string[]; migrated: boolean } {
    const threads = { migrate: 1, fault: 1 }
    const simulator = new Simulator(build({ driver: test_hmm, protocol, ...one, threads, as_released: true }))
    const address = simulator.built.kernel.mm.addresses[0]!
    until(simulator, 'migrate', 'migrate_vma_insert_page')
    until(simulator, 'fault', 'migrate_vma_collect_pmd')
    const steps: string[] = []
    expect(simulator.finish('migrate')).toBe(true)
    while (simulator.running('fault')) {
      const { operation } = simulator.step('fault')!
      if (operation === 'handle_pte_fault') break
      steps.push(operation)
    }
    expect(simulator.violations).toEqual([])
    return { steps, migrated: simulator.get(address.pte) === PTE_RAM }
  }

  test('up to 5.16 migrate_vma_prepare() tries the lock once more, and may get it', () => {
    const { steps, migrated } = collide(A)
    expect(steps[0]).toBe('trylock_page')
    expect(migrated).toBe(true)
  })

  test('later it gives up, and the fault is tried again', () => {
    const { steps, migrated } = collide(D)
    expect(steps).not.toContain('trylock_page')
    expect(migrated).toBe(false)
  })
})

describe('page->pgmap is read after page_free(), as 6.1 to 6.14 do', () => {
  /** E, with the read as a step of its own: before the pagemap's reference is put, or after. */
  const reading = (order: 'read, put' | 'put, read'): Protocol => ({
    ...E,
    *put_page(page: Page): Steps<void> {
      if (!(yield* page_ref_dec_and_test(page))) return
      yield* page_free(page)
      if (order === 'put, read') yield* put_dev_pagemap(page.pgmap)
      yield* step('page->pgmap', s => page_exists(s, page), 'plain')
      if (order === 'read, put') yield* put_dev_pagemap(page.pgmap)
    },
  })
  const threads = { fault: 1, migrate: 2, exit: 1, unbind: 1 }

  test('the reference that is put next keeps the struct page', async () => {
    const { verdict } = await verify({ driver: test_hmm, protocol: reading('read, put'), ...one, threads })
    expect(verdict.verdict).toBe('holds')
  })

  test('after it nothing would', async () => {
    const { verdict } = await verify({ driver: test_hmm, protocol: reading('put, read'), ...one, threads })
    expect([verdict.verdict, verdict.property]).toEqual(['violated', 'pagemap-gone'])
  })
})

test('a put that cannot be the last is a page_ref_mod_and_test that returns 0', () => {
  const simulator = new Simulator(build({ driver: test_hmm, protocol: G, ...one, threads: { migrate: 1, fault: 1 } }))
  simulator.finish('migrate')
  until(simulator, 'fault', 'migrate_vma_collect_pmd')
  const { events } = simulator.steps.at(-1)!
  expect(events.map(({ event, val, ret, count }) => [event, val, ret, count])).toEqual([
    ['page_ref_mod', 1, undefined, 3],
    ['page_ref_mod_and_test', -1, 0, 2],
  ])
})

describe('the page lock that a migration has to hold', () => {
  /** test_hmm with a thread that unlocks a page that another has locked. */
  const meddling: Driver = driver({
    ...test_hmm,
    name: 'meddling',
    setup(kernel) {
      const parts = test_hmm.setup(kernel)
      const page = kernel.pgmap.pages[0]!
      function* unlock(): Steps<void> {
        yield* call(unlock_page, page)
      }
      return { ...parts, roles: { ...parts.roles, unlock: { body: unlock, times: 1 } } }
    },
  })

  test.each([
    ['try_to_migrate()', 'migrate_vma_collect_pmd'],
    ['folio_migrate_mapping()', 'migrate_vma_check_page'],
  ])('%s warns without it', (what, after) => {
    const threads = { migrate: 1, fault: 1, unlock: 1 }
    const simulator = new Simulator(build({ driver: meddling, protocol: G, ...one, threads }))
    simulator.finish('migrate')
    until(simulator, 'fault', after)
    simulator.finish('unlock')
    expect(simulator.violations).toEqual([])
    simulator.step('fault')
    expect(simulator.violations.map(v => v.message)).toEqual([
      `VM_BUG_ON_FOLIO: ${what} on page 0, which is not locked`,
    ])
  })
})

test('umount sleeps until the last pin is put, and does not look in between', () => {
  const fsdax = drivers.find(d => d.name === 'fsdax')!
  const threads = { fault: 1, gup: 1, exit: 1, unbind: 1 }
  const simulator = new Simulator(build({ driver: fsdax, protocol: G, ...one, threads }))
  simulator.finish('fault')
  until(simulator, 'gup', 'local_irq_restore')
  simulator.finish('exit')
  until(simulator, 'unbind', 'prepare_to_wait_event')
  expect(simulator.ready()).not.toContain('unbind')
  expect(simulator.finish('gup')).toBe(true)
  expect(simulator.ready()).toContain('unbind')
  expect(simulator.finish('unbind')).toBe(true)
  expect(simulator.violations).toEqual([])
})

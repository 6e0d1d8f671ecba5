// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Watched pages whose count at rest falls while others hold them: a put too many is named where everything speaks for one, and nobody
 * is accused of a reference that was out when the watch began.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Account } from '../../src/ledger/account.ts'
import type { OpenOptions } from '../../src/trace/events.ts'
import { checkEvidence } from '../../testkit/evidence-check.ts'
import { random } from '../../testkit/random.ts'
import type { Act, KernelFunction } from '../../testkit/writers/watch-machine.ts'
import { accused, Driver } from './watch-driver.ts'

const HELD = [2, 2, 2, 2]
const START = new Map([0x7fe9f, 0x7fea0, 0x7fea1, 0x7fea2].map(pfn => [pfn, 2]))

/** What is found, of which every sentence is true. */
async function judged(driver: Driver, options: OpenOptions = {}): Promise<Account> {
  const result = await driver.account(options)
  const { wrong, checked } = await checkEvidence(await driver.machine.open(options), result)
  expect(wrong).toEqual([])
  expect(checked).toBeGreaterThan(0)
  return result
}

/** The note that a count fell. */
const fell = (notes: readonly string[]) => notes.filter(note => / at rest fell from /.test(note))

describe('a put too many of a page that others hold', () => {
  test('while the page is at rest', async () => {
    const driver = new Driver(HELD)
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(60)
    const result = await judged(driver)
    expect(accused(result)).toEqual([['surplus-put', 0x7fea0, 'ring_complete']])
    expect(result.findings[0]).toMatchObject({
      certainty: 'likely',
      culpritCertainty: 'likely',
      count: 2,
      expected: 2,
      isRest: true,
      references: 1,
    })
    expect(result.findings[0]!.evidence.join('\n')).toMatch(
      /at rest its count was 2 before, and is 1 since, while the 3 other pages .* have 2 all the time\n.*overtaken by \d+ that its task took/,
    )
    expect(fell(result.notes)).toEqual([])
  })

  test('while somebody else has it: who put last only gave back its own', async () => {
    const driver = new Driver(HELD)
    driver.rounds(60)
    driver.machine.run(driver.peek, 1, { pid: 12, cpu: 1 })
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.machine.run(driver.unpeek, 1, { pid: 12, cpu: 1 })
    driver.rounds(60)
    const result = await judged(driver)
    expect(accused(result)).toEqual([['surplus-put', 0x7fea0, 'ring_complete']])
    expect(result.findings[0]!.evidence.join()).toContain('ring_unpeek+0x4 only gave back, later, what it had taken')
  })

  test('while another task has one of the same kind: it is the one that had taken none', async () => {
    const driver = new Driver(HELD)
    driver.rounds(80, 4, [11, 14, 11])
    driver.machine.run(driver.submit, 1, { pid: 11 })
    driver.machine.run(driver.complete, 1, { pid: 14, cpu: 1 })
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(80, 4, [11, 14, 11])
    const result = await judged(driver)
    expect(accused(result)).toEqual([['surplus-put', 0x7fea0, 'ring_complete']])
    expect(result.findings[0]!.culprit!.pid).toBe(14)
  })

  test('of several references at once', async () => {
    const driver = new Driver([4, 4, 4, 4])
    driver.rounds(60)
    driver.machine.run(driver.drain, 1, { pid: 13, n: 2, cpu: 1 })
    driver.rounds(60)
    const result = await judged(driver)
    expect(accused(result)).toEqual([['surplus-put', 0x7fea0, 'ring_drain']])
    expect(result.findings[0]!.references).toBe(2)
  })

  test('is possible at most where only two other pages tell', async () => {
    const driver = new Driver([2, 2, 2])
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(60)
    expect((await judged(driver)).findings[0]).toMatchObject({ kind: 'surplus-put', certainty: 'possible' })
  })

  test('where counts that were read before say what instructions do not', async () => {
    const driver = new Driver(HELD)
    const { machine } = driver
    const rounds = () => {
      for (let i = 0; i < 60; i++) {
        machine.run(driver.submit, i % 4, { pid: 11 })
        machine.run(driver.complete, i % 4, { pid: 11 })
      }
    }
    rounds()
    machine.run(driver.complete, 1, { pid: 11 })
    rounds()
    expect(accused(await driver.account())).toEqual([])
    const endCounts = new Map([...START, [0x7fea0, 1]])
    const told = await judged(driver, { startCounts: START, endCounts })
    expect(accused(told)).toEqual([['surplus-put', 0x7fea0, 'ring_complete']])
    expect(told.findings[0]!.evidence).toContain('its count was read after the recording, too: it was 1')
  })
})

/** What three tasks do to four pages, each in its order, in an order of all that a seed tells; one of them puts once too often. */
function mixed(seed: number, held: number, fault: 'complete' | 'drain' | 'unpeek' | 'none'): Driver {
  const r = random(seed)
  const driver = new Driver([held, held, held, held], 20_000 + Math.floor(r() * 60_000))
  const { machine } = driver
  const at = 20 + Math.floor(r() * 8)
  const task = (
    rounds: number,
    of: (i: number) => { get: KernelFunction; put: KernelFunction; page: number; act: Act },
  ) =>
    Array.from({ length: rounds }, (_, i) => {
      const { get, put, page, act } = of(i)
      const back = () => machine.run(put, page, act)
      const isFault = i === at && put === (fault === 'none' ? undefined : driver[fault])
      return [() => machine.run(get, page, act), back, ...(isFault ? [back] : [])]
    }).flat()
  const plans = [
    task(60, i => ({ get: driver.submit, put: driver.complete, page: i & 3, act: { pid: 11, cpu: seed & 1 } })),
    task(40, i => ({
      get: driver.fill,
      put: driver.drain,
      page: (i * 3) & 3,
      act: { pid: 13, cpu: 1, n: 2 + (i & 1) },
    })),
    task(80, i => ({ get: driver.peek, put: driver.unpeek, page: (i * 7) & 3, act: { pid: 12 } })),
  ]
  for (let live = plans; live.length > 0; live = live.filter(plan => plan.length > 0))
    live[Math.floor(r() * live.length)]!.shift()!()
  return driver
}

describe('in whatever order three tasks run', () => {
  test.each([
    ['complete', 2],
    ['complete', 4],
    ['unpeek', 2],
    ['drain', 2],
    ['drain', 4],
    ['none', 2],
  ] as const)('%s once too often, of pages with %i', async (fault, held) => {
    const named = { right: 0, wrong: 0 }
    for (let seed = 1; seed <= 20; seed++) {
      const said = accused(await mixed(seed, held, fault).account())
      for (const [kind, , name] of said) {
        if (kind === 'surplus-put' && name === `ring_${fault}`) named.right++
        else if (kind !== 'surplus-put' || name !== undefined) named.wrong++
      }
    }
    expect(named.wrong).toBe(0)
    if (fault !== 'none') expect(named.right).toBeGreaterThan(fault === 'drain' ? 12 : 18)
  })
})

describe('nobody is accused', () => {
  const expectNobody = async (driver: Driver, options = {}) => {
    const result = await driver.account(options)
    expect(accused(result)).toEqual([])
    return result
  }

  test('of a reference of before the watch that was overtaken by few', async () => {
    for (const before of [0, 1, 4]) {
      const driver = new Driver(HELD)
      driver.rounds(before)
      driver.machine.run(driver.complete, 1, { pid: 11 })
      driver.rounds(60)
      const { notes } = await expectNobody(driver)
      expect(fell(notes)).toEqual([
        expect.stringMatching(/^the count of page 0x7fea0 at rest fell from 2 to 1, by ring_complete\+0x4 \(\S+-11\):/),
      ])
    }
  })

  test('where other pages have other counts at rest', async () => {
    const driver = new Driver([2, 2, 1, 2])
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(60)
    await expectNobody(driver)
  })

  test('where another page fell, too', async () => {
    const driver = new Driver(HELD)
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(60)
    driver.machine.run(driver.complete, 3, { pid: 11 })
    driver.rounds(60)
    expect(fell((await expectNobody(driver)).notes)).toHaveLength(2)
  })

  test('where one page is watched', async () => {
    const driver = new Driver([2])
    driver.rounds(60)
    driver.machine.run(driver.complete, 0, { pid: 11 })
    driver.rounds(60)
    await expectNobody(driver)
  })

  test('where the page is given up', async () => {
    const driver = new Driver(HELD)
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(60, 1)
    await expectNobody(driver)
  })

  test('where the page is freed and others are handed it', async () => {
    const driver = new Driver(HELD)
    const alloc = driver.machine.fn('prep_new_page', 'set')
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.machine.run(driver.complete, 1, { pid: 30 })
    driver.machine.run(alloc, 1, { pid: 40 })
    driver.rounds(60)
    await expectNobody(driver)
  })

  test('where a neighbour is freed and others are handed it', async () => {
    const driver = new Driver(HELD)
    const alloc = driver.machine.fn('prep_new_page', 'set')
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(40)
    for (let i = 0; i < 2; i++) driver.machine.run(driver.complete, 2, { pid: 30 })
    driver.machine.run(alloc, 2, { pid: 40 })
    driver.rounds(40)
    await expectNobody(driver)
  })

  test('where the put comes from elsewhere', async () => {
    const driver = new Driver(HELD)
    const teardown = driver.machine.fn('ring_teardown', 'put')
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11, caller: teardown })
    driver.rounds(60)
    await expectNobody(driver)
  })

  test('where a task that gives such back has none of its own in the watch', async () => {
    const driver = new Driver(HELD)
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 77 })
    driver.rounds(60)
    await expectNobody(driver)
  })

  test('where references of the law are kept for long at times', async () => {
    const driver = new Driver(HELD)
    driver.machine.run(driver.submit, 3, { pid: 11 })
    driver.rounds(40)
    driver.machine.run(driver.complete, 3, { pid: 11 })
    driver.rounds(20)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(60)
    await expectNobody(driver)
  })

  test('where samples were lost, or changes are not known', async () => {
    for (const spoil of ['lose', 'or'] as const)
      for (const at of [0, 30, 59, 90]) {
        const driver = new Driver(HELD)
        const mark = driver.machine.fn('mark', 'or')
        for (let i = 0; i < 120; i++) {
          if (i === at && spoil === 'lose') driver.machine.lose(1)
          if (i === at && spoil === 'or') {
            driver.machine.run(mark, 0)
            driver.machine.counts[0] = 2
          }
          if (i === 60) driver.machine.run(driver.complete, 1, { pid: 11 })
          driver.rounds(4)
        }
        await expectNobody(driver)
      }
  })

  test('of references that tasks had when the watch began, however late they come back', async () => {
    const step = fc.record({ page: fc.nat(3), task: fc.nat(7), kind: fc.constantFrom('submit', 'peek') })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 100, maxLength: 500 }),
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 0 }),
        async (steps, early) => {
          // Each page is held once by the owner, and once by a task that took its reference before the watch.
          const driver = new Driver(HELD)
          const { machine } = driver
          const out = new Map<number, () => void>()
          const act = (task: number): Act => ({ pid: 10 + task, cpu: task & 1 })
          const back = (fn: KernelFunction, page: number, task: number) =>
            out.set(task, () => machine.run(fn, page, act(task)))
          for (let task = 0; task < 4; task++) back(driver.complete, task, task)
          for (const { page, task, kind } of steps) {
            // Those that never give back in the watch do nothing else.
            if (task < 4 && !early.includes(task)) continue
            const given = out.get(task)
            out.delete(task)
            if (given) given()
            else {
              machine.run(kind === 'submit' ? driver.submit : driver.peek, page, act(task))
              back(kind === 'submit' ? driver.complete : driver.unpeek, page, task)
            }
          }
          await expectNobody(driver)
        },
      ),
      { numRuns: 100 },
    )
  })
})

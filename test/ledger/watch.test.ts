// SPDX-License-Identifier: GPL-2.0-or-later
/** Findings in recordings of watched counts: what a driver did wrong, and that nobody else is accused. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { account, whoHolds } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'
import { data, dataPath } from '../../testkit/data.ts'
import { type Act, type KernelFunction, WatchMachine } from '../../testkit/writers/watch-machine.ts'
import { needs } from '../support/needs.ts'
import { accused, Driver } from './watch-driver.ts'

const EXAMPLE = new URL('../../examples/watch-leak-6.1/perf.data', import.meta.url).pathname

/** What the driver of the recording did, by its functions. `ferry_unpeek` is folded into `ferry_complete`. */
const CHANGES = { ferry_submit: 60, ferry_complete: 139, ferry_fill: 40, ferry_drain: 40, ferry_peek: 80 }
const AMOUNTS: Record<string, number[]> = {
  ferry_submit: [1],
  ferry_complete: [-1],
  ferry_fill: [2, 3],
  ferry_drain: [-3, -2],
  ferry_peek: [1],
}

async function changesOf(path: string) {
  const recording = await openFile(path)
  const changes: Record<string, number> = {}
  const amounts: Record<string, Set<number>> = {}
  const counts = new Map<number, number>()
  for await (const batch of recording.batches())
    for (let k = 0; k < batch.length; k++) {
      const i = batch.order[k]!
      const name = recording.stacks
        .frame(recording.stacks.frames(batch.stack[i]!)[0]!)
        .name.replace('unpeek', 'complete')
      changes[name] = (changes[name] ?? 0) + 1
      amounts[name] = (amounts[name] ?? new Set()).add(batch.val[i]!)
      counts.set(batch.pfn[i]!, batch.count[i]!)
    }
  await recording.close()
  return { changes, amounts, counts: [...counts].sort(([a], [b]) => a - b) }
}

async function holdsTruth(path: string): Promise<void> {
  const { changes, amounts, counts } = await changesOf(path)
  expect(changes).toEqual(CHANGES)
  for (const [name, found] of Object.entries(amounts)) expect([...found].sort((a, b) => a - b)).toEqual(AMOUNTS[name])
  expect(counts).toEqual([
    [0x7fe9f, 1],
    [0x7fea0, 1],
    [0x7fea1, 2],
    [0x7fea2, 1],
  ])
  const { findings, events, lost } = await account(await openFile(path))
  expect([events, lost.gaps]).toEqual([359, 0])
  expect(findings).toMatchObject([{ kind: 'leak', pfn: 0x7fea1, culprit: { frame: { name: 'ferry_submit' } } }])
}

test('the example: 359 changes with their amounts, the leak and nothing else', () => holdsTruth(EXAMPLE))

test('the file in the directory is the recording, too', () => holdsTruth(`${EXAMPLE}/data`))

describe('recordings of another run', () => {
  const recording = (name: string) => new URL(`recordings/watch/${name}/perf.data`, import.meta.url).pathname

  test('a leak, with refused exchanges and late samples', async () => {
    const { changes, counts } = await changesOf(recording('leak'))
    expect(changes).toEqual({ ...CHANGES, ferry_peek: 82 })
    expect(counts).toEqual([
      [0x7ff4a, 1],
      [0x7ff4b, 1],
      [0x7ff4c, 2],
      [0x7ff4d, 1],
    ])
    const result = await account(await openFile(recording('leak')))
    expect(accused(result)).toEqual([['leak', 0x7ff4c, 'ferry_submit']])
    expect(result.unrecorded).toBe(0)
  })

  test('a put too many, by the call site whose law it breaks', async () => {
    const result = await account(await openFile(recording('dput')))
    expect(accused(result)).toEqual([['surplus-put', 0x33f55, 'ferry_complete']])
    const [finding] = result.findings
    expect(finding!.culprit!.stack[1]!.name).toBe('submitter.cold')
    expect(result.laws[finding!.law!]!.gets.map(get => get?.name)).toEqual(['ferry_submit'])
  })

  test('a put too many of a page that others hold: its count at rest falls, and that of the other pages does not', async () => {
    const { counts } = await changesOf(recording('dput-held'))
    expect(counts).toEqual([
      [0x57af5, 2],
      [0x57af8, 1],
      [0x57af9, 2],
      [0x57b23, 2],
    ])
    const result = await account(await openFile(recording('dput-held')))
    expect(accused(result)).toEqual([['surplus-put', 0x57af8, 'ferry_complete']])
    expect(result.findings[0]).toMatchObject({ certainty: 'likely', culpritCertainty: 'likely', expected: 2 })
    expect(result.findings[0]!.culprit!.stack[1]!.name).toBe('submitter.cold')
    expect(result.findings[0]!.evidence).toContain('its count was read after the recording, too: it was 1')
    expect([result.events, result.unrecorded, result.lives.openAtEnd]).toEqual([361, 0, 0])
  })

  test('no fault: the owner frees its pages at the end', async () => {
    const { counts } = await changesOf(recording('ok'))
    expect(counts.map(([, count]) => count)).toEqual([0, 0, 0, 0])
    const result = await account(await openFile(recording('ok')))
    expect(result.findings).toEqual([])
    expect([result.events, result.unrecorded, result.lives.openAtEnd]).toEqual([364, 0, 0])
  })
})

test('counts beside the directory are those of its turn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-watch-'))
  try {
    const machine = new WatchMachine([7])
    const [put, get] = [machine.fn('put', 'put'), machine.fn('get', 'get')]
    for (const fn of [put, get]) machine.run(fn, 0)
    const { data: samples, kcore, kallsyms } = machine.files()
    mkdirSync(join(folder, 'perf-2.data/kcore_dir'), { recursive: true })
    writeFileSync(join(folder, 'perf-2.data/data'), samples)
    writeFileSync(join(folder, 'perf-2.data/kcore_dir/kcore'), kcore)
    writeFileSync(join(folder, 'perf-2.data/kcore_dir/kallsyms'), kallsyms)
    writeFileSync(
      join(folder, 'counts.txt'),
      ['0x7fe9f 5 before turn 1', '0x7fe9f 7 before turn 2', '0x7fe9f 8 after turn 2', 'nonsense', ''].join('\n'),
    )
    const { counts } = await changesOf(join(folder, 'perf-2.data'))
    expect(counts).toEqual([[0x7fe9f, 7]])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('who holds the page of the example', async () => {
  const held = await whoHolds(await openFile(EXAMPLE), [{ first: 0x7fea1, last: 0x7fea1 }], Infinity)
  expect(held.pages[0]).toMatchObject({
    count: 2,
    idleCount: 1,
    holders: [{ units: 1, actor: { frame: { name: 'ferry_submit' } } }],
  })
})

needs(data('6.1-stock/watch-leak')).test('the recording that the example is trimmed from', () =>
  holdsTruth(dataPath('6.1-stock/watch-leak/perf.data')),
)

describe('faults', () => {
  test('a reference that does not come back', async () => {
    const driver = new Driver()
    driver.rounds(60)
    driver.machine.run(driver.submit, 2, { pid: 11 })
    driver.rounds(60)
    expect(accused(await driver.account())).toEqual([['leak', 0x7fea1, 'ring_submit']])
  })

  test('a reference that does not come back, of a page at which others had to try an exchange again', async () => {
    const driver = new Driver()
    const { machine } = driver
    driver.rounds(60)
    machine.run(driver.submit, 2, { pid: 11 })
    driver.rounds(4, 1)
    machine.run(driver.peek, 2, { pid: 12, cpu: 1, refused: true })
    machine.run(driver.peek, 2, { pid: 12, cpu: 1 })
    machine.run(driver.unpeek, 2, { pid: 12, cpu: 1 })
    driver.rounds(60)
    const result = await driver.account()
    expect(accused(result)).toEqual([['leak', 0x7fea1, 'ring_submit']])
    expect(result.unrecorded).toBe(0)
  })

  test('a put too many frees a page that is used on', async () => {
    const driver = new Driver()
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 11 })
    driver.rounds(4)
    expect(accused(await driver.account())).toEqual([['surplus-put', 0x7fea0, 'ring_complete']])
  })

  test('a put too many, while others use the page: who put last only freed it', async () => {
    const driver = new Driver()
    const { machine } = driver
    driver.rounds(60)
    machine.run(driver.fill, 1, { pid: 13, n: 2 })
    machine.run(driver.submit, 1, { pid: 11 })
    machine.run(driver.complete, 1, { pid: 11 })
    machine.run(driver.complete, 1, { pid: 11 })
    machine.run(driver.drain, 1, { pid: 13, n: 2 })
    driver.rounds(4)
    const result = await driver.account()
    expect(accused(result)).toEqual([['surplus-put', 0x7fea0, 'ring_complete']])
    expect(result.findings[0]!.evidence.join()).toContain('ring_drain')
  })

  test('a get of a page that its owner had freed', async () => {
    const driver = new Driver()
    const release = driver.machine.fn('ring_release', 'put')
    driver.rounds(60)
    driver.machine.run(release, 1, { pid: 20 })
    driver.machine.run(driver.submit, 1, { pid: 11 })
    driver.machine.run(driver.complete, 1, { pid: 11 })
    expect(accused(await driver.account())).toEqual([['get-on-free-page', 0x7fea0, 'ring_submit']])
  })
})

/** What others do with a page that they were handed: they hand it on, keep it for long, free it, in whatever order. */
class Others {
  readonly #machine: WatchMachine
  readonly #alloc: KernelFunction
  readonly #gets: KernelFunction[]
  readonly #puts: KernelFunction[]

  constructor(machine: WatchMachine) {
    this.#machine = machine
    this.#alloc = machine.fn('prep_new_page', 'set')
    this.#gets = ['lru_add', 'filemap_get', 'slab_get'].map(name => machine.fn(name, 'get'))
    this.#puts = ['lru_drain', 'filemap_put', 'slab_put'].map(name => machine.fn(name, 'put'))
  }

  /** Uses a page by random numbers, as far as its count allows. */
  use(page: number, steps: readonly number[]): void {
    for (const step of steps) {
      const act = { pid: 50 + (step % 3), cpu: step & 1 }
      const count = this.#machine.counts[page]!
      if (count <= 0) this.#machine.run(this.#alloc, page, act)
      else this.#machine.run(count > 3 || step % 5 < 2 ? this.#puts[step % 3]! : this.#gets[step % 3]!, page, act)
    }
  }
}

describe('a page that others were handed after a put too many', () => {
  test('nobody but who put it is accused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.nat(30), { maxLength: 20 }), { maxLength: 12 }), async uses => {
        const driver = new Driver()
        const others = new Others(driver.machine)
        driver.rounds(60)
        driver.machine.run(driver.complete, 1, { pid: 11 })
        for (const steps of uses) {
          others.use(1, steps)
          driver.rounds(4)
        }
        for (const [, pfn, name] of accused(await driver.account())) {
          expect(pfn).toBe(0x7fea0)
          expect(name).toBe('ring_complete')
        }
      }),
      { numRuns: 60 },
    )
  })

  test('nobody is where its owner freed it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(30), { maxLength: 200 }), async steps => {
        const driver = new Driver()
        const others = new Others(driver.machine)
        driver.rounds(60)
        driver.machine.run(driver.complete, 1, { pid: 30 })
        others.use(1, steps)
        expect(accused(await driver.account())).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})

describe('nobody is accused', () => {
  test('where the owner frees its pages', async () => {
    const driver = new Driver()
    driver.rounds(60)
    for (let page = 0; page < 4; page++) driver.machine.run(driver.complete, page, { pid: 30 })
    expect(accused(await driver.account())).toEqual([])
  })

  test('where somebody else takes the freed page, and keeps it', async () => {
    const driver = new Driver()
    const alloc = driver.machine.fn('prep_new_page', 'set')
    driver.rounds(60)
    driver.machine.run(driver.complete, 1, { pid: 30 })
    driver.machine.run(alloc, 1, { pid: 40 })
    for (let i = 0; i < 40; i++) {
      driver.machine.run(driver.submit, 1, { pid: 40 })
      if (i !== 5) driver.machine.run(driver.complete, 1, { pid: 40 })
    }
    expect(accused(await driver.account())).toEqual([])
  })

  test('where references were out when the watch began', async () => {
    const driver = new Driver([3, 1, 1, 4])
    driver.machine.run(driver.complete, 0, { pid: 11 })
    driver.rounds(60)
    driver.machine.run(driver.complete, 0, { pid: 11 })
    driver.machine.run(driver.drain, 3, { pid: 13, n: 3 })
    driver.rounds(60)
    expect(accused(await driver.account())).toEqual([])
  })

  test('where samples were lost', async () => {
    for (const at of [0, 30, 60, 119]) {
      const driver = new Driver()
      driver.rounds(at)
      driver.machine.run(driver.complete, 1, { pid: 11, unseen: true })
      driver.machine.run(driver.submit, 1, { pid: 11 })
      driver.machine.lose(1)
      driver.rounds(120 - at)
      driver.machine.run(driver.submit, 3, { pid: 11 })
      driver.machine.run(driver.complete, 3, { pid: 11, unseen: true })
      driver.machine.lose(1)
      expect(accused(await driver.account())).toEqual([])
    }
  })

  test('where an unknown instruction changed a count', async () => {
    const driver = new Driver()
    const mark = driver.machine.fn('mark', 'or')
    driver.rounds(60)
    driver.machine.run(mark, 1)
    driver.machine.counts[1] = 1
    driver.rounds(60)
    expect(accused(await driver.account())).toEqual([])
  })

  test('where two CPUs stamp their changes in the wrong order', async () => {
    const driver = new Driver([1, 1, 1, 1], 1000)
    const { machine } = driver
    driver.rounds(40)
    for (let i = 0; i < 40; i++) {
      machine.run(driver.submit, 1, { pid: 11, cpu: 0, skew: 1500 })
      machine.run(driver.peek, 1, { pid: 12, cpu: 1 })
      machine.run(driver.unpeek, 1, { pid: 12, cpu: 1 })
      machine.run(driver.complete, 1, { pid: 11, cpu: 0 })
    }
    expect(accused(await driver.account())).toEqual([])
  })

  test('whatever part of a driver without a fault was recorded', async () => {
    const step = fc.record({
      page: fc.nat(3),
      task: fc.nat(5),
      kind: fc.constantFrom('submit', 'peek', 'fill'),
      refused: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 50, maxLength: 400 }),
        fc.nat(60),
        fc.nat(60),
        fc.boolean(),
        async (steps, from, to, slow) => {
          const driver = new Driver([1, 2, 3, 1], slow ? 1_000_000 : 1000)
          const { machine } = driver
          const out = new Map<number, () => void>()
          const take = (fn: KernelFunction, back: KernelFunction, page: number, act: Act, task: number) => {
            machine.run(fn, page, act)
            out.set(task, () => machine.run(back, page, act))
          }
          for (const { page, task, kind, refused } of steps) {
            const back = out.get(task)
            const act = { pid: 10 + task, cpu: task & 1, n: 2 }
            out.delete(task)
            if (back) back()
            else if (kind === 'submit') take(driver.submit, driver.complete, page, act, task)
            else if (kind === 'fill') take(driver.fill, driver.drain, page, act, task)
            else {
              if (refused) machine.run(driver.peek, page, { ...act, refused })
              take(driver.peek, driver.unpeek, page, act, task)
            }
          }
          machine.records.splice(0, from)
          machine.records.splice(machine.records.length - Math.min(to, machine.records.length))
          expect(accused(await driver.account())).toEqual([])
        },
      ),
      { numRuns: 60 },
    )
  })
})

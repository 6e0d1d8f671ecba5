// SPDX-License-Identifier: GPL-2.0-or-later
// Limits hold before the search too: while threads are learned, their states merged, symmetries looked for, text written.
import { describe, expect, it, test } from 'vitest'
import { coreResets } from '../../bench/models/core-resets.ts'
import { swapLivelock } from '../../bench/models/swap-livelock.ts'
import { Budget, Exhausted } from '../../src/checker/budget.ts'
import {
  type Cell,
  type CheckOptions,
  cell,
  check,
  type SearchProgress,
  type Steps,
  step,
  survey,
  system,
  type Thread,
  thread,
} from '../../src/checker/index.ts'
import { prepare } from '../../src/checker/prepare.ts'

const large = () => coreResets({ pages: 2, vas: 2, faults: 2, gups: 2, zappers: 1 })
const LIMITS = {
  memory: 2 ** 40,
  deadline: Number.POSITIVE_INFINITY,
  signal: undefined,
  onProgress: undefined,
}

/** What a budget says whose clock passes the deadline at the n-th look; undefined where that comes too late. */
function stoppedAt(looks: number): string | undefined {
  let now = 0
  const budget = new Budget({ ...LIMITS, deadline: looks, progressInterval: 1 }, () => ++now)
  try {
    prepare(swapLivelock({ pages: 2, faults: 2 }), {}, undefined, budget)
    return undefined
  } catch (e) {
    expect(e).toBeInstanceOf(Exhausted)
    return (e as Error).message
  }
}

describe('time', () => {
  it('is looked at through all of the preparation', () => {
    const said = new Set<string>()
    let looks = 1
    for (let why = stoppedAt(looks); why !== undefined; why = stoppedAt(++looks)) {
      expect(why).toMatch(/^out of time while [a-z ]+: \d+ functions, \d+ nodes$/)
      said.add(why.replace(/:.*/, ''))
    }
    expect([...said]).toEqual([
      'out of time while learning',
      'out of time while merging states of threads',
      'out of time while learning the properties',
      'out of time while looking for symmetries',
      'out of time while writing the search',
    ])
  })

  it('that is up gives an inconclusive verdict, of a check and of each property of a survey', async () => {
    const s = swapLivelock({ pages: 2, faults: 2 })
    const reason = expect.stringMatching(/^out of time while learning: \d+ functions, \d+ nodes$/)
    const nothing = { verdict: 'inconclusive', reason, states: 0, transitions: 0, depth: 0, reductions: [] }
    expect(await check(s, { time: 0 })).toMatchObject({ system: s.name, bounds: s.bounds, ...nothing })
    const verdicts = await survey(s, { time: 0, properties: ['deadlock', 'faults make progress'] })
    expect([...verdicts.keys()]).toEqual(['deadlock', 'faults make progress'])
    for (const v of verdicts.values()) expect(v).toMatchObject(nothing)
    expect([...(await survey(s, { time: 0 })).keys()]).toContain('faults make progress')
  })
})

describe('memory', () => {
  /** A step with so many outcomes that its tables are large. */
  function wide() {
    const digits = Array.from({ length: 8 }, (_, i) => cell(`d${i}`, { max: 3 }))
    function* mixes(): Steps<void> {
      yield* step('mix', s => {
        const n = digits.reduce((sum, d) => 4 * sum + s.get(d), 0)
        for (const [i, d] of digits.entries()) s.set(d, ((n * 40_503 + 7) >> (2 * i)) % 4)
      })
    }
    return system('wide', { cells: digits, threads: [thread('mixes', mixes)] })
  }

  it('for tables counts as that for states does, but not the first of it', async () => {
    const v = await check(wide(), { memory: 2 ** 24 })
    expect(v).toMatchObject({
      verdict: 'inconclusive',
      states: 0,
      reason: expect.stringMatching(/^out of memory while /),
    })
    expect((await check(large(), { memory: 1 })).reason).toMatch(/^out of memory after \d+ states/)
  })
})

it('a host that watches is told whose code runs, and when none does', async () => {
  const said: string[] = []
  await check(swapLivelock({ pages: 1, faults: 1 }), { properties: ['deadlock'], watch: code => said.push(code) })
  expect(said.at(-1)).toBe('')
  expect(said.some(code => code.startsWith('thread '))).toBe(true)
  expect(said.some(code => code.startsWith('step "'))).toBe(true)
  // Without a thread that stands still, nothing else stops between two of the model's pieces of code.
  expect(said.indexOf('')).toBeGreaterThan(0)
})

describe('the host', () => {
  async function reasonOf(options: CheckOptions): Promise<string | undefined> {
    return (await check(large(), { progressInterval: 0, ...options })).reason
  }

  it('is told what is being learned, and can say to stop', async () => {
    const seen: SearchProgress[] = []
    const controller = new AbortController()
    const onProgress = (p: SearchProgress) => {
      seen.push(p)
      if (p.doing?.startsWith('looking for symmetries')) controller.abort()
    }
    expect(await reasonOf({ onProgress, signal: controller.signal })).toMatch(/^stopped while looking for symmetries: /)
    expect(seen[0]!.doing).toMatch(/^learning: /)
    const functions = seen.map(p => Number(/(\d+) functions/.exec(p.doing!)![1]))
    expect(functions).toEqual([...functions].sort((a, b) => a - b))
    expect(functions.at(-1)).toBeGreaterThan(functions[0]!)
    expect(await reasonOf({ signal: AbortSignal.abort() })).toMatch(/^stopped while learning: /)
  })
})

describe('what a search that is stopped says to have covered', () => {
  /** Lengths of interleavings that are said to hold, by stopping at each look in turn, and the length of the one that breaks. */
  async function claims(
    options: CheckOptions,
    body: (c: Cell[]) => Thread[],
  ): Promise<{ held: number[]; length: number }> {
    const cells = [0, 1, 2].map(i => cell(`c${i}`, { max: 4 }))
    const of = system('stopped', { cells, threads: body(cells) })
    const held: number[] = []
    for (let looks = 0; ; looks++) {
      let left = looks
      const signal = {
        get aborted() {
          return left-- <= 0
        },
      }
      const { reason, counterexample } = await check(of, { partialOrder: false, ...options, signal })
      if (reason === undefined && !counterexample) throw new Error('nothing is broken')
      if (counterexample) return { held, length: counterexample.length }
      const [, steps] = /every interleaving of up to (\d+) steps holds$/.exec(reason ?? '') ?? []
      if (steps !== undefined) held.push(Number(steps))
    }
  }
  const counting = (c: Cell): Thread =>
    thread(c.name, function* () {
      yield* step('up', s => s.set(c, (s.get(c) + 1) % 5))
    })

  test.each([
    [
      'a step',
      (all: Cell[]) => [
        ...all.map(counting),
        thread('t', function* () {
          yield* step('bad', s => s.warn(s.sum(all) === 12, 'broken'))
        }),
      ],
    ],
    [
      'a deadlock',
      ([a, b]: Cell[]) => [
        thread('ab', () => locks(a!, b!), { times: 1 }),
        thread('ba', () => locks(b!, a!), { times: 1 }),
      ],
    ],
  ] as const)('%s: no claim is about an interleaving as long as the one that breaks it', async (_, body) => {
    const { held, length } = await claims({ properties: ['broken', 'deadlock'] }, body as (c: Cell[]) => Thread[])
    expect(held.length).toBeGreaterThan(2)
    expect(Math.max(...held)).toBeLessThan(length)
    expect(Math.max(...held)).toBeGreaterThanOrEqual(length - 3)
  })

  test('partial order makes no claim about lengths', async () => {
    const cells = [0, 1, 2].map(i => cell(`c${i}`, { max: 4 }))
    const of = system('independent', { cells, threads: cells.map(c => thread(c.name, () => ups(c), { times: 1 })) })
    const reasons: string[] = []
    for (let looks = 0; ; looks++) {
      let left = looks
      const { reason, reductions } = await check(of, {
        signal: {
          get aborted() {
            return left-- <= 0
          },
        },
      })
      if (reason === undefined) break
      if (reason.startsWith('stopped after')) expect(reductions).toContain('partial order')
      reasons.push(reason)
    }
    expect(reasons.at(-1)).toMatch(
      /^stopped after \d+ states: nothing is broken so far; without partial order it would be/,
    )
    expect(reasons.join()).not.toContain('every interleaving')
  })
})

function* locks(first: Cell, second: Cell): Steps<void> {
  for (const each of [first, second]) {
    yield* step('look', s => s.get(each))
    yield* step('lock', s => {
      s.wait(s.get(each) === 0)
      s.set(each, 1)
    })
  }
}

function* ups(of: Cell): Steps<void> {
  for (let i = 1; i < 4; i++) yield* step('up', s => s.set(of, i))
}

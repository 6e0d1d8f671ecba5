// SPDX-License-Identifier: GPL-2.0-or-later
import { describe, expect, it } from 'vitest'
import { boundedBuffer } from '../../examples/models/bounded-buffer.ts'
import { peterson } from '../../examples/models/peterson.ts'
import { seqlock } from '../../examples/models/seqlock.ts'
import {
  AGAIN,
  always,
  at_rest,
  call,
  cell,
  cells,
  check,
  explore,
  grid,
  lock,
  progress,
  read,
  repeat,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
  trylock,
  unlock,
  type View,
  write,
} from '../../src/checker/index.ts'

describe('Peterson', () => {
  it('excludes, and lets each in', async () => {
    expect(await check(peterson())).toMatchObject({ verdict: 'holds', states: 26, transitions: 44, depth: 7 })
  })

  it('fails when the turn is given before the flag is raised', async () => {
    const v = await check(peterson('turn first'))
    expect(v).toMatchObject({ verdict: 'violated', property: 'mutual exclusion' })
    expect(v.counterexample).toHaveLength(8)
    expect(v.counterexample!.map(s => s.thread)).toEqual(['p0', 'p1', 'p1', 'p1', 'p1', 'p0', 'p0', 'p0'])
    expect(v.counterexample!.at(-1)).toMatchObject({
      step: 8,
      function: 'visit',
      operation: 'write inside[0]',
      changes: [{ cell: 'inside[0]', from: 0, to: 1 }],
    })
    expect(v.counterexample!.at(-1)!.source).toMatch(/peterson\.ts/)
  })
})

describe('a bounded buffer', () => {
  it('keeps its bound under the lock', async () => {
    expect(await check(boundedBuffer())).toMatchObject({ verdict: 'holds' })
    expect((await check(boundedBuffer())).reductions).toEqual(
      expect.arrayContaining(['symmetry of producer (2, sorted)', 'symmetry of slot (2, sorted)']),
    )
  })

  it('overflows when room is looked for outside', async () => {
    expect(await check(boundedBuffer({ locked: false }))).toMatchObject({ verdict: 'violated' })
  })
})

describe('a seqlock', () => {
  it('hides torn reads', async () => {
    expect(await check(seqlock())).toMatchObject({ verdict: 'holds' })
    expect(await check(seqlock({ recheck: false }))).toMatchObject({ verdict: 'violated', property: 'torn read' })
  })

  it('does not promise that a reader ends', async () => {
    const v = await check(seqlock({ finishes: true, readers: 1 }), { properties: ['finishes'] })
    expect(v).toMatchObject({ verdict: 'violated', property: 'finishes', message: 'reader[0] never ends' })
    const round = v.counterexample!.slice(v.loop! - 1)
    expect(new Set(round.map(s => s.thread))).toEqual(new Set(['reader[0]', 'writer']))
  })
})

function philosophers(count: number, lefty: boolean) {
  const forks = Array.from({ length: count }, (_, i) => cell(`fork${i}`, { max: 1 }))
  function* dine(i: number): Steps<void> {
    const order = [forks[i]!, forks[(i + 1) % count]!]
    if (lefty && i === 0) order.reverse()
    for (const f of order) yield* lock(f)
    for (const f of order) yield* unlock(f)
  }
  return system('philosophers', {
    cells: forks,
    threads: forks.map((_, i) => thread(`philosopher ${i}`, () => dine(i), { finishes: true })),
  })
}

describe('dining philosophers', () => {
  it('deadlock when all take the same hand first', async () => {
    const v = await check(philosophers(4, false))
    expect(v).toMatchObject({ verdict: 'violated', property: 'deadlock' })
    expect(v.counterexample!.map(s => s.operation)).toEqual(['lock fork0', 'lock fork1', 'lock fork2', 'lock fork3'])
  })

  it('starve, but do not deadlock, when one takes the other hand first', async () => {
    expect(await check(philosophers(4, true), { properties: ['deadlock'] })).toMatchObject({ verdict: 'holds' })
    // Weak fairness does not help who finds a fork taken again and again.
    expect(await check(philosophers(3, true))).toMatchObject({ verdict: 'violated', property: 'finishes' })
  })
})

describe('liveness', () => {
  it('finds two threads that keep each other from a lock by giving way', async () => {
    const locks = cells(sort('lock', 2), 'lock', { max: 1 })
    function* both(a: number, b: number): Steps<undefined | typeof AGAIN> {
      if (!(yield* trylock(locks[a]!))) return AGAIN
      const got = yield* trylock(locks[b]!)
      if (got) yield* unlock(locks[b]!)
      yield* unlock(locks[a]!)
      return got ? undefined : AGAIN
    }
    const polite = (second: [number, number]) => {
      const pair = [
        thread('a', () => repeat(both, 0, 1), { times: 1 }),
        thread('b', () => repeat(both, ...second), { times: 1 }),
      ]
      return system('polite', { cells: locks, threads: pair, properties: [progress('someone ends', pair)] })
    }
    const v = await check(polite([1, 0]))
    expect(v).toMatchObject({ verdict: 'violated', property: 'someone ends', message: 'livelock: someone ends' })
    const round = v.counterexample!.slice(v.loop! - 1)
    expect(new Set(round.map(s => s.thread))).toEqual(new Set(['a', 'b']))
    expect(await check(polite([0, 1]))).toMatchObject({ verdict: 'holds' })
  })

  it.each([
    { passes: true, verdict: 'violated' },
    { passes: false, verdict: 'holds' },
  ])("follows threads that take each other's place: a baton that goes round, $passes", async ({ passes, verdict }) => {
    // Whoever moves without the baton ends its run, and takes it away. With the baton passed on, each moves for ever though no state differs
    // from the others but in who is who; if one keeps it, fairness makes the other move, and both end.
    const pair = sort('pair', 2)
    const baton = cells(pair, 'baton', { max: 1, init: i => i })
    function* turn(i: number): Steps<undefined | typeof AGAIN> {
      return yield* step('move', s => {
        if (s.get(baton[i]!) === 0) {
          for (const b of baton) s.set(b, 0)
          return undefined
        }
        if (passes) for (const [j, b] of baton.entries()) s.set(b, j === i ? 0 : 1)
        return AGAIN
      })
    }
    function* runs(i: number): Steps<void> {
      yield* read(baton[i]!)
      yield* repeat(turn, i)
    }
    const both = threads(pair, 'runner', runs, { daemon: true, times: 1 })
    const s = system('baton', {
      cells: baton,
      threads: both,
      properties: [progress('one ends', both)],
      deadlock: false,
    })
    expect(explore(s)).toMatchObject({ verdict })
    expect(await check(s, { symmetry: false })).toMatchObject({ verdict })
    const v = await check(s)
    expect(v).toMatchObject({ verdict, reductions: ['symmetry of pair (2, sorted)'] })
    if (passes) expect(new Set(v.counterexample!.slice(v.loop! - 1).map(x => x.thread)).size).toBe(2)
  })

  it('finds a wait that nobody ends, with no cycle to show', async () => {
    const done = cell('done', { max: 1 })
    const other = cell('other', { max: 1 })
    const v = await check(
      system('wait', {
        cells: [done, other],
        threads: [
          thread('waits', () => step('wait', s => s.wait(s.get(done) === 1)), { finishes: true }),
          thread('idles', () => write(other, 1)),
        ],
        properties: [],
      }),
    )
    // It has not begun: a first step that is blocked is no run.
    expect(v.verdict).toBe('holds')
  })

  it('lets a user thread stay away for ever, and makes a daemon come', async () => {
    const done = cell('done', { max: 1 })
    function* waits(): Steps<void> {
      yield* read(done)
      yield* step('wait', s => s.wait(s.get(done) === 1))
    }
    const build = (daemon: boolean) =>
      system('wait', {
        cells: [done],
        threads: [thread('waits', waits, { finishes: true }), thread('wakes', () => write(done, 1), { daemon })],
      })
    expect(await check(build(false))).toMatchObject({ verdict: 'violated', property: 'finishes' })
    expect(await check(build(true))).toMatchObject({ verdict: 'holds' })
  })
})

describe('properties', () => {
  it('looks at leaks when all are at rest', async () => {
    const count = cell('count', { max: 2, init: 1 })
    function* leak(error: boolean): Steps<void> {
      yield* step('get', s => s.add(count, 1))
      if (!error) yield* step('put', s => s.add(count, -1))
    }
    const build = (error: boolean) =>
      system('leak', {
        cells: [count],
        threads: [thread('user', () => leak(error), { times: 1 })],
        properties: [at_rest('count is 1 at rest', s => s.get(count) === 1)],
      })
    expect(await check(build(false))).toMatchObject({ verdict: 'holds' })
    expect(await check(build(true))).toMatchObject({ verdict: 'violated', property: 'count is 1 at rest' })
  })

  it('can be selected: others do not end the search', async () => {
    const x = cell('x', { max: 1 })
    function* body(): Steps<void> {
      yield* step('warn', s => s.warn(s.get(x) === 0, 'first'))
      yield* step('fail', s => {
        s.set(x, 1)
        s.fail('second', 'the second one')
      })
    }
    const s = system('two', { cells: [x], threads: [thread('t', body, { times: 1 })] })
    expect(await check(s)).toMatchObject({ property: 'first' })
    expect(await check(s, { properties: ['second'] })).toMatchObject({ property: 'second', message: 'the second one' })
    expect(await check(s, { properties: ['deadlock'] })).toMatchObject({ verdict: 'holds' })
  })

  it('names the cell and the value that left its bounds', async () => {
    const count = cell('_refcount', { max: 1 })
    const s = system('underflow', {
      cells: [count],
      threads: [thread('put', () => step('dec', m => m.add(count, -1)))],
    })
    expect(await check(s)).toMatchObject({ property: 'bounds', message: '_refcount would become -1 (0..1)' })
  })
})

describe('a wide step and a wide invariant', () => {
  it('are decided by a table, with the same verdict as the naive explorer', async () => {
    const digits = Array.from({ length: 6 }, (_, i) => cell(`d${i}`, { max: 3 }))
    const number = (s: View) => digits.reduce((n, d) => 4 * n + s.get(d), 0)
    function* count(): Steps<void> {
      yield* step('next', s => {
        const n = number(s) * 3 + 1
        for (const [i, d] of [...digits].reverse().entries()) s.set(d, Math.floor(n / 4 ** i) % 4)
      })
    }
    const build = (limit: number) =>
      system('counter', {
        cells: digits,
        threads: [thread('count', count)],
        properties: [always('not there yet', s => number(s) !== limit)],
      })
    for (const limit of [4 ** 6 - 1, 3280]) {
      const [engine, naive] = [await check(build(limit)), explore(build(limit))]
      expect([engine.verdict, engine.states, engine.depth]).toEqual([naive.verdict, naive.states, naive.depth])
    }
  })
})

describe('symmetry', () => {
  const pages = sort('page', 3)
  const count = cells(pages, 'count', { max: 2 })
  function* get(p: number): Steps<void> {
    yield* step('get', s => s.add(count[p]!, 1))
    yield* step('put', s => s.add(count[p]!, -1))
  }

  it('is found where members are treated alike', async () => {
    const s = system('alike', { cells: count, threads: threads(pages, 'user', p => call(get, p)) })
    const [reduced, whole] = [await check(s), await check(s, { symmetry: false })]
    expect(reduced.reductions.join()).toContain('symmetry of page (3')
    expect([reduced.states, whole.states]).toEqual([4, 8])
  })

  it('is found in threads that run the same code', async () => {
    const s = system('same', { cells: count, threads: ['a', 'b', 'c'].map(n => thread(n, () => get(0))) })
    const [reduced, whole] = [await check(s, { properties: [] }), await check(s, { properties: [], symmetry: false })]
    expect(reduced.reductions.join()).toContain('symmetry of a (3, sorted)')
    expect([reduced.states, whole.states]).toEqual([3, 7])
  })

  it('is found for two sorts whose members meet in the same cells', async () => {
    const [senders, receivers] = [sort('sender', 3), sort('receiver', 3)]
    const box = grid(senders, receivers, 'box', { max: 2 })
    // Nobody holds a member in a local: both sorts only exchange blocks of fields, and the blocks would overlap.
    function* send(i: number): Steps<void> {
      yield* step('fill', s => {
        for (const b of box[i]!) s.set(b, Math.min(2, s.get(b) + 1))
      })
    }
    function* receive(j: number): Steps<void> {
      yield* step('empty', s => {
        for (const row of box) s.set(row[j]!, 0)
      })
    }
    const s = system('mail', {
      cells: box.flat(),
      threads: [...threads(senders, 'send', send, { times: 2 }), ...threads(receivers, 'receive', receive)],
      properties: [always('not all full', v => v.sum(box.flat()) < 18)],
    })
    const naive = explore(s)
    for (const symmetry of [false, true]) {
      const v = await check(s, { symmetry })
      expect([v.verdict, v.counterexample?.length]).toEqual([naive.verdict, naive.counterexample!.length])
      if (symmetry) expect(v.reductions).toEqual(['symmetry of sender (3, sorted)', 'symmetry of receiver (3)'])
    }
  })

  it('does not mix up properties that permutations exchange', async () => {
    function* get(p: number): Steps<void> {
      yield* step('get', s => s.add(count[p]!, 1))
    }
    const s = system('names', {
      cells: count,
      threads: threads(pages, 'user', p => call(get, p), { times: 1 }),
      properties: [0, 1, 2].map(p => always(`page ${p}`, v => v.get(count[p]!) === 0)),
    })
    expect(await check(s)).toMatchObject({ verdict: 'violated', property: 'page 0' })
    expect(await check(s, { properties: ['page 2'] })).toMatchObject({ verdict: 'violated', property: 'page 2' })
  })

  it('is refused, with the reason, where they are told apart', async () => {
    const apart = threads(pages, 'user', p => (p === 0 ? read(count[0]!) : call(get, p)))
    const s = system('apart', { cells: count, threads: apart })
    expect((await check(s)).reductions).toEqual(['no symmetry of page: thread user[0] tells its members apart'])
  })
})

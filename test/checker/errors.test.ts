// SPDX-License-Identifier: GPL-2.0-or-later
import { describe, expect, it } from 'vitest'
import {
  AGAIN,
  call,
  cell,
  check,
  choose,
  Indeterminate,
  ModelError,
  read,
  repeat,
  type Steps,
  sort,
  step,
  system,
  thread,
  write,
} from '../../src/checker/index.ts'

const x = cell('x', { max: 3 })

async function errorOf(body: () => Steps<unknown>, cells = [x]): Promise<string> {
  try {
    await check(system('bad', { cells, threads: [thread('t', body)] }))
  } catch (e) {
    expect(e).toBeInstanceOf(ModelError)
    return (e as Error).message
  }
  throw new Error('no error')
}

describe('what is wrong with a model is said with the name of the function', () => {
  it('a loop without a bound', async () => {
    function* spins(): Steps<void> {
      while ((yield* read(x)) === 0);
    }
    expect(await errorOf(() => call(spins))).toBe(
      'spins takes more than 400 steps in one run: an unbounded loop? see repeat()',
    )
  })

  it('too many histories', async () => {
    function* wide(): Steps<void> {
      let sum = 0
      for (let i = 0; i < 12; i++) sum = sum * 4 + (yield* read(x))
      yield* write(x, sum % 4)
    }
    expect(await errorOf(() => call(wide))).toMatch(/^wide has more than 50000 histories: use call\(\)/)
  })

  it('arguments without end', async () => {
    function* deeper(n: number): Steps<void> {
      yield* read(x)
      yield* call(deeper, n + 1)
    }
    expect(await errorOf(() => call(deeper, 0))).toMatch(/^deeper: calls are nested more than 100 deep/)
  })

  it('recursion', async () => {
    function* again(): Steps<void> {
      if ((yield* read(x)) > 0) yield* call(again)
    }
    expect(await errorOf(() => call(again))).toMatch(/^again calls itself/)
  })

  it('code that depends on more than its results', async () => {
    let n = 0
    function* random(): Steps<void> {
      yield* write(x, n++ % 2)
    }
    expect(await errorOf(() => call(random))).toMatch(/^random is not deterministic/)
    function* other(): Steps<void> {
      if (n++ % 3 === 0) yield* read(x)
      yield* write(x, 1)
    }
    expect(await errorOf(() => call(other))).toMatch(/^other is not deterministic/)
  })

  it('chance and clock, where the host lets a model have neither', async () => {
    const random = () => {
      throw new Indeterminate('Math.random()', 'a step that may go either way says choose()')
    }
    function* tossed(): Steps<void> {
      yield* write(x, random())
    }
    const said = (name: string) =>
      `${name} is not deterministic: it uses Math.random(); a step that may go either way says choose()`
    expect(await errorOf(() => call(tossed))).toBe(said('random'))
    expect(await errorOf(() => step('late', random))).toBe(said('step "late"'))
  })

  it('chance that comes out differently when code is unfolded again', async () => {
    let coin = 0
    function* tossed(): Steps<void> {
      yield* write(x, coin++ % 2)
    }
    expect(await errorOf(() => call(tossed))).toMatch(/^tossed is not deterministic: /)
  })

  it('objects that are new each time', async () => {
    function* fresh(): Steps<object> {
      return yield* step('make', s => ({ value: s.get(x) }))
    }
    expect(await errorOf(() => call(fresh))).toMatch(
      /^fresh is not deterministic: step "make" returns another object each time: return what is in it, or make it once$/,
    )
  })

  it('a step that is no function of memory', async () => {
    let n = 0
    expect(await errorOf(() => step('odd', s => (n++ % 2 === 0 ? s.get(x) : 0)))).toMatch(
      /"odd".* not deterministic|not deterministic.*"odd"/,
    )
  })

  it('a step that reads everything', async () => {
    const many = Array.from({ length: 9 }, (_, i) => cell(`c${i}`, { max: 3 }))
    expect(await errorOf(() => step('big', s => many.map(c => s.get(c)).join()), many)).toMatch(
      /^step "big" reads so many cells that it has more than 100000 cases/,
    )
  })

  it('a cell that the system does not have', async () => {
    expect(await errorOf(() => read(cell('stray', { max: 1 })))).toBe(
      "cell stray is used but not among the system's cells",
    )
  })

  it('a star that is missing', async () => {
    function* forgot(): Steps<void> {
      yield read(x) as never
    }
    expect(await errorOf(forgot)).toBe('forgot yields step "read x": is a yield* missing its *?')
  })

  it('a run without a step, and a repeat without a step', async () => {
    function* nothing(): Steps<void> {
      if (x.max < 0) yield* read(x)
    }
    expect(await errorOf(nothing)).toBe('thread t: a run ends without a step')
    function* idle(): Steps<typeof AGAIN> {
      if (x.max < 0) yield* read(x)
      return AGAIN
    }
    expect(await errorOf(() => repeat(idle))).toMatch(/calls return and repeat without a step between them/)
  })

  it('code that throws, and code that is no code', async () => {
    function* breaks(): Steps<void> {
      yield* read(x)
      throw new TypeError('no such thing')
    }
    expect(await errorOf(() => call(breaks))).toBe('breaks throws TypeError: no such thing')
    expect(await errorOf(() => step('odd', () => JSON.parse('{')))).toMatch(/^step "odd" throws SyntaxError: /)
    expect(await errorOf(() => 5 as never)).toBe('thread t is no generator: is the * of its function* missing?')
    expect(await errorOf(() => read({ ...x }))).toBe("cell x is used but not among the system's cells")
    expect(await errorOf(() => step('get', s => s.get(undefined as never)))).toBe(
      "undefined, which is no cell, is used but not among the system's cells",
    )
  })

  it('values that are no integers, choices among none', async () => {
    expect(await errorOf(() => write(x, 0.5))).toBe('step "write x": sets x to 0.5, not an integer')
    expect(await errorOf(() => choose(0))).toBe('step "choose": chooses among 0, not among 1..64')
  })

  it('bad declarations', () => {
    expect(() => cell('c', { max: -1 })).toThrow('cell c: max -1 is below min 0')
    expect(() => cell('c', { max: 1, init: 2 })).toThrow('cell c: init 2 lies outside 0..1')
    expect(() => cell('c', { max: Number.NaN })).toThrow('cell c: max is NaN, not an integer')
    expect(() => sort('s', 0)).toThrow('sort s: size 0 is not a positive integer')
    expect(() => system('s', { cells: [x, cell('x', { max: 1 })], threads: [] })).toThrow('two cells')
    expect(() => system('s', { cells: [x], threads: [] })).toThrow('no threads')
    expect(() => thread('t', () => read(x), { times: 0 })).toThrow('times is 0')
  })
})

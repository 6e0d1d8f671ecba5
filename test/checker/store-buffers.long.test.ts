// SPDX-License-Identifier: GPL-2.0-or-later
// Store buffers: the litmus tests that name memory models, and random programs against a brute force of another make.
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  at_rest,
  type Cell,
  cell,
  check,
  cmpxchg,
  fence,
  lock,
  read,
  type Steps,
  type StoreOrder,
  type System,
  step,
  store_release,
  survey,
  system,
  thread,
  unlock,
  withStoreBuffers,
  write,
} from '../../src/checker/index.ts'

type At = 0 | 1

/** One instruction of a litmus test: `W x 1`, `R x`, a fence, an exchange with its order, a release. */
type Instruction =
  | { readonly op: 'store'; readonly at: At; readonly value: 1 | 2 }
  | { readonly op: 'release'; readonly at: At; readonly value: 1 | 2 }
  | { readonly op: 'load'; readonly at: At }
  | { readonly op: 'add'; readonly at: At }
  | { readonly op: 'relaxed add'; readonly at: At }
  | { readonly op: 'fence' }
type Program = readonly (readonly Instruction[])[]

const W = (at: At, value: 1 | 2 = 1): Instruction => ({ op: 'store', at, value })
const Rel = (at: At, value: 1 | 2 = 1): Instruction => ({ op: 'release', at, value })
const R = (at: At): Instruction => ({ op: 'load', at })
const F: Instruction = { op: 'fence' }

const MAX = 6

/** Loads put what they find into a register, which is the thread's own and no memory. */
function litmus(program: Program): { system: System; registers: Cell[]; memory: Cell[] } {
  const memory = [0, 1].map(i => cell(`mem${i}`, { max: MAX }))
  const registers: Cell[] = []
  const threads = program.map((instructions, t) => {
    const results = instructions.map((i, n) => {
      if (i.op === 'fence' || i.op === 'store' || i.op === 'release') return undefined
      const r = cell(`r${t}.${n}`, { max: MAX, ghost: true })
      registers.push(r)
      return r
    })
    function* run(): Steps<void> {
      for (const [n, i] of instructions.entries()) yield* instruction(i, results[n])
    }
    return thread(`t${t}`, run, { times: 1 })
  })
  function* instruction(i: Instruction, r: Cell | undefined): Steps<void> {
    if (i.op === 'fence') return yield* fence()
    const at = memory[i.at]!
    if (i.op === 'store') return yield* write(at, i.value)
    if (i.op === 'release') return yield* store_release(at, i.value)
    if (i.op === 'load') return yield* step('load', s => s.set(r!, s.get(at)), 'plain')
    yield* step('add', s => s.set(r!, s.add(at, 1)), i.op === 'add' ? undefined : 'relaxed')
  }
  return { system: system('litmus', { cells: [...memory, ...registers], threads }), registers, memory }
}

/** Every outcome, registers and then memory, by the engine: a property for each that could be, and those that are violated. */
async function outcomes(program: Program, order?: StoreOrder): Promise<Set<string>> {
  const { system: plain, registers, memory } = litmus(program)
  const seen = new Set<string>()
  const all = [...registers, ...memory]
  const possible = candidates(program, all.length)
  const over = cell('over', { max: program.length, ghost: true })
  const threads = plain.threads.map(t => ({
    ...t,
    body: function* (): Steps<void> {
      yield* t.body()
      yield* step('over', s => s.set(over, Math.min(program.length, s.get(over) + 1)), 'plain')
    },
  }))
  const counted: System = {
    ...plain,
    cells: [...plain.cells, over],
    threads,
    properties: possible.map(values =>
      at_rest(values.join(), s => s.get(over) < program.length || all.some((c, i) => s.get(c) !== values[i])),
    ),
  }
  const verdicts = await survey(order ? withStoreBuffers(counted, order, 4) : counted, { explain: false })
  for (const [name, v] of verdicts) if (v.verdict === 'violated') seen.add(name)
  return seen
}

/** What the brute force says under the weakest order, and two outcomes that it does not: the engine must not either. */
function candidates(program: Program, cells: number): number[][] {
  const weakest = [...bruteForce(program, 'pso')].map(o => o.split(',').map(Number))
  const others = [Array.from({ length: cells }, () => 1), Array.from({ length: cells }, () => 0)]
  return [...weakest, ...others.filter(o => !weakest.some(w => w.join() === o.join()))]
}

interface Running {
  readonly memory: readonly number[]
  readonly at: readonly number[]
  readonly results: readonly (readonly number[])[]
  readonly buffers: readonly (readonly { readonly at: At; readonly value: number; readonly release: boolean }[])[]
}

/** Another make of the same memory models: all states of a machine with a list of stores for each thread. */
function bruteForce(program: Program, order: StoreOrder | 'sc'): Set<string> {
  const out = new Set<string>()
  const seen = new Set<string>()
  const go = (s: Running): void => {
    const key = JSON.stringify(s)
    if (seen.has(key)) return
    seen.add(key)
    const next = [...program.keys()].flatMap(t => [...run(s, t), ...drained(s, t)])
    for (const n of next) go(n)
    if (next.length === 0) out.add([...s.results.flat(), ...s.memory].join())
  }
  const drained = (s: Running, t: number): Running[] =>
    s.buffers[t]!.flatMap((store, i) => {
      const earlier = s.buffers[t]!.slice(0, i)
      const may = i === 0 || (order === 'pso' && !store.release && earlier.every(e => e.at !== store.at))
      if (!may) return []
      const buffers = s.buffers.with(t, s.buffers[t]!.toSpliced(i, 1))
      return [{ ...s, memory: s.memory.with(store.at, store.value), buffers }]
    })
  const run = (s: Running, t: number): Running[] => {
    const i = program[t]![s.at[t]!]
    if (!i) return []
    const own = s.buffers[t]!
    const after = { ...s, at: s.at.with(t, s.at[t]! + 1) }
    const gives = (value: number) => ({ ...after, results: s.results.with(t, [...s.results[t]!, value]) })
    if (i.op === 'fence') return own.length === 0 ? [after] : []
    if (i.op === 'load') return [gives(own.findLast(e => e.at === i.at)?.value ?? s.memory[i.at]!)]
    if (i.op === 'add' || i.op === 'relaxed add') {
      const fenced = i.op === 'add' || order !== 'pso'
      if (fenced ? own.length > 0 : own.some(e => e.at === i.at)) return []
      const value = s.memory[i.at]! + 1
      return [{ ...gives(value), memory: s.memory.with(i.at, value) }]
    }
    if (order === 'sc') return [{ ...after, memory: s.memory.with(i.at, i.value) }]
    if (own.length === 4) return []
    const store = { at: i.at, value: i.value, release: i.op === 'release' }
    return [{ ...after, buffers: s.buffers.with(t, [...own, store]) }]
  }
  const none = program.map(() => [])
  go({ memory: [0, 0], at: program.map(() => 0), results: none, buffers: none })
  return out
}

/** Whether an outcome of these registers is seen. */
async function sees(program: Program, registers: readonly number[], order?: StoreOrder): Promise<boolean> {
  return [...(await outcomes(program, order))].some(o => o.startsWith(`${registers.join()},`))
}

describe('litmus tests', () => {
  const x: At = 0
  const y: At = 1
  const SB = [
    [W(x), R(y)],
    [W(y), R(x)],
  ]
  const MP = [
    [W(x), W(y)],
    [R(y), R(x)],
  ]
  test.each<[string, Program, number[], { sc: boolean; tso: boolean; pso: boolean }]>([
    ['SB', SB, [0, 0], { sc: false, tso: true, pso: true }],
    ['SB with fences', SB.map(([w, r]) => [w!, F, r!]), [0, 0], { sc: false, tso: false, pso: false }],
    ['SB with one fence', [[W(x), F, R(y)], SB[1]!], [0, 0], { sc: false, tso: true, pso: true }],
    [
      'SB with releases',
      SB.map(([w, r]) => [{ ...w!, op: 'release' } as Instruction, r!]),
      [0, 0],
      { sc: false, tso: true, pso: true },
    ],
    ['MP', MP, [1, 0], { sc: false, tso: false, pso: true }],
    ['MP with a release', [[W(x), Rel(y)], MP[1]!], [1, 0], { sc: false, tso: false, pso: false }],
    [
      'LB',
      [
        [R(x), W(y)],
        [R(y), W(x)],
      ],
      [1, 1],
      { sc: false, tso: false, pso: false },
    ],
    ['own stores are seen at once', [[W(x), R(x)]], [0], { sc: false, tso: false, pso: false }],
    [
      'CoRR',
      [
        [W(x), W(x, 2)],
        [R(x), R(x)],
      ],
      [2, 1],
      { sc: false, tso: false, pso: false },
    ],
    ['IRIW', [[W(x)], [W(y)], [R(x), R(y)], [R(y), R(x)]], [1, 0, 1, 0], { sc: false, tso: false, pso: false }],
    [
      'SB, an atomic operation that is ordered between',
      SB.map(([w, r], t) => [w!, { op: 'add', at: t === 0 ? x : y }, r!]),
      [2, 0, 2, 0],
      { sc: false, tso: false, pso: false },
    ],
    [
      'SB, a relaxed one on another place',
      [
        [W(x), { op: 'relaxed add', at: y }, R(y)],
        [W(y), F, R(x)],
      ],
      [1, 1, 0],
      { sc: false, tso: false, pso: true },
    ],
  ])('%s', async (_, program, registers, { sc, tso, pso }) => {
    expect(await sees(program, registers)).toBe(sc)
    expect(await sees(program, registers, 'tso')).toBe(tso)
    expect(await sees(program, registers, 'pso')).toBe(pso)
  })
})

const instruction = fc.oneof(
  fc.record({ op: fc.constant('store' as const), at: fc.constantFrom<At>(0, 1), value: fc.constantFrom<1 | 2>(1, 2) }),
  fc.record({ op: fc.constant('store' as const), at: fc.constantFrom<At>(0, 1), value: fc.constantFrom<1 | 2>(1, 2) }),
  fc.record({
    op: fc.constant('release' as const),
    at: fc.constantFrom<At>(0, 1),
    value: fc.constantFrom<1 | 2>(1, 2),
  }),
  fc.record({ op: fc.constant('load' as const), at: fc.constantFrom<At>(0, 1) }),
  fc.record({ op: fc.constant('load' as const), at: fc.constantFrom<At>(0, 1) }),
  fc.constantFrom<Instruction>({ op: 'add', at: 0 }, { op: 'relaxed add', at: 1 }, { op: 'add', at: 1 }),
  fc.constant<Instruction>({ op: 'fence' }),
)
const programs = fc.array(fc.array(instruction, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 3 })

it.each([undefined, 'tso', 'pso'] as const)('random programs have the outcomes of the brute force: %s', async order => {
  let many = 0
  await fc.assert(
    fc.asyncProperty(programs, async program => {
      const expected = bruteForce(program, order ?? 'sc')
      expect([...(await outcomes(program, order))].sort()).toEqual([...expected].sort())
      if (expected.size > 1) many++
    }),
    { numRuns: 40 },
  )
  expect(many).toBeGreaterThan(10)
})

describe('locks and exchanges', () => {
  const place = cell('x', { max: 2 })
  const locked = cell('lock', { max: 1 })
  const inside = cell('inside', { max: 2, ghost: true })
  const lost = at_rest('an update is lost', s => s.get(place) === 2 || s.get(inside) < 2)

  test('what is done under a lock is seen by the next who has it', async () => {
    function* update(): Steps<void> {
      yield* lock(locked)
      const v = yield* read(place)
      yield* write(place, Math.min(v + 1, 2))
      yield* unlock(locked)
      yield* step('over', s => s.set(inside, Math.min(s.get(inside) + 1, 2)), 'plain')
    }
    const of = system('lock', {
      cells: [place, locked, inside],
      threads: [0, 1].map(i => thread(`t[${i}]`, update, { times: 1, finishes: true })),
      properties: [lost],
    })
    for (const order of ['tso', 'pso'] as const)
      expect(await check(withStoreBuffers(of, order))).toMatchObject({ verdict: 'holds' })
  })

  test("Peterson's algorithm needs fences, and with them none of it is lost", async () => {
    const flags = [0, 1].map(i => cell(`flag${i}`, { max: 1 }))
    const turn = cell('turn', { max: 1 })
    const within = cell('within', { max: 2, ghost: true })
    const peterson = (fenced: boolean) => {
      function* visit(i: number): Steps<void> {
        yield* write(flags[i]!, 1)
        yield* write(turn, 1 - i)
        if (fenced) yield* fence()
        yield* step('wait', s => s.wait(s.get(flags[1 - i]!) === 0 || s.get(turn) === i), 'plain')
        yield* step('in', s => s.set(within, Math.min(2, s.get(within) + 1)), 'plain')
        yield* step('out', s => s.set(within, Math.max(0, s.get(within) - 1)), 'plain')
        yield* store_release(flags[i]!, 0)
      }
      return system('peterson', {
        cells: [...flags, turn, within],
        threads: [0, 1].map(i => thread(`p${i}`, () => visit(i))),
        properties: [{ kind: 'always', name: 'exclusion', holds: s => s.get(within) < 2 }],
      })
    }
    expect(await check(peterson(false))).toMatchObject({ verdict: 'holds' })
    const broken = await check(withStoreBuffers(peterson(false), 'tso'))
    expect(broken).toMatchObject({ verdict: 'violated', property: 'exclusion' })
    expect(broken.bounds).toMatch(/store buffers of 2 \(TSO\)$/)
    expect(await check(withStoreBuffers(peterson(true), 'tso'))).toMatchObject({ verdict: 'holds' })
  })

  test('a store that stays in the buffer is told in the counterexample, and is no rest', async () => {
    const of = system('late', {
      cells: [place, locked],
      threads: [
        thread('stores', () => write(place, 1), { times: 1 }),
        thread('looks', () => cmpxchg(locked, 0, 1), { times: 1 }),
      ],
      properties: [at_rest('it is there', s => s.get(locked) === 0 || s.get(place) === 1)],
    })
    const found = await check(withStoreBuffers(of, 'tso'))
    expect(found).toMatchObject({ verdict: 'violated', property: 'it is there' })
    // Before anything is stored, so with an empty buffer.
    expect(found.counterexample!.map(s => s.thread)).toEqual(['looks'])
    const after = { ...of, threads: [thread('stores', () => write(place, 1), { times: 1 })] }
    const only = { ...after, properties: [at_rest('nothing at rest', s => s.get(place) === 0)] }
    const steps = (await check(withStoreBuffers(only, 'tso'))).counterexample!
    expect(steps.map(s => `${s.thread}: ${s.operation}`)).toEqual([
      'stores: write x',
      'store buffer of stores: a store reaches memory',
    ])
    expect(steps[0]!.changes).toMatchObject([{ cell: 'store 0 of stores', from: 0, to: 1 }])
  })
})

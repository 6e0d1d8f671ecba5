// SPDX-License-Identifier: GPL-2.0-or-later
/** Random small systems: programs as trees, interpreted by generators, over pages, plain cells and identical threads. */
import fc from 'fast-check'
import {
  AGAIN,
  add,
  add_unless,
  always,
  at_rest,
  type Cell,
  call,
  cell,
  cells,
  choose,
  cmpxchg,
  grid,
  lock,
  members,
  progress,
  read,
  repeat,
  type Steps,
  type System,
  sort,
  step,
  system,
  type Thread,
  thread,
  threads,
  trylock,
  wait_until,
  warn_on,
  write,
  xchg,
} from '../../src/checker/index.ts'

/** Where a statement looks: a plain cell, the count of the page at hand, or the thread's own cell for that page. */
export type Place = 'x' | 'y' | 'count' | 'held'

export type Statement =
  | { op: 'add'; at: Place; by: number }
  | { op: 'write'; at: Place; value: number }
  | { op: 'if'; at: Place; yes: Statement[]; no: Statement[] }
  | { op: 'lock' | 'trylock' | 'xchg' | 'cmpxchg' | 'unless'; at: Place }
  | { op: 'wait'; at: Place }
  | { op: 'spin'; at: Place }
  | { op: 'warn'; at: Place }
  | { op: 'both'; at: Place; and: Place }
  | { op: 'follow' }
  | { op: 'point' }
  | { op: 'local'; yes: Statement[] }
  | { op: 'call'; body: Statement[] }
  | { op: 'return' }

export interface Plan {
  readonly pages: number
  readonly workers: number
  readonly worker: Statement[]
  readonly other: Statement[]
  readonly times: number | undefined
  readonly workerTimes: number | undefined
  readonly finishes: boolean
  readonly daemon: boolean
  readonly invariant: 'none' | 'sum' | 'at rest' | 'per page' | 'one page'
  readonly favourite: boolean
  /** How many threads run the other program. */
  readonly others: number
}

const place = fc.constantFrom<Place>('x', 'y', 'count', 'held')
const { statements } = fc.letrec<{ statements: Statement[]; statement: Statement }>(tie => ({
  statements: fc.array(tie('statement'), { maxLength: 3 }),
  statement: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ op: fc.constant('add' as const), at: place, by: fc.constantFrom(1, -1) }),
    fc.record({ op: fc.constant('write' as const), at: place, value: fc.constantFrom(0, 1) }),
    fc.record({
      op: fc.constantFrom('lock' as const, 'trylock' as const, 'xchg' as const, 'cmpxchg' as const, 'unless' as const),
      at: place,
    }),
    fc.record({ op: fc.constantFrom('wait' as const, 'spin' as const, 'warn' as const), at: place }),
    fc.record({ op: fc.constant('both' as const), at: place, and: place }),
    fc.record({ op: fc.constantFrom('follow' as const, 'point' as const, 'return' as const) }),
    fc.record({ op: fc.constant('if' as const), at: place, yes: tie('statements'), no: tie('statements') }),
    fc.record({ op: fc.constant('local' as const), yes: tie('statements') }),
    fc.record({ op: fc.constant('call' as const), body: tie('statements') }),
  ) as fc.Arbitrary<Statement>,
}))

export const plans: fc.Arbitrary<Plan> = fc.record({
  pages: fc.constantFrom(1, 2, 2, 3),
  workers: fc.constantFrom(1, 2, 2),
  worker: statements,
  other: statements,
  times: fc.constantFrom(undefined, 1, 2),
  workerTimes: fc.constantFrom(undefined, 1),
  finishes: fc.boolean(),
  daemon: fc.boolean(),
  invariant: fc.constantFrom('none', 'sum', 'at rest', 'per page', 'one page'),
  favourite: fc.boolean(),
  others: fc.constantFrom(1, 1, 2),
})

export function build(plan: Plan): System {
  const page = sort('page', plan.pages)
  const worker = sort('worker', plan.workers)
  const x = cell('x', { max: 2 })
  const y = cell('y', { min: -1, max: 1, init: 0 })
  const pointer = cell('pointer', { max: plan.pages, refers: (v, image) => (v === 0 ? 0 : 1 + image(page, v - 1)) })
  const count = cells(page, 'count', { max: 2, init: 1 })
  const held = grid(worker, page, 'held', { max: 1 })
  const spare = cells(page, 'spare', { max: 1 })

  const at = (place: Place, p: number, w: number): Cell => {
    if (place === 'x') return x
    if (place === 'y') return y
    if (place === 'count') return count[p]!
    return w < 0 ? spare[p]! : held[w]![p]!
  }

  function* spin(c: Cell): Steps<number | typeof AGAIN> {
    const v = yield* read(c)
    return v > 0 ? v : AGAIN
  }

  /** Returns whether the caller is to return. */
  function* run(list: readonly Statement[], from: number, w: number): Steps<boolean> {
    let p = from
    for (const s of list) {
      const c = 'at' in s ? at(s.at, p, w) : x
      if (s.op === 'add') yield* add(c, s.by)
      else if (s.op === 'write') yield* write(c, s.value)
      else if (s.op === 'lock') yield* lock(c)
      else if (s.op === 'trylock') {
        if (!(yield* trylock(c))) return true
      } else if (s.op === 'xchg') {
        if ((yield* xchg(c, 1)) === 1) yield* write(c, 0)
      } else if (s.op === 'cmpxchg') yield* cmpxchg(c, 1, 0)
      else if (s.op === 'unless') yield* add_unless(c, 1, 1)
      else if (s.op === 'wait') yield* wait_until(`wait ${c.name}`, v => v.get(c) > 0)
      else if (s.op === 'spin') yield* repeat(spin, c)
      else if (s.op === 'warn') yield* warn_on((yield* read(c)) > 1, 'warned')
      else if (s.op === 'both') {
        const other = at(s.and, p, w)
        yield* step('both', m => {
          if (m.sum([c, other]) > 1) m.set(c, 0)
          else if (c !== other) m.add(other, m.get(c) > 0 ? 1 : 0)
        })
      } else if (s.op === 'follow') {
        const v = yield* read(pointer)
        if (v > 0) p = v - 1
      } else if (s.op === 'point') yield* write(pointer, p + 1)
      else if (s.op === 'local') {
        if (yield* choose([true, false])) if (yield* run(s.yes, p, w)) return true
      } else if (s.op === 'if') {
        if (yield* run((yield* read(c)) > 0 ? s.yes : s.no, p, w)) return true
      } else if (s.op === 'call') {
        if (yield* call(run, s.body, p, w)) return true
      } else return true
    }
    return false
  }

  function* body(list: readonly Statement[], w: number): Steps<void> {
    const p = yield* plan.favourite && w >= 0 ? choose(1) : choose(plan.pages)
    yield* call(run, list, p, w)
  }

  const spec = { finishes: plan.finishes, daemon: plan.daemon }
  const all: Thread[] = [
    ...threads(worker, 'worker', w => body(plan.worker, w), {
      ...spec,
      ...(plan.workerTimes === undefined ? {} : { times: plan.workerTimes }),
    }),
    ...Array.from({ length: plan.others }, (_, i) =>
      thread(`other ${i}`, () => body(plan.other, -1), { ...(plan.times === undefined ? {} : { times: plan.times }) }),
    ),
  ]
  return system('random', {
    cells: [x, y, pointer, ...count, ...held.flat(), ...spare],
    threads: all,
    properties: [
      ...(plan.invariant === 'sum' ? [always('sum', s => s.sum([...count, ...spare]) < plan.pages * 2)] : []),
      ...(plan.invariant === 'at rest' ? [at_rest('at rest', s => s.get(x) === 0 || s.sum(count) > 0)] : []),
      ...(plan.invariant === 'per page'
        ? members(page).map(p => always('per page', s => s.get(count[p]!) > 0 || s.get(spare[p]!) === 0))
        : []),
      ...(plan.invariant === 'one page' ? [always('one page', s => s.get(count[0]!) < 2)] : []),
      ...(plan.finishes ? [] : [progress('progress', all)]),
    ],
  })
}

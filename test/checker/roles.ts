// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Random small systems whose threads take each other's place: tokens passed on, locks handed over, counts that go round. Where
 * only symmetry tells such states apart, a run that goes on for ever may be another thread's in each state.
 */
import fc from 'fast-check'
import {
  AGAIN,
  type Cell,
  call,
  cell,
  cells,
  choose,
  members,
  progress,
  repeat,
  type Shared,
  type Steps,
  type System,
  sort,
  step,
  system,
  thread,
  threads,
  type View,
  wait_until,
} from '../../src/checker/index.ts'

/** Whether the thread has the token, the flag is up, somebody is counted, the lock is the thread's, the lock is free. */
export interface Test {
  readonly of: 'token' | 'flag' | 'count' | 'lock' | 'free'
  readonly is: boolean
}

/** The token goes to another, to all others, to nobody, to the thread; the lock likewise; the flag and the count change. */
export type Effect =
  | ('pass' | 'share' | 'drop' | 'take')
  | ('lock' | 'unlock' | 'hand')
  | ('raise' | 'lower' | 'toggle' | 'count' | 'uncount' | 'nothing')

export type Act =
  | { readonly op: 'do'; readonly effect: Effect }
  | { readonly op: 'wait'; readonly test: Test; readonly effect: Effect }
  /** In one step: the effect where the test is true. */
  | { readonly op: 'try'; readonly test: Test; readonly effect: Effect; readonly yes: Act[]; readonly no: Act[] }
  | { readonly op: 'local'; readonly yes: Act[] }
  | { readonly op: 'again' | 'return' }

export interface Roles {
  readonly threads: number
  /** Whether threads are members of a sort, with tokens of their own; else nothing tells them apart. */
  readonly named: boolean
  readonly first: Act[]
  readonly loop: Act[]
  readonly times: number | undefined
  readonly daemon: boolean
  readonly tokens: 'first' | 'nobody' | 'all'
  /** Whose run must end: that of any player, of the helper, of each player, of the first. */
  readonly promise: 'any' | 'helper' | 'each' | 'one'
  readonly helper: Act[] | undefined
  readonly helperDaemon: boolean
}

const test = fc.record({
  of: fc.constantFrom<Test['of']>('token', 'token', 'flag', 'count', 'lock', 'free'),
  is: fc.constantFrom(true, true, false),
})
const effect = fc.constantFrom<Effect>(
  ...(['pass', 'pass', 'share', 'drop', 'take', 'lock', 'unlock', 'hand'] as const),
  ...(['raise', 'lower', 'toggle', 'count', 'uncount', 'nothing'] as const),
)
const { acts, act } = fc.letrec<{ acts: Act[]; act: Act }>(tie => ({
  acts: fc.array(tie('act'), { maxLength: 2 }),
  act: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ op: fc.constantFrom('again' as const, 'return' as const) }),
    fc.record({ op: fc.constant('do' as const), effect }),
    fc.record({ op: fc.constant('wait' as const), test, effect }),
    fc.record({ op: fc.constant('try' as const), test, effect, yes: tie('acts'), no: tie('acts') }),
    fc.record({ op: fc.constant('try' as const), test, effect, yes: tie('acts'), no: tie('acts') }),
    fc.record({ op: fc.constant('local' as const), yes: tie('acts') }),
  ) as fc.Arbitrary<Act>,
}))

/** A thread for which the test is true goes round, and by what it does in the same step another one may take its part. */
const round: fc.Arbitrary<Act> = fc.record({
  op: fc.constant('try' as const),
  test,
  effect,
  yes: fc.constant<Act[]>([{ op: 'again' }]),
  no: acts,
})
const loops = fc.array(act, { minLength: 1, maxLength: 2 }).filter(([a]) => a!.op !== 'again' && a!.op !== 'return')

export const roles: fc.Arbitrary<Roles> = fc.record({
  threads: fc.constantFrom(2, 2, 3),
  named: fc.constantFrom(true, true, true, false),
  first: fc.oneof(fc.constant<Act[]>([]), acts),
  loop: fc.oneof(
    loops,
    fc.tuple(round),
    fc.tuple(
      act.filter(a => a.op === 'do' || a.op === 'wait'),
      round,
    ),
  ),
  times: fc.constantFrom(undefined, 1, 1),
  daemon: fc.boolean(),
  tokens: fc.constantFrom('first', 'first', 'nobody', 'all'),
  promise: fc.constantFrom('any', 'any', 'helper', 'each', 'one'),
  helper: fc.option(acts, { nil: undefined, freq: 1 }),
  helperDaemon: fc.boolean(),
})

/** A thread without a name. */
const NOBODY = -1

export function build(plan: Roles): System {
  const { named } = plan
  const who = sort('thread', plan.threads)
  const flag = cell('flag', { max: 1 })
  const count = cell('count', { max: plan.threads })
  const owner = cell('owner', {
    max: plan.threads,
    refers: (v, image) => (v === 0 || !named ? v : 1 + image(who, v - 1)),
  })
  const init = (i: number) => (plan.tokens === 'all' || (plan.tokens === 'first' && i === 0) ? 1 : 0)
  const token = named ? cells(who, 'token', { max: 1, init }) : [cell('token', { max: 1, init: init(0) })]
  const own = (me: number) => token[me] ?? token[0]!
  const others = (me: number) => token.filter(t => t !== token[me])

  function holds(view: View, { of, is }: Test, me: number): boolean {
    switch (of) {
      case 'token':
        // The helper has one if anybody has: to name a member would tell it from the others.
        return (me === NOBODY ? view.sum(token) > 0 : view.get(own(me)) === 1) === is
      case 'lock':
        return (view.get(owner) === (named ? me + 1 : 1)) === is
      case 'free':
        return (view.get(owner) === 0) === is
      default:
        return view.get(of === 'flag' ? flag : count) > 0 === is
    }
  }

  function give(s: Shared, has: (t: Cell) => boolean): void {
    for (const t of token) s.set(t, has(t) ? 1 : 0)
  }

  function any(s: Shared, list: readonly Cell[]): Cell | undefined {
    return list.length === 0 ? undefined : list[list.length === 1 ? 0 : s.choose(list.length)]
  }

  function add(s: Shared, c: Cell, by: number): void {
    s.set(c, Math.max(c.min, Math.min(c.max, s.get(c) + by)))
  }

  function take(s: Shared, what: Effect, me: number): void {
    const to = what === 'pass' || what === 'hand' ? any(s, others(me)) : undefined
    if (what === 'pass') give(s, t => t === to)
    else if (what === 'share') give(s, t => t !== token[me])
    else if (what === 'drop') give(s, () => false)
    else if (what === 'take') give(s, t => t === token[me])
    else if (what === 'lock') s.set(owner, named ? me + 1 : 1)
    else if (what === 'unlock') s.set(owner, 0)
    else if (what === 'hand') s.set(owner, named && to ? token.indexOf(to) + 1 : 0)
    else if (what === 'raise' || what === 'lower') s.set(flag, what === 'raise' ? 1 : 0)
    else if (what === 'toggle') s.set(flag, 1 - s.get(flag))
    else if (what !== 'nothing') add(s, count, what === 'count' ? 1 : -1)
  }

  /** What a list comes to: go on, begin the loop again, or return. */
  function* run(list: readonly Act[], me: number): Steps<'on' | 'again' | 'return'> {
    for (const a of list) {
      const then = yield* perform(a, me)
      if (then !== 'on') return then
    }
    return 'on'
  }

  function* perform(a: Act, me: number): Steps<'on' | 'again' | 'return'> {
    if (a.op === 'do') yield* step(a.effect, s => take(s, a.effect, me))
    else if (a.op === 'wait')
      yield* step(`wait for ${a.test.of}, ${a.effect}`, s => {
        s.wait(holds(s, a.test, me))
        take(s, a.effect, me)
      })
    else if (a.op === 'try') {
      const yes = yield* step(`try ${a.test.of}, ${a.effect}`, s => {
        if (!holds(s, a.test, me)) return false
        take(s, a.effect, me)
        return true
      })
      return yield* run(yes ? a.yes : a.no, me)
    } else if (a.op === 'local') return (yield* choose([true, false])) ? yield* run(a.yes, me) : 'on'
    else return a.op
    return 'on'
  }

  function* turn(me: number): Steps<undefined | typeof AGAIN> {
    return (yield* run(plan.loop, me)) === 'again' ? AGAIN : undefined
  }

  function* play(me: number): Steps<void> {
    yield* step('begin', () => undefined)
    if ((yield* call(run, plan.first, me)) !== 'return') yield* repeat(turn, me)
  }

  function* help(): Steps<void> {
    yield* wait_until('help', () => true)
    yield* run(plan.helper!, NOBODY)
  }

  const spec = {
    daemon: plan.daemon,
    finishes: plan.promise === 'each',
    ...(plan.times === undefined ? {} : { times: plan.times }),
  }
  const players = named
    ? threads(who, 'player', play, spec)
    : members(who).map(i => thread(`player ${i}`, () => play(NOBODY), spec))
  const helper = plan.helper ? [thread('helper', help, { daemon: plan.helperDaemon })] : []
  const promised = plan.promise === 'helper' && helper.length > 0 ? helper : players
  return system('roles', {
    cells: [...token, flag, count, owner],
    threads: [...players, ...helper],
    properties:
      plan.promise === 'each' ? [] : [progress('progress', plan.promise === 'one' ? players.slice(0, 1) : promised)],
    deadlock: false,
  })
}

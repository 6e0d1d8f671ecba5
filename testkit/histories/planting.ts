// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Plants faults into recordings of real kernels: an event of one page is removed or inserted, and the results and counts of all
 * later events of the page are changed to what they would have been.
 */
import { baseName, isHelper, StackTrait, traitsOf } from '../../src/ledger/callsites/symbol-lists.ts'
import type { LearningTracker } from '../../src/ledger/learn/learning-tracker.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import type { Row } from '../fake-recording.ts'
import type { Random } from '../random.ts'
import type { Rows } from './variants.ts'

export const PLANTS = [
  'leak by a site of its own',
  'leak by a common site',
  'forgotten put',
  'forgotten last put',
  'second put by a site of its own',
  'second put by a common site',
  'early put by a site of its own',
  'early put by a common site',
  'stale get',
  'stale get and put',
  'no initialisation',
] as const
export type Plant = (typeof PLANTS)[number]

/** The properties of a page that its protocol determines. */
export interface Rule {
  idle: number
  handOut: 'set' | 'get' | 'none'
  coreResets: boolean
}

/** The right finding, and whether its absence is acceptable as well. */
export interface Expected {
  plant: Plant
  kinds: string[]
  pfn: number
  functions: string[]
}

export interface Planted {
  rows: Rows
  expected: Expected
}

/** One event of a page, with the page's count around it. */
interface Step {
  row: Row
  before: number
  after: number
}

interface Life {
  steps: Step[]
  /** The steps before the lifetime on the same page; below, those after it. */
  earlier: Step[]
  later: Step[]
  rule: Rule
}

/** Returns the rules that a ledger determined for the pages of a recording. */
export function rulesOf(ledger: LearningTracker): (pfn: number) => Rule | undefined {
  return pfn => {
    const row = ledger.pages.find(pfn)
    if (row < 0) return undefined
    const { rule, device } = ledger.pagemaps.list[ledger.pages.pagemap[row]!]!
    return device ? rule : undefined
  }
}

const has = (row: Row, trait: number) => row.stack?.some(frame => (traitsOf(frame.name) & trait) !== 0) ?? false

export function actingFrame({ stack }: Row): Frame | undefined {
  return stack?.find(frame => !isHelper(frame.name)) ?? stack?.at(-1)
}

const nameOf = (row: Row) => actingFrame(row)?.name ?? ''

function countAfter({ op, val, ret }: Row, before: number): number {
  switch (op) {
    case Op.SET:
    case Op.UNFREEZE:
      return val
    case Op.FREEZE:
      return ret !== 0 ? 0 : before
    case Op.MOD_UNLESS:
      return ret !== 0 ? before + val : before
    default:
      return before + val
  }
}

function returned(row: Row, before: number): number {
  const after = before + row.val
  if (row.op === Op.MOD_AND_TEST) return after === 0 ? 1 : 0
  if (row.op === Op.MOD_AND_RETURN) return after
  return row.op === Op.MOD_UNLESS ? Number(before !== 0) : row.ret
}

/** Returns a page's events with its counts; undefined unless the counts explain all results in the order of stamps. */
function followed(rows: readonly Row[]): Step[] | undefined {
  let count = 0
  const steps: Step[] = []
  for (const row of rows) {
    if (row.op >= Op.FREEZE) return undefined
    if (row.op !== Op.SET && returned(row, count) !== row.ret) return undefined
    const after = countAfter(row, count)
    if (after !== row.count) return undefined
    steps.push({ row, before: count, after })
    count = after
  }
  return steps
}

/** Splits a page's steps into lifetimes, from idle to idle. */
function livesOf(all: readonly Step[], rule: Rule): Life[] {
  const lives: Life[] = []
  const first = all.findIndex(({ row }) => !(row.op === Op.SET && has(row, StackTrait.INIT)))
  if (first <= 0) return lives
  let start = first
  for (let i = first; i < all.length; i++) {
    const { row, before, after } = all[i]!
    if (has(row, StackTrait.TEARDOWN) || has(row, StackTrait.INIT)) break
    if (i === start && before === after) {
      start++
      continue
    }
    const ends = rule.coreResets ? row.op === Op.SET && before === 0 : after === rule.idle && before !== after
    if (!ends) continue
    lives.push({ steps: all.slice(start, i + 1), earlier: all.slice(0, start), later: all.slice(i + 1), rule })
    start = i + 1
  }
  return lives
}

/** The lifetimes of a recording's pages whose counts explain their results, and the recording's events by page. */
export class Garden {
  readonly lives: Life[] = []
  readonly #all: Rows
  readonly #index = new Map<Row, number>()

  constructor(all: Rows, rules: (pfn: number) => Rule | undefined) {
    this.#all = all
    const pages = new Map<number, Row[]>()
    all.rows.forEach((row, i) => {
      this.#index.set(row, i)
      const own = pages.get(row.pfn)
      if (own) own.push(row)
      else pages.set(row.pfn, [row])
    })
    for (const [pfn, rows] of pages) {
      const rule = rules(pfn)
      const steps = rule && followed(rows)
      if (steps) this.lives.push(...livesOf(steps, rule))
    }
    const startOf = (life: Life) => life.steps[0]!.row.time
    this.lives.sort((a, b) => startOf(a) - startOf(b))
  }

  /**
   * Plants a fault into one of the lifetimes in the middle of the recording. Returns undefined if it fits none of them.
   *
   * @param givesBack returns true if a put by the function `put` was seen to drop what the function `get` took
   */
  plant(plant: Plant, r: Random, givesBack: (get: string, put: string) => boolean): Planted | undefined {
    const { lives } = this
    for (let attempt = 0; attempt < 50 && lives.length > 0; attempt++) {
      const life = lives[r.int(Math.floor(lives.length / 4), Math.floor((lives.length * 3) / 4))]
      const edited = life && edit(life, plant, r, givesBack)
      if (edited) return { rows: this.#replace(life, edited.steps), expected: edited.expected }
    }
    return undefined
  }

  #replace({ steps, later }: Life, planted: Row[]): Rows {
    const gone = new Set([...steps, ...later].map(step => step.row))
    const rows = this.#all.rows.filter(row => !gone.has(row)).concat(planted)
    const place = (row: Row) => this.#index.get(row) ?? this.#index.get(ORIGIN.get(row)!)!
    rows.sort((a, b) => a.time - b.time || place(a) - place(b))
    return { ...this.#all, rows }
  }
}

/** For a changed event the original one, for an inserted event the one that it follows. */
const ORIGIN = new WeakMap<Row, Row>()

interface Edited {
  steps: Row[]
  expected: Expected
}

function edit(
  life: Life,
  plant: Plant,
  r: Random,
  givesBack: (get: string, put: string) => boolean,
): Edited | undefined {
  const { steps, later, rule } = life
  const rows = steps.map(step => step.row)
  const after = later.map(step => step.row)
  const start = steps[0]!.before
  const pfn = rows[0]!.pfn
  const gets = steps.filter(({ row }, i) => row.val === 1 && row.op !== Op.SET && isWhole(steps, i))
  const between = steps.filter(({ after }, i) => i < steps.length - 1 && after > 0 && isWhole(steps, i))
  const given = steps.filter(({ row }, i) => row.val < 0 && row.op !== Op.SET && !unmaps(steps, i))
  const puts = given.filter(({ row }) => row.val === -1)
  const finish = (edited: Row[], then: Row[], kinds: string[], functions: string[]): Edited => ({
    steps: replayed([...edited, ...then], start),
    expected: { plant, kinds, pfn, functions },
  })
  const insertAfter = (row: Row, extra: Row) => rows.flatMap(each => (each === row ? [each, extra] : [each]))
  /** What comes after on a page that never was free again. */
  const stuck = after.filter(row => has(row, StackTrait.TEARDOWN))
  switch (plant) {
    case 'leak by a site of its own': {
      if (between.length === 0) return undefined
      const { row } = r.pick(between)
      const extra = second({ ...row, op: Op.MOD, val: 1 }, 'planted_leak', row)
      return finish(insertAfter(row, extra), stuck, ['leak'], ['planted_leak'])
    }
    case 'leak by a common site': {
      const get = gets.length > 0 ? r.pick(gets).row : undefined
      if (!get || has(get, StackTrait.EVICT)) return undefined
      return finish(insertAfter(get, second(get, undefined)), stuck, ['leak'], [nameOf(get)])
    }
    case 'forgotten put':
    case 'forgotten last put': {
      if (given.length === 0 || (plant === 'forgotten put' && given.length < 2)) return undefined
      const put = plant === 'forgotten put' ? r.pick(given.slice(0, -1)) : given.at(-1)!
      const place = steps.indexOf(put)
      const own = steps
        .slice(0, place)
        .filter(step => step.after > step.before && givesBack(nameOf(step.row), nameOf(put.row)))
      if (own.length === 0) return undefined
      const kept = rows.filter(row => row !== put.row && !(rule.coreResets && row.op === Op.SET))
      return finish(kept, stuck, ['leak'], [...new Set(own.map(step => nameOf(step.row)))])
    }
    case 'second put by a site of its own':
    case 'second put by a common site': {
      const last = puts.at(-1)?.row
      if (!last || last !== rows.at(-1)) return undefined
      const extra = second(last, plant.includes('own') ? 'planted_put' : undefined)
      const then = rule.handOut === 'set' ? after : stuck
      return finish([...rows, extra], then, ['surplus-put', 'put-on-free-page'], [nameOf(extra)])
    }
    case 'early put by a site of its own':
    case 'early put by a common site': {
      const inside = puts.filter(step => step.after > rule.idle)
      if (inside.length === 0 || rule.coreResets) return undefined
      const put = r.pick(inside).row
      const extra = second(put, plant.includes('own') ? 'planted_put' : undefined)
      const then = rule.handOut === 'set' ? after : stuck
      return finish(insertAfter(put, extra), then, ['surplus-put', 'put-on-free-page'], [nameOf(extra)])
    }
    case 'stale get':
    case 'stale get and put': {
      if (rule.handOut !== 'set' || gets.length === 0) return undefined
      const get = second(gets[0]!.row, 'planted_stale_get', rows.at(-1))
      const put = plant === 'stale get' ? [] : [second(puts.at(-1)!.row, undefined, get)]
      const then = plant === 'stale get' ? after : stuck
      return finish([...rows, get, ...put], then, ['get-on-free-page'], [nameOf(get)])
    }
    case 'no initialisation': {
      const set = rows[0]!
      if (rule.handOut !== 'set' || set.op !== Op.SET || rows.length < 2) return undefined
      const everybody = [...new Set(rows.map(nameOf)), ...(set.stack ?? []).map(frame => baseName(frame.name))]
      return finish(rows.slice(1), after, ['get-on-free-page', 'put-on-free-page'], everybody)
    }
  }
}

const mapcountOf = (step: Step | undefined) => step?.row.mapcount

/** True if a get is a whole action: its task does not raise the map count next, and takes no further units of a pin. */
function isWhole(steps: readonly Step[], at: number): boolean {
  const next = steps[at + 1]
  if (!next || next.row.pid !== steps[at]!.row.pid) return true
  return mapcountOf(next) === mapcountOf(steps[at]) && next.row.val <= 1
}

/** True if a put drops a page table's reference: without the put, the page would still be mapped. */
function unmaps(steps: readonly Step[], at: number): boolean {
  return at > 0 && mapcountOf(steps[at])! < mapcountOf(steps[at - 1])!
}

/** Number of outermost frames, the entry to the kernel, that an inserted function is called from. */
const CALLERS = 3

let planted = 0n

/** Copies an operation to a moment later, with another function if `name` is given. */
function second(row: Row, name: string | undefined, where = row): Row {
  const own: Frame[] =
    name === undefined ? [] : [{ address: 0xffffffffc0f00000n + 16n * planted++, name, offset: 16, module: 'planted' }]
  const stack = name === undefined ? row.stack : [...row.stack!.slice(0, 2), ...own, ...row.stack!.slice(-CALLERS)]
  const extra: Row = {
    ...row,
    stack,
    cpu: where.cpu,
    pid: where.pid,
    time: where.time + 0.25,
    mapcount: row.mapcount ?? -1,
  }
  ORIGIN.set(extra, ORIGIN.get(where) ?? where)
  return extra
}

/** Recomputes the results and counts of events, starting from a count. */
function replayed(rows: readonly Row[], start: number): Row[] {
  let count = start
  return rows.map(row => {
    const ret = row.op === Op.SET ? row.ret : returned(row, count)
    const changed: Row = { ...row, ret }
    count = countAfter(changed, count)
    changed.count = count
    ORIGIN.set(changed, ORIGIN.get(row) ?? row)
    return changed
  })
}

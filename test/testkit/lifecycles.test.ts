// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The second hand's simulation is held against an oracle that knows nothing of machines and faults: it replays the log of
 * operations with rules of its own, and compares with what the truth says.
 */
import { describe, expect, test } from 'vitest'
import { Op } from '../../src/trace/events.ts'
import type { Conditions } from '../../testkit/lifecycles/conditions.ts'
import { allMatched } from '../../testkit/lifecycles/decide.ts'
import { CAUSES } from '../../testkit/lifecycles/faults.ts'
import { FreeList, POLICIES } from '../../testkit/lifecycles/free-list.ts'
import { makeRecording, recordingOf } from '../../testkit/lifecycles/index.ts'
import type { Operation, Token } from '../../testkit/lifecycles/operation.ts'
import { type Run, simulate } from '../../testkit/lifecycles/simulate.ts'
import { random } from '../../testkit/random.ts'

const SEEDS = Array.from({ length: 40 }, (_, seed) => seed)
/** The whole of what happens, as no recording has to have it. */
const WHOLE: Partial<Conditions> = { start: 0, filter: 'none', lost: 'none' }

/** The count after an operation, and what it returns, as the kernel defines them. */
function kernelSays({ op, val }: Operation, before: number): [after: number, ret: number] {
  const sum = before + val
  if (op === Op.SET) return [val, 0]
  if (op === Op.MOD) return [sum, 0]
  if (op === Op.MOD_UNLESS) return before === 0 ? [0, 0] : [sum, 1]
  return [sum, op === Op.MOD_AND_TEST ? Number(sum === 0) : sum]
}

/** Addresses are no JSON. */
const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

interface Replay {
  complaints: string[]
  /** References that are out at the end. */
  out: Set<Token>
  counts: Map<number, number>
}

/** Replays a log; pages are followed until the time from which on the truth says that they are spoilt. */
function replay(log: readonly Operation[], idle: number, spoiltFrom: (page: number) => number): Replay {
  const complaints: string[] = []
  const counts = new Map<number, number>()
  const units = new Map<number, number>()
  const out = new Set<Token>()
  const complain = (operation: Operation, what: string) =>
    complaints.push(`${what}: ${operation.sequence} page ${operation.page} ${operation.function}`)
  let time = 0
  for (const operation of log) {
    const { page, op, val, ret, take, give } = operation
    if (operation.time < time) complain(operation, 'back in time')
    time = operation.time
    const before = counts.get(page) ?? 0
    const [after, returns] = kernelSays(operation, before)
    if (before !== operation.before || after !== operation.after || returns !== ret) complain(operation, 'wrong count')
    counts.set(page, after)
    const held = give.every(token => out.delete(token))
    if (op !== Op.MOD_UNLESS || ret !== 0) for (const token of take) out.add(token)
    if (time >= spoiltFrom(page)) continue
    if (op === Op.SET && operation.life === 0) continue
    const changed = op === Op.SET ? val : after - before
    units.set(page, (units.get(page) ?? 0) + changed)
    if (!held) complain(operation, 'given back without being held')
    if (after < idle) complain(operation, 'below idle')
    if (units.get(page) !== after - idle) complain(operation, 'count and references differ')
    const handsOut = op === Op.SET || (idle === 1 && before === idle && op === Op.MOD)
    if (handsOut && (before !== idle || after !== idle + 1 || take.length !== 1)) complain(operation, 'bad hand-out')
    if (!handsOut && op === Op.MOD && before <= idle) complain(operation, 'get on a free page')
    if (changed > 0 && take.length === 0) complain(operation, 'taken for nobody')
    if (changed < 0 && give.reduce((sum, token) => sum + token.units, 0) !== -changed)
      complain(operation, 'given for nobody')
  }
  return { complaints, out, counts }
}

function spoiltFrom(run: Run, seed: number): (page: number) => number {
  const from = new Map<number, number>()
  for (const { kind, pfn, cascade, time } of recordingOf(seed, run).truth.planted) {
    if (kind === 'leak') continue
    for (const page of [pfn, ...cascade]) from.set(page, Math.min(time, from.get(page) ?? Number.POSITIVE_INFINITY))
  }
  return page => from.get(run.firstPfn + page) ?? Number.POSITIVE_INFINITY
}

describe('the log agrees with the truth', () => {
  test.each(SEEDS)('seed %i', seed => {
    const run = simulate(seed, WHOLE)
    const { memory, conditions, faults } = run
    const { complaints, out, counts } = replay(memory.log, memory.idle, spoiltFrom(run, seed))
    expect(complaints.slice(0, 5)).toEqual([])
    // What was planted is what shows in the log, and nothing else does.
    const planted = (kind: string) => memory.plants.filter(plant => plant.kind === kind)
    const sum = (list: readonly { units: number }[]) => list.reduce((all, { units }) => all + units, 0)
    const leaked = memory.tokens.filter(token => token.leaked)
    expect(sum(planted('leak'))).toBe(sum(leaked))
    const ids = (tokens: readonly Token[]) => tokens.map(({ id }) => id).sort((a, b) => a - b)
    expect(ids(planted('leak').flatMap(({ tokens }) => tokens))).toEqual(ids(leaked))
    const surplus = memory.log.filter(operation => operation.surplus)
    const blamed = new Set(planted('surplus-put').map(({ operation }) => operation))
    expect(surplus.filter(operation => !blamed.delete(operation))).toEqual([])
    expect(blamed.size).toBe(0)
    expect(leaked.every(token => out.has(token))).toBe(true)
    if (conditions.faults === 0) expect([faults.list, memory.plants, [...memory.spoilt]]).toEqual([[], [], []])
    if (conditions.end !== 'drained') return
    expect(run.world.schedule.live.size).toBe(0)
    const hidden = new Set(planted('no-init').map(({ page }) => page))
    expect([...out].filter(token => !token.leaked && !hidden.has(token.page)).length).toBe(0)
    expect(recordingOf(seed, run).truth.held).toEqual([])
    const missing = new Map<number, number>()
    for (const { page, units } of leaked) missing.set(page, (missing.get(page) ?? 0) + units)
    const sound = [...counts].filter(([page]) => !memory.spoilt.has(page))
    expect(sound.filter(([page, count]) => count !== memory.idle + (missing.get(page) ?? 0))).toEqual([])
  })
})

test('the oracle sees what is wrong with a log', () => {
  const run = simulate(1, { ...WHOLE, faults: 0, end: 'drained', protocol: 'private' })
  const { log } = run.memory
  const complaintsOf = (changed: readonly Operation[]) => replay(changed, 0, () => Number.POSITIVE_INFINITY).complaints
  expect(complaintsOf(log)).toEqual([])
  const put = log.findLast(({ give }) => give.length > 0)!
  expect(complaintsOf(log.filter(operation => operation !== put && operation.page === put.page))).toEqual([])
  expect(
    replay(
      log.filter(operation => operation !== put),
      0,
      () => Number.POSITIVE_INFINITY,
    ).out.size,
  ).toBe(put.give.length)
  const get = log.find(({ op, take }) => op === Op.MOD && take.length > 0)!
  expect(complaintsOf(log.filter(operation => operation !== get)).length).toBeGreaterThan(0)
  expect(complaintsOf([...log, { ...put, sequence: log.length }]).length).toBeGreaterThan(0)
})

describe('a recording is what tracing makes of the log', () => {
  test.each(SEEDS.slice(0, 20))('seed %i', seed => {
    const run = simulate(seed, WHOLE)
    const { recorder, memory, conditions } = run
    const later = new Map<number, number[]>()
    const last = new Map<number, number>()
    const wrong: string[] = []
    const must = (holds: boolean, what: string) => holds || wrong.push(what)
    // Backwards, so that what is there of a page is what came no earlier than the operation at hand.
    const byOperation = new Map(recorder.rows.map(row => [recorder.operations.get(row)!, row]))
    for (const operation of [...memory.log].reverse()) {
      const { page, after, sequence } = operation
      const counts = later.get(page) ?? []
      counts.push(after)
      later.set(page, counts)
      const row = byOperation.get(operation)
      if (row === undefined) continue
      const same = row.op === operation.op && row.val === operation.val && row.ret === operation.ret
      must(same && row.pfn === run.firstPfn + page, `${sequence} is another operation`)
      must(operation.stamped! >= operation.time, `${sequence} is stamped before it happens`)
      must(counts.includes(row.count), `${sequence} has a count that the page never has again`)
      must(row.time % conditions.clocks.grain === 0, `${sequence} is stamped too finely`)
    }
    for (const row of recorder.rows) {
      must(row.time >= (last.get(row.cpu) ?? Number.NEGATIVE_INFINITY), `${row.time} is out of order on its CPU`)
      last.set(row.cpu, row.time)
    }
    expect(wrong).toEqual([])
    // The end may come between an operation and its event.
    expect(memory.log.length - recorder.rows.length).toBeLessThanOrEqual(conditions.end === 'drained' ? 0 : 100)
  })
})

test('a seed always makes the same recording', async () => {
  for (const seed of [3, 8, 26]) {
    const [one, two] = [makeRecording(seed), makeRecording(seed)]
    expect(JSON.stringify(two.rows, plain)).toBe(JSON.stringify(one.rows, plain))
    expect(two.truth).toEqual(one.truth)
    let events = 0
    for await (const batch of one.recording(500).batches()) events += batch.length
    expect(events).toBe(one.rows.length)
  }
})

test('everything there is comes up, and recordings are of the size that they should have', () => {
  const causes = new Set<string>()
  const seen = new Set<string>()
  let decidable = 0
  for (let seed = 100; seed < 260; seed++) {
    const { truth, conditions, rows } = makeRecording(seed, seed % 4 === 0 ? {} : { events: 1500 })
    for (const { cause } of truth.planted) causes.add(cause)
    decidable += truth.planted.filter(planted => planted.decidable).length
    for (const key of ['protocol', 'end', 'lost', 'filter', 'policy'] as const) seen.add(`${key} ${conditions[key]}`)
    expect(rows.length).toBeLessThan(35_000)
    for (const { functions, pfn } of truth.planted) {
      expect(functions.length).toBeGreaterThan(0)
      expect(rows.some(row => row.pfn === pfn)).toBe(true)
    }
  }
  expect(causes).toEqual(new Set(CAUSES))
  expect(seen.size).toBe(2 + 3 + 3 + 4 + 4)
  expect(decidable).toBeGreaterThan(100)
})

test('what was lost is missing, and the recording says so only if it should', () => {
  for (const lost of ['marked', 'unmarked'] as const) {
    const whole = makeRecording(7, { ...WHOLE, end: 'quiet' })
    const some = makeRecording(7, { ...WHOLE, end: 'quiet', lost })
    expect(some.rows.length).toBeLessThan(whole.rows.length)
    expect(some.truth.held).toEqual(whole.truth.held)
  }
})

test('a page that is freed twice is handed out twice', () => {
  for (const policy of POLICIES) {
    const list = new FreeList(policy, 4, random(1))
    const page = list.pop()!
    list.push(page)
    list.push(page)
    const popped = Array.from({ length: 5 }, () => list.pop())
    expect(popped.filter(other => other === page).length).toBeGreaterThanOrEqual(2)
  }
})

test('matching finds partners for all by moving others', () => {
  const fits = (a: number, b: number) => a >= b
  expect(allMatched([2, 1], [1, 2], fits)).toBe(true)
  expect(allMatched([1, 1], [1, 2], fits)).toBe(false)
  expect(allMatched([3, 3, 3], [1, 2], fits)).toBe(false)
})

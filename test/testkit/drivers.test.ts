// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Holds the simulated drivers to what a kernel can do. Nothing of the ledger is used here: counts are added up anew from
 * the operations, and holders from takes and puts.
 */
import { describe, expect, it } from 'vitest'
import { Op } from '../../src/trace/events.ts'
import { CLOCKS } from '../../testkit/drivers/clocks.ts'
import { FILTERS, STARTS } from '../../testkit/drivers/conditions.ts'
import { drawOptions, ENDS } from '../../testkit/drivers/driver.ts'
import { FAULT_KINDS } from '../../testkit/drivers/faults.ts'
import type { TrueEvent } from '../../testkit/drivers/kernel.ts'
import { makeRecording, type SimulatedRecording } from '../../testkit/drivers/make.ts'
import { PROTOCOLS, RULES } from '../../testkit/drivers/protocols.ts'
import { SUBSYSTEM_KINDS } from '../../testkit/drivers/subsystems/index.ts'

const SMALL = { events: 1200, pages: 40 }
const WHOLE = { start: 'whole', startAt: 0, markedGaps: 0, unmarked: 'none', stacks: true } as const
const seeds = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + i)

const correct = (seed: number) =>
  makeRecording(seed, {
    driver: { ...SMALL, bugs: [], protocol: PROTOCOLS[seed % PROTOCOLS.length]!, end: ENDS[seed % ENDS.length]! },
    conditions: WHOLE,
  })

function grouped<K>(events: readonly TrueEvent[], keyOf: (event: TrueEvent) => K): Map<K, TrueEvent[]> {
  const groups = new Map<K, TrueEvent[]>()
  for (const event of events) {
    const group = groups.get(keyOf(event))
    if (group === undefined) groups.set(keyOf(event), [event])
    else group.push(event)
  }
  return groups
}

const byPage = (events: readonly TrueEvent[]) => grouped(events, event => event.page)

/** What the operation does to a count, said once more and apart from the simulator. */
function counted(before: number, { op, val }: TrueEvent): { after: number; ret: number } {
  switch (op) {
    case Op.SET:
      return { after: val, ret: 0 }
    case Op.MOD:
      return { after: before + val, ret: 0 }
    case Op.MOD_AND_TEST:
      return { after: before + val, ret: before + val === 0 ? 1 : 0 }
    case Op.MOD_AND_RETURN:
      return { after: before + val, ret: before + val }
    default:
      return before === 0 ? { after: 0, ret: 0 } : { after: before + val, ret: 1 }
  }
}

describe('a simulated driver', () => {
  it('is the same for the same seed, and another for another', () => {
    const text = ({ rows, truth, conditions, driver }: SimulatedRecording) =>
      JSON.stringify([
        rows.map(({ time, cpu, op, pid, pfn, val, ret, count, stack }) => [
          [time, cpu, op, pid, pfn, val, ret, count],
          stack?.map(({ name, offset }) => `${name}+${offset}`),
        ]),
        [truth, conditions, driver],
      ])
    for (const seed of [3, 5, 6, 23]) expect(text(makeRecording(seed))).toBe(text(makeRecording(seed)))
    expect(text(makeRecording(3))).not.toBe(text(makeRecording(4)))
  })

  it('does what the atomic operations do, faults or not', () => {
    for (const seed of seeds(60)) {
      const { run } = makeRecording(seed, { driver: SMALL })
      for (const events of byPage(run.kernel.events).values()) {
        let count = 0
        for (const event of events) {
          const { after, ret } = counted(count, event)
          expect([seed, event.after, event.ret]).toEqual([seed, after, ret])
          count = after
        }
      }
    }
  })

  it('has its operations in order, and stamps them within bounds', () => {
    for (const seed of seeds(40)) {
      const { run } = makeRecording(seed, { driver: SMALL })
      const { events } = run.kernel
      const last = new Map<number, number>()
      for (const [i, { moments, pid, reference }] of events.entries()) {
        expect(moments.opTime).toBeGreaterThanOrEqual(events[i - 1]?.moments.opTime ?? 0)
        expect(moments.stamp).toBeGreaterThan(moments.opTime)
        expect(moments.read).toBeGreaterThan(moments.stamp)
        expect(moments.stamp - moments.opTime).toBeLessThan(8_000_000)
        // A task does one thing after another; softirqs come in between.
        const softirq = events[i]!.stack.some(({ name }) => name === 'handle_softirqs')
        if (softirq || reference === undefined) continue
        expect(moments.opTime).toBeGreaterThanOrEqual(last.get(pid) ?? 0)
        last.set(pid, moments.stamp)
      }
    }
  })

  it('lets no task use a CPU while another does', () => {
    for (const seed of seeds(30)) {
      const { run } = makeRecording(seed, { driver: { ...SMALL, cpus: 2 } })
      for (const events of grouped(run.kernel.events, event => event.cpu).values()) {
        const tasks = events.filter(event => !event.stack.some(({ name }) => name === 'handle_softirqs'))
        for (const [i, { moments, pid }] of tasks.entries()) {
          const before = tasks[i - 1]
          // A task that lost its CPU between operation and stamp is the only one that may be overtaken.
          if (before === undefined || before.pid === pid || before.moments.stamp - before.moments.opTime > 400_000)
            continue
          expect(moments.opTime).toBeGreaterThanOrEqual(before.moments.read)
        }
      }
    }
  })
})

describe('a correct driver', () => {
  it('returns every reference or truly holds it', () => {
    for (const seed of seeds(90)) {
      const { run, truth } = correct(seed)
      const { rules } = run.kernel
      expect([seed, truth.faults, truth.cascade, truth.correct]).toEqual([seed, [], [], true])
      const held = new Map<number, number>()
      for (const { pfn, units } of truth.held) held.set(pfn, (held.get(pfn) ?? 0) + units)
      if (run.options.end === 'drained') {
        const stuck = truth.held.filter(({ subsystem }) => !subsystem.startsWith('mailbox'))
        expect([seed, stuck]).toEqual([seed, []])
      }
      for (const [page, events] of byPage(run.kernel.events)) {
        // Where a page is handed out as it is, with its idle count of 1, that count is then its user's.
        const silent = rules.handOut === undefined && held.has(page.pfn) ? 1 : 0
        const gone = run.options.end === 'teardown' && rules.teardownPuts ? 1 : 0
        const expected = rules.idle + (held.get(page.pfn) ?? 0) - silent - gone
        if (run.options.end !== 'cut')
          expect([seed, page.pfn, events.at(-1)!.after]).toEqual([seed, page.pfn, expected])
      }
    }
  })

  it('never frees a page that somebody holds, nor takes a free one', () => {
    for (const seed of seeds(90)) {
      const { run } = correct(seed)
      const { idle, reuse } = run.kernel.rules
      for (const events of byPage(run.kernel.events).values()) {
        let open = 0
        for (const { op, role, val, ret, after, reference } of events) {
          if (role === 'take' && (op !== Op.MOD_UNLESS || ret === 1)) open += val
          if (role === 'put') open += val
          if (role === 'take' && op === Op.MOD && reuse === 'callback') expect(after).toBeGreaterThan(Math.max(1, idle))
          expect(after).toBeGreaterThanOrEqual(0)
          if (role === 'hand-out' && reference !== undefined && op === Op.SET) expect(open).toBe(0)
          if (role === 'hand-out') open += val
        }
      }
    }
  })
})

describe('a recording', () => {
  it('shows counts that the page had between the operation and the reading', () => {
    for (const seed of seeds(40)) {
      const { rows, run, conditions } = makeRecording(seed, { driver: SMALL })
      const pages = byPage(run.kernel.events)
      for (const { event, count } of rows) {
        const { stamp, read } = event.moments
        const until = conditions.clock.kind === 'perf' ? stamp : read
        const there = pages.get(event.page)!
        const later = there.slice(there.indexOf(event) + 1)
        const meanwhile = later.filter(({ moments }) => moments.opTime <= until)
        expect([event.after, ...meanwhile.map(({ after }) => after)]).toContain(count)
      }
    }
  })

  it('keeps the order of each CPU, and of time', () => {
    for (const seed of seeds(60)) {
      const { rows } = makeRecording(seed, { driver: SMALL })
      const last = new Map<number, number>()
      for (const [i, { time, cpu, stamp }] of rows.entries()) {
        expect(time).toBeGreaterThanOrEqual(rows[i - 1]?.time ?? 0)
        expect(stamp).toBeGreaterThanOrEqual(last.get(cpu) ?? 0)
        last.set(cpu, stamp)
      }
    }
  })

  it('gives its events to a reader as they are', async () => {
    for (const seed of [1, 2, 9]) {
      const made = makeRecording(seed)
      const recording = made.recording()
      let at = 0
      for await (const batch of recording.batches()) {
        for (let i = 0; i < batch.length; i++, at++) {
          const row = made.rows[at]!
          expect([batch.time[i], batch.pfn[i], batch.count[i], batch.val[i]]).toEqual([
            row.time,
            row.pfn,
            row.count,
            row.val,
          ])
          const names = [...recording.stacks.frames(batch.stack[i]!)].map(id => recording.stacks.frame(id).name)
          expect(names).toEqual(row.stack?.map(({ name }) => name) ?? [])
        }
      }
      expect(at).toBe(made.rows.length)
    }
  })
})

describe('a planted fault', () => {
  const broken = (seed: number) =>
    makeRecording(seed, { driver: { ...SMALL, bugs: [{ strikes: 1 }], end: 'drained' }, conditions: WHOLE })

  it('leaves exactly the missing units, where it is a leak', () => {
    let leaks = 0
    for (const seed of seeds(120)) {
      const { truth, run } = broken(seed)
      const [leak] = truth.faults
      if (leak?.kind !== 'leak') continue
      leaks++
      expect([seed, truth.faults.length, truth.cascade]).toEqual([seed, 1, []])
      const silent = run.kernel.rules.handOut === undefined ? 1 : 0
      const others = truth.held.filter(({ pfn }) => pfn === leak.pfn).reduce((sum, { units }) => sum + units, 0)
      const page = run.world.pages.find(({ pfn }) => pfn === leak.pfn)!
      // No page table maps it any more: a mapping that is still there would hold its reference.
      if (others === 0) expect([seed, page.mapcount]).toEqual([seed, -1])
      expect([seed, page.count]).toEqual([seed, run.kernel.rules.idle + leak.units + others - silent])
    }
    expect(leaks).toBeGreaterThan(20)
  })

  it('comes after events in which the page is as it should be', () => {
    let surplus = 0
    for (const seed of seeds(120)) {
      const { truth, run } = broken(seed)
      const [fault] = truth.faults
      if (fault?.kind !== 'surplus-put') continue
      surplus++
      const [planted] = run.faults.planted
      const { page, event } = planted!
      expect(page.taintedAt).toBe(event!.moments.opTime)
      expect(event!.val).toBeLessThanOrEqual(-fault.units)
      // Nobody's page is spoilt before.
      for (const other of run.world.pages) expect(other.taintedAt ?? Infinity).toBeGreaterThanOrEqual(page.taintedAt!)
    }
    expect(surplus).toBeGreaterThan(20)
  })

  it('cannot be told where a surplus put leaves what the last put of any lifetime leaves', () => {
    const silent = PROTOCOLS.filter(protocol => RULES[protocol].handOut === undefined)
    let surplus = 0
    for (const seed of seeds(50)) {
      const { truth, run } = makeRecording(seed, {
        driver: { ...SMALL, bugs: [{ strikes: 1 }], protocol: silent[seed % silent.length]! },
        conditions: WHOLE,
      })
      const [fault] = truth.faults
      if (fault?.kind !== 'surplus-put' || run.faults.planted[0]!.event!.after < 0) continue
      surplus++
      expect([seed, fault.decidable]).toEqual([seed, false])
    }
    expect(surplus).toBeGreaterThan(8)
  })
})

describe('the seeds', () => {
  it('bring every subsystem, protocol, fault and condition', () => {
    const met = new Set<string>()
    for (const seed of seeds(400)) {
      const { run, truth, conditions } = makeRecording(seed, { driver: { events: 600, pages: 32 } })
      for (const { name } of run.subsystems) met.add(name.replace(/\d+$/, ''))
      for (const { kind } of truth.faults) met.add(kind)
      met.add(run.options.protocol).add(conditions.clock.kind).add(conditions.start).add(conditions.end)
      met
        .add(conditions.unmarked)
        .add(conditions.markedGaps > 0 ? 'marked' : 'unmarked')
        .add(`stacks ${conditions.stacks}`)
      if (truth.faults.length > 1) met.add('several')
      if (truth.cascade.length > truth.faults.length) met.add('cascade')
    }
    const all = [SUBSYSTEM_KINDS, PROTOCOLS, FAULT_KINDS, CLOCKS, STARTS, FILTERS, ENDS].flat()
    for (const what of [...all, 'marked', 'stacks false', 'several', 'cascade']) expect([...met]).toContain(what)
  })

  it('make half of the drivers correct', () => {
    const faulty = seeds(1000).filter(seed => drawOptions(seed).bugs.length > 0).length
    expect(faulty).toBeGreaterThan(430)
    expect(faulty).toBeLessThan(570)
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
/** One run of one random driver from set-up to end, with its truth. */
import { type Random, random } from '../random.ts'
import { type Conditions, conditionsOf } from './conditions.ts'
import { Faults } from './faults.ts'
import { invent } from './invent.ts'
import { Kernel } from './kernel.ts'
import type { Driver } from './machine.ts'
import { Memory } from './memory.ts'
import { Names } from './names.ts'
import { Recorder } from './recorder.ts'
import { World } from './world.ts'

/** After this many mean intervals between objects without an event, the load is ended: all pages have leaked. */
const STALLED = 300

export interface Run {
  conditions: Conditions
  driver: Driver
  kernel: Kernel
  memory: Memory
  recorder: Recorder
  faults: Faults
  world: World
  firstPfn: number
  /** Number of events of the set-up. */
  setUp: number
  /** True time of the recording's end. */
  end: number
}

/** An independent stream of random numbers, so that what one part draws does not change another's. */
const stream = (seed: number, n: number): Random =>
  random(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b))

export function simulate(seed: number, change: Partial<Conditions> = {}): Run {
  const conditions = { ...conditionsOf(stream(seed, 0)), ...change }
  const names = new Names(stream(seed, 1))
  const r = stream(seed, 2)
  const kernel = new Kernel({ ...conditions, name: () => names.word() }, stream(seed, 3))
  const driver = invent(stream(seed, 4), names, conditions.protocol)
  const firstPfn = 0x1000 * r.int(0x100, 0xff00)
  const recorder = new Recorder(kernel, conditions.clocks, firstPfn, stream(seed, 5))
  const { protocol, pages, policy } = conditions
  const memory = new Memory(protocol, pages, policy, kernel, recorder, names, stream(seed, 6))
  const faults = new Faults(driver, names, conditions.faults, stream(seed, 7))
  const world = new World(driver, kernel, memory, faults, stream(seed, 8))
  memory.setUp(driver.setUp)
  const setUp = recorder.rows.length
  load(conditions, kernel, recorder, faults, world, r)
  const end = finish(conditions, kernel, world, r)
  return { conditions, driver, kernel, memory, recorder, faults, world, firstPfn, setUp, end }
}

/** Creates objects at random times until there are enough events. */
function load(
  { events, between }: Conditions,
  kernel: Kernel,
  { rows }: Recorder,
  faults: Faults,
  world: World,
  r: Random,
): void {
  const before = rows.length
  let made = before
  let since = kernel.now
  const enough = () => {
    if (rows.length > made) {
      made = rows.length
      since = kernel.now
    }
    return made - before >= events || kernel.now - since > STALLED * between
  }
  let over = false
  const next = () => {
    if (over) return
    faults.progress = (rows.length - before) / events
    world.make()
    kernel.at(kernel.now + 1 - Math.round(Math.log(1 - r()) * between), next)
  }
  kernel.at(kernel.now, next)
  kernel.run(Number.POSITIVE_INFINITY, enough)
  over = true
}

/** Runs what follows the load. @returns the time of the recording's end */
function finish({ end, silence }: Conditions, kernel: Kernel, { schedule }: World, r: Random): number {
  if (end === 'cut') return kernel.now
  const { now } = kernel
  kernel.run(Math.round(now + now * r() * 0.3))
  if (end === 'drained') {
    schedule.drain()
    kernel.run(Number.POSITIVE_INFINITY)
  }
  kernel.run(Math.round(kernel.now + now * silence))
  return kernel.now
}

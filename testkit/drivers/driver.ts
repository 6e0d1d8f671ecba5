// SPDX-License-Identifier: GPL-2.0-or-later
/** Draws a random driver and runs it. All of its operations are logged as true events; the recording is made of these later. */

import { Op } from '../../src/trace/events.ts'
import { type Random, random } from '../random.ts'
import { logUniform, shuffled, weighted } from './chances.ts'
import { type Bug, Faults } from './faults.ts'
import { FREE_LISTS, freeList } from './free-list.ts'
import { Kernel } from './kernel.ts'
import { Machine, type Steps } from './machine.ts'
import { DriverNames } from './names.ts'
import { Page } from './pages.ts'
import { PROTOCOLS, type Protocol, RULES } from './protocols.ts'
import { INSMOD_TAIL, kernelSite, RMMOD_TAIL, Site, Tail } from './stacks.ts'
import { drawSubsystems, modesOf } from './subsystems/index.ts'
import { Scanner } from './subsystems/scanner.ts'
import type { Subsystem } from './subsystems/subsystem.ts'
import { type Habits, ROOT, Root, user } from './users.ts'
import { World } from './world.ts'

export const ENDS = ['cut', 'quiet', 'drained', 'teardown'] as const
export type End = (typeof ENDS)[number]

export interface DriverOptions {
  seed: number
  protocol: Protocol
  pages: number
  cpus: number
  /** Approximate number of events. */
  events: number
  end: End
  /** The bugs of the driver: for each, how often it strikes. */
  bugs: { strikes: number }[]
}

/** Draws the options of a driver. Half of the drivers are correct. */
export function drawOptions(seed: number): DriverOptions {
  const r = random(seed)
  const strikes = () =>
    weighted(r, [
      [70, 1],
      [30, Math.round(logUniform(r, 2, 200))],
    ] as const)
  const bugs = weighted(r, [
    [50, 0],
    [36, 1],
    [8, 2],
    [4, 3],
    [2, 4],
  ] as const)
  return {
    seed,
    protocol: weighted(r, [
      [30, 'E'],
      [14, 'G'],
      ...PROTOCOLS.filter(protocol => protocol !== 'E' && protocol !== 'G').map(protocol => [8, protocol] as const),
    ]),
    pages: Math.round(logUniform(r, 32, 256)),
    cpus: weighted(r, [
      [10, 1],
      [35, 2],
      [35, 4],
      [20, 8],
    ] as const),
    events: Math.round(r.chance(0.9) ? logUniform(r, 1000, 9000) : logUniform(r, 9000, 30000)),
    end: weighted(r, [
      [30, 'cut'],
      [30, 'quiet'],
      [25, 'drained'],
      [15, 'teardown'],
    ] as const),
    bugs: Array.from({ length: bugs }, () => ({ strikes: strikes() })),
  }
}

/** The result of running a driver. */
export interface Run {
  options: DriverOptions
  kernel: Kernel
  world: World
  subsystems: Subsystem[]
  faults: Faults
  /** Begin and end of the traffic, on the simulated machine's clock. */
  began: number
  ended: number
  ksoftirqd: number[]
}

const FIRST_PFN = 0xf000000

export function runDriver(options: DriverOptions): Run {
  const r = random(options.seed ^ 0x5eed)
  const rules = RULES[options.protocol]
  const pace = {
    speed: logUniform(r, 0.3, 5),
    interrupts: logUniform(r, 0.0001, 0.005),
    preempted: r.pick([0, 0, 0.00005, 0.0005]),
  }
  const machine = new Machine(options.cpus, r, pace)
  const ksoftirqd = Array.from({ length: options.cpus }, (_, cpu) => 14 + 6 * cpu)
  const kernel = new Kernel(machine, rules, freeList(r.pick(FREE_LISTS), r), r, ksoftirqd)
  const base = FIRST_PFN + r.int(0, 255) * 0x1000
  const pages = Array.from({ length: options.pages }, (_, index) => new Page(base + index, index))
  let setupEvents = 0
  const bugs: Bug[] = []
  const faults = new Faults(bugs, () => (kernel.events.length - setupEvents) / options.events)
  const world = new World(kernel, r, new DriverNames(r), faults, pages, logUniform(r, 2000, 400_000))
  world.addUsers(r.int(1, Math.max(3, options.cpus + 1)))
  const root = new Root(world)
  const subsystems = drawSubsystems(world)
  bugs.push(...drawBugs(options, r, world, subsystems, root))

  machine.spawn(setUp(world))
  machine.run()
  setupEvents = kernel.events.length
  machine.now += 1_000_000
  const began = machine.now
  startTraffic(options, world, root, subsystems, setupEvents)
  machine.run()
  const ended = machine.now
  if (options.end !== 'cut') finish(options.end, world, subsystems)
  return { options, kernel, world, subsystems, faults, began, ended, ksoftirqd }
}

function drawBugs(options: DriverOptions, r: Random, world: World, subsystems: Subsystem[], root: Root): Bug[] {
  const owners = [
    ...subsystems.map(subsystem => ({ owner: subsystem.name, modes: modesOf(subsystem, world) })),
    { owner: ROOT, modes: root.modes() },
  ]
  return options.bugs.map(({ strikes }) => {
    const { owner, modes } = r.pick(owners)
    const at = 0.15 + 0.6 * r()
    return { owner, mode: r.pick(modes), at, every: strikes === 1 ? 1 : (0.9 - at) / strikes, left: strikes }
  })
}

function startTraffic(
  options: DriverOptions,
  world: World,
  root: Root,
  subsystems: Subsystem[],
  setupEvents: number,
): void {
  const { machine, kernel, random: r } = world
  const limit = setupEvents + options.events
  const share = (0.9 * world.pages.length) / world.users.length
  const habits: Habits = { pages: Math.max(1, Math.floor(share * r.pick([0.05, 0.2, 0.5, 1]))), uses: r.int(1, 12) }
  for (const context of world.users)
    machine.spawn(user(context, world, root, subsystems, habits), world.wait(world.think))
  for (const subsystem of subsystems) subsystem.start()
  machine.spawn(watch(world, options, limit, kernel))
}

/** Ends the traffic after enough events, or when nothing happens any more, for example because all pages have leaked. */
function* watch(world: World, options: DriverOptions, limit: number, kernel: Kernel): Steps {
  let quiet = 0
  let before = 0
  while (kernel.events.length < limit && quiet < 50) {
    quiet = kernel.events.length === before ? quiet + 1 : 0
    before = kernel.events.length
    // A preempted user may make no events for a few milliseconds.
    yield quiet === 0 ? world.think * 4 : Math.max(world.think * 4, 400_000)
  }
  world.traffic = false
  if (options.end === 'cut') world.machine.stop()
}

function finish(end: End, world: World, subsystems: Subsystem[]): void {
  const { machine, random: r } = world
  machine.now += 1_000_000
  if (end !== 'quiet') {
    for (const subsystem of shuffled(r, subsystems)) machine.spawn(subsystem.drain(), 10_000)
    machine.run()
    machine.now += 1_000_000
  }
  for (const scanner of subsystems) {
    if (scanner instanceof Scanner && r.chance(0.5)) machine.spawn(scanner.after(r.int(5, 2 * world.pages.length)))
  }
  machine.run()
  machine.now += 5_000_000
  if (end === 'teardown') machine.spawn(tearDown(world))
  machine.run()
}

const INIT = '__init_zone_device_page+0x41 memmap_init_zone_device+0x131 memremap_pages+0x3a7'

/** memremap_pages(): sets the counts. The driver's init function has no name in stacks, since its text is freed afterwards. */
function* setUp(world: World): Steps {
  const { kernel, pages, random: r } = world
  const probe = 0xffffffffa000b000n + BigInt(r.int(0x10, 0x400))
  const nameless = { address: probe, name: probe.toString(16), offset: undefined, module: undefined }
  const context = {
    task: world.task('modprobe', world.anyCpu()),
    tail: new Tail([r.chance(0.5) ? nameless : world.names.entry(), ...INSMOD_TAIL]),
  }
  const first = kernelSite(INIT, [])
  const second = kernelSite('memmap_init_zone_device+0x151 memremap_pages+0x3a7', [])
  for (const page of pages) {
    for (const [i, val] of kernel.rules.setup.entries())
      yield* kernel.change(context, { page, op: Op.SET, val, site: i === 0 ? first : second, role: 'setup' })
  }
  for (const page of shuffled(r, pages)) kernel.free.push(page)
}

/** Unloads the driver: it checks for pages in use, and memunmap_pages() puts each page if the protocol says so. */
function* tearDown(world: World): Steps {
  const { kernel, pages, random: r } = world
  const entry = world.names.entry()
  const context = { task: world.task('rmmod', world.anyCpu()), tail: new Tail([entry, ...RMMOD_TAIL]) }
  const look = kernelSite('migrate_device_range+0x5e', ['migrate_device_range'])
  const drop = kernelSite('migrate_device_finalize+0x1f0', ['migrate_device_finalize'])
  const last = new Site(kernelSite('memunmap_pages+0xb5', []).frames, [])
  const evicts = kernel.rules.reuse === 'callback' && kernel.rules.idle === 0 && r.chance(0.7)
  for (const page of evicts ? pages : []) {
    const seen = yield* kernel.take(context, page, look, 'teardown', { op: Op.MOD_UNLESS })
    if (seen !== undefined) yield* kernel.put(context, seen, drop)
  }
  if (!kernel.rules.teardownPuts) return
  for (const page of pages)
    yield* kernel.change(context, { page, op: kernel.rules.putOp, val: -1, site: last, role: 'teardown' })
}

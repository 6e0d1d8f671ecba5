// SPDX-License-Identifier: GPL-2.0-or-later
/** Operations on page counts with their events, and the core's actions when a count reaches its idle value. */

import { type Frame, Op } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import type { FreeList } from './free-list.ts'
import type { Context, Landing, Machine, Moments, Operation, Steps, Task } from './machine.ts'
import type { Page, Reference } from './pages.ts'
import type { Rules } from './protocols.ts'
import { IRQ_ENTRY, type Site, SOFTIRQ_TAILS, Tail } from './stacks.ts'

export type Role = 'setup' | 'hand-out' | 'take' | 'put' | 'surplus' | 'stale' | 'reset' | 'look' | 'teardown'

/** An operation as it truly happened. The recording is made of these later. */
export interface TrueEvent {
  moments: Moments
  cpu: number
  pid: number
  op: Op
  page: Page
  val: number
  ret: number
  /** The count just after the operation. */
  after: number
  stack: readonly Frame[]
  site: Site
  role: Role
  reference: Reference | undefined
}

export interface Change {
  page: Page
  op: Op
  val: number
  site: Site
  role: Role
  reference?: Reference | undefined
  /** A condition that is checked atomically with the operation. If it is false, nothing is done. */
  when?: (() => boolean) | undefined
  /** Called atomically with the operation. */
  done?: ((event: TrueEvent) => void) | undefined
}

export interface TakeOptions {
  op?: Op
  val?: number
  units?: number
  when?: () => boolean
}

export class Kernel {
  readonly events: TrueEvent[] = []
  readonly references: Reference[] = []
  /** The same events by page. */
  readonly byPage = new Map<Page, TrueEvent[]>()
  readonly machine: Machine
  readonly rules: Rules
  readonly free: FreeList
  /** The tasks that interrupts can interrupt, by CPU. */
  readonly tasks: Task[] = []
  readonly #random: Random
  readonly #ksoftirqd: number[]

  constructor(machine: Machine, rules: Rules, free: FreeList, random: Random, ksoftirqd: number[]) {
    this.machine = machine
    this.rules = rules
    this.free = free
    this.#random = random
    this.#ksoftirqd = ksoftirqd
  }

  record(event: TrueEvent): void {
    this.events.push(event)
    const there = this.byPage.get(event.page)
    if (there === undefined) this.byPage.set(event.page, [event])
    else there.push(event)
  }

  /** Performs one operation. @returns undefined if its condition was false */
  *change(context: Context, change: Change): Steps<TrueEvent | undefined> {
    const operation = new ChangeOperation(this, context, change)
    yield operation
    return operation.event
  }

  *take(
    context: Context,
    page: Page,
    site: Site,
    owner: string,
    options: TakeOptions = {},
  ): Steps<Reference | undefined> {
    const { op = Op.MOD, units = 1, val = units } = options
    const reference = this.#reference(page, site, owner, units, false)
    const event = yield* this.change(context, {
      page,
      op,
      val,
      site,
      role: 'take',
      reference,
      when: options.when,
      done: ({ ret }) => {
        if (op !== Op.MOD_UNLESS || ret === 1) this.#hold(reference)
      },
    })
    return event === undefined || (op === Op.MOD_UNLESS && event.ret === 0) ? undefined : reference
  }

  /** Takes further units of a reference that is taken in two steps, like a pin by get_user_pages_fast(). */
  *more(context: Context, reference: Reference, site: Site, val: number): Steps {
    yield* this.change(context, { page: reference.page, op: Op.MOD, val, site, role: 'take', reference })
  }

  /** Puts units of a reference. @param op defaults to the protocol's operation of a single put */
  *put(
    context: Context,
    reference: Reference,
    site: Site,
    options: { units?: number; op?: Op; unmaps?: boolean; extra?: number } = {},
  ): Steps<TrueEvent> {
    const { units = reference.left, op = this.rules.putOp, unmaps = false, extra = 0 } = options
    const { page } = reference
    const event = yield* this.change(context, {
      page,
      op,
      val: -(units + extra),
      site,
      role: extra > 0 ? 'surplus' : 'put',
      reference,
      when: () => {
        // The page table entry is cleared before its reference is put.
        if (unmaps) page.setMapcount(page.mapcount - 1, this.machine.now)
        this.#giveUp(reference, units, site)
        if (extra > 0) page.taint(this.machine.now)
        return true
      },
      done: event => this.#checkFreed(event),
    })
    yield* this.#freed(context, event!)
    return event!
  }

  /** A put without a reference. */
  *surplusPut(context: Context, page: Page, site: Site, units: number, op = this.rules.putOp): Steps<TrueEvent> {
    const event = yield* this.change(context, {
      page,
      op,
      val: -units,
      site,
      role: 'surplus',
      done: event => {
        page.taint(event.moments.opTime)
        this.#checkFreed(event)
      },
    })
    yield* this.#freed(context, event!)
    return event!
  }

  /** Allocates a page. @param init false if the driver forgets to set the count @returns the reference that the user now holds */
  *handOut(context: Context, page: Page, site: Site, init = true): Steps<Reference | undefined> {
    const { handOut, reuse } = this.rules
    const reference = this.#reference(page, site, 'root', 1, true)
    // The page left the free list before this operation.
    if (page.live && reuse !== 'when-released') page.taint(this.machine.now)
    page.live = true
    const begin = () => {
      if (page.count !== this.#expected(page)) page.taint(this.machine.now)
      page.lives++
      this.#hold(reference)
      return true
    }
    if (handOut === undefined || !init) {
      begin()
      return reference
    }
    const event = yield* this.change(context, { page, ...handOut, site, role: 'hand-out', reference, when: begin })
    if (event!.op !== Op.MOD_UNLESS || event!.ret === 1) return reference
    this.#giveUp(reference, 1, site)
    return undefined
  }

  /** Count of a page that is not allocated, with the references of others, such as a scanner that visits idle pages. */
  #expected(page: Page): number {
    let count = this.rules.idle
    for (const { left, root } of page.open) if (!root) count += left
    return count
  }

  #reference(page: Page, site: Site, owner: string, units: number, root: boolean): Reference {
    return {
      page,
      life: page.lives,
      owner,
      site,
      taken: this.machine.now,
      units,
      left: units,
      root,
      returned: undefined,
      putSites: [],
      leaked: false,
    }
  }

  #hold(reference: Reference): void {
    reference.life = reference.page.lives
    reference.taken = this.machine.now
    reference.page.open.add(reference)
    this.references.push(reference)
  }

  #giveUp(reference: Reference, units: number, site: Site): void {
    reference.left -= units
    if (reference.putSites.at(-1) !== site) reference.putSites.push(site)
    if (reference.left > 0) return
    reference.returned = this.machine.now
    reference.page.open.delete(reference)
    if (reference.root) reference.page.live = false
  }

  #isFree(event: TrueEvent): boolean {
    return (event.op === Op.MOD_AND_TEST || event.op === Op.MOD_AND_RETURN) && event.ret === 1
  }

  /** Marks a page that becomes free while it is still held: a consequence of an earlier fault. */
  #checkFreed(event: TrueEvent): void {
    if (this.#isFree(event) && this.rules.reuse === 'callback' && event.page.open.size > 0)
      event.page.taint(event.moments.opTime)
  }

  /** free_zone_device_folio() and the like: the free callback, the count that the core sets, or the wake-up of a file system. */
  *#freed(context: Context, event: TrueEvent): Steps {
    const { page, site } = event
    const { resetTo, reuse } = this.rules
    if (reuse === 'when-released') {
      if (event.reference?.root && !this.free.has(page)) this.free.push(page)
    }
    if (!this.#isFree(event)) return
    if (resetTo !== undefined) {
      const where = site.through('free_zone_device_folio+0x8e __folio_put+0x45')
      yield* this.change(context, { page, op: Op.SET, val: resetTo, site: where, role: 'reset' })
    }
    if (reuse === 'callback') this.free.push(page)
    if (reuse === 'when-idle' && !page.live && !this.free.has(page)) this.free.push(page)
  }

  /** Returns the task that a softirq interrupts on this CPU. */
  landing(cpu: number, outer: TrueEvent | undefined): Landing {
    const random = this.#random
    if (outer !== undefined) return { pid: outer.pid, tail: new Tail([...IRQ_ENTRY, ...outer.stack]) }
    const chance = random()
    if (chance < 0.25) return { pid: this.#ksoftirqd[cpu]!, tail: SOFTIRQ_TAILS.ksoftirqd }
    if (chance < 0.7) return { pid: 0, tail: SOFTIRQ_TAILS.idle[cpu === 0 ? 0 : 1]! }
    const there = this.tasks.filter(task => task.cpu === cpu)
    return { pid: there.length > 0 ? random.pick(there).pid : 0, tail: random.pick(SOFTIRQ_TAILS.interrupted) }
  }
}

class ChangeOperation implements Operation {
  readonly context: Context
  moments?: Moments
  event: TrueEvent | undefined
  readonly #kernel: Kernel
  readonly #change: Change

  constructor(kernel: Kernel, context: Context, change: Change) {
    this.#kernel = kernel
    this.context = context
    this.#change = change
  }

  apply(moments: Moments, cpu: number, outer: Operation | undefined): boolean {
    const { page, op, val, site, role, reference, when, done } = this.#change
    if (when !== undefined && !when()) return false
    const ret = count(page, op, val, moments.opTime)
    const { pid, stack } = this.#where(cpu, outer)
    this.event = { moments, cpu, pid, op, page, val, ret, after: page.count, stack, site, role, reference }
    this.#kernel.record(this.event)
    done?.(this.event)
    return true
  }

  #where(cpu: number, outer: Operation | undefined): { pid: number; stack: readonly Frame[] } {
    const { op, site } = this.#change
    const { context } = this
    if (context.task !== undefined) return { pid: context.task.pid, stack: site.stack(op, context.tail) }
    const { pid, tail } = (context.landing ??= this.#kernel.landing(cpu, (outer as ChangeOperation | undefined)?.event))
    return { pid, stack: site.stackOn(op, [...context.handler.frames, ...tail.frames]) }
  }
}

/** Performs the atomic operation itself. @returns the `ret` of the event */
function count(page: Page, op: Op, val: number, time: number): number {
  if (op === Op.MOD_UNLESS && page.count === 0) return 0
  page.setCount(op === Op.SET ? val : page.count + val, time)
  if (op === Op.MOD_AND_TEST) return page.count === 0 ? 1 : 0
  if (op === Op.MOD_AND_RETURN) return page.count
  return op === Op.MOD_UNLESS ? 1 : 0
}

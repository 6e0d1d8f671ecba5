// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The pages: their counts, who really holds them, and a log of every operation in the order in which they happened, with the
 * references that each took or gave back. The log is the truth; the recording is what tracing made of it.
 */
import { Op } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import { FreeList, type Policy } from './free-list.ts'
import type { Code, Kernel } from './kernel.ts'
import type { Names, Site } from './names.ts'
import type { Operation, Token } from './operation.ts'
import type { Recorder } from './recorder.ts'

export interface Plant {
  kind: 'leak' | 'surplus-put' | 'get-on-free-page' | 'no-init'
  /** The mutation of the driver. */
  cause: string
  page: number
  life: number
  functions: string[]
  units: number
  time: number
  /** For a leak the lost references; below, for other faults the wrong operation. */
  tokens: readonly Token[]
  operation: Operation | undefined
  /** True if an earlier fault had already made the page's count wrong. */
  spoilt: boolean
}

interface Change {
  page: number
  op: Op
  val: number
  site: Site
  take?: readonly Token[]
  give?: readonly Token[]
  surplus?: boolean
  /** True for a page table's reference: the entry is set after a get, or cleared before a put. */
  mapped?: boolean
  /** Called directly after the operation, before any other, to record that it was wrong. */
  note?: ((operation: Operation) => void) | undefined
}

export class Memory {
  readonly log: Operation[] = []
  readonly tokens: Token[] = []
  readonly plants: Plant[] = []
  /** Pages with a wrong count, and the time when that first showed. */
  readonly spoilt = new Map<number, number>()
  readonly free: FreeList
  readonly counts: Int32Array
  readonly mapcounts: Int32Array
  readonly lives: Int32Array
  readonly idle: number
  readonly protocol: 'private' | 'fsdax'
  readonly pages: number
  readonly #kernel: Kernel
  readonly #recorder: Recorder
  readonly #random: Random
  readonly #names: Names

  constructor(
    protocol: 'private' | 'fsdax',
    pages: number,
    policy: Policy,
    kernel: Kernel,
    recorder: Recorder,
    names: Names,
    random: Random,
  ) {
    this.protocol = protocol
    this.pages = pages
    this.idle = protocol === 'private' ? 0 : 1
    this.free = new FreeList(policy, pages, random)
    this.counts = new Int32Array(pages)
    this.mapcounts = new Int32Array(pages).fill(-1)
    this.lives = new Int32Array(pages)
    this.#kernel = kernel
    this.#recorder = recorder
    this.#names = names
    this.#random = random
  }

  /** Makes the events of the pagemap's set-up, all by one task and without interruption. */
  setUp(site: Site): void {
    const { pid, cpu } = this.#kernel.tasks[0]!
    let time = 1_000_000
    const stacks = [false, true].map(second => this.#names.setUp(second, site))
    for (let page = 0; page < this.pages; page++) {
      for (const val of this.idle === 1 ? [1] : [1, 0]) {
        const first = val === 1
        const stack = stacks[first ? 0 : 1]!
        time += this.#random.int(300, 900)
        const operation = this.#operate({ page, op: Op.SET, val, site }, time)
        this.#recorder.setUp(operation, stack, { time, cpu, pid, first })
      }
    }
    this.#kernel.now = time + 100_000
  }

  #operate({ page, op, val, site, take = [], give = [], surplus = false }: Change, time: number): Operation {
    const before = this.counts[page]!
    let after = op === Op.SET ? val : before + val
    let ret = 0
    if (op === Op.MOD_UNLESS) {
      ret = before === 0 ? 0 : 1
      if (ret === 0) after = before
    } else if (op === Op.MOD_AND_TEST) ret = after === 0 ? 1 : 0
    else if (op === Op.MOD_AND_RETURN) ret = after
    this.counts[page] = after
    const operation: Operation = {
      sequence: this.log.length,
      time,
      page,
      op,
      val,
      ret,
      before,
      after,
      life: this.lives[page]!,
      function: site.function,
      take,
      give,
      surplus,
      stamped: undefined,
    }
    this.log.push(operation)
    if (after < 0) this.#goesWrong(page)
    return operation
  }

  #goesWrong(page: number): void {
    if (!this.spoilt.has(page)) this.spoilt.set(page, this.#kernel.now)
  }

  /** Performs one operation as the kernel does: the change, and then its event, with possible interruptions in between. */
  *change(change: Change): Code<Operation> {
    const { page, op, site } = change
    if (change.mapped && change.val < 0) this.mapcounts[page]! += change.val
    const operation = this.#operate(change, this.#kernel.now)
    change.note?.(operation)
    yield* this.#recorder.event(
      operation,
      (way, idle) => this.#names.stack(op, this.#helper(change), site, way, idle),
      () => [this.counts[page]!, this.mapcounts[page]!],
    )
    if (change.mapped && change.val > 0) this.mapcounts[page]! += change.val
    return operation
  }

  #helper({ op }: Change): string {
    if (op === Op.SET) return 'zone_device_page_init+0x31'
    return op === Op.MOD_AND_RETURN ? '__put_devmap_managed_folio_refs+0x2a' : ''
  }

  token(page: number, units: number, site: Site): Token {
    const token: Token = {
      id: this.tokens.length,
      page,
      units,
      function: site.function,
      taken: this.#kernel.now,
      life: this.lives[page]!,
      givenBy: undefined,
      given: undefined,
      leaked: false,
      uncounted: false,
      phantom: false,
    }
    this.tokens.push(token)
    return token
  }

  /** Allocates a page from the free list. @param silently true if the count is not set */
  *handOut(site: Site, silently: boolean, mapped: boolean): Code<Token | undefined> {
    const page = this.free.pop()
    if (page === undefined) return undefined
    this.lives[page]!++
    if (this.counts[page] !== this.idle) this.#goesWrong(page)
    const token = this.token(page, 1, site)
    token.uncounted = silently
    if (!silently) {
      const op = this.protocol === 'private' ? Op.SET : Op.MOD
      yield* this.change({ page, op, val: 1, site, take: [token], mapped })
    }
    return token
  }

  /** Puts references of one page at once. The page goes to the free list if its count becomes idle. */
  *put(page: number, give: readonly Token[], site: Site, mapped = false): Code<Operation> {
    const units = give.reduce((sum, token) => sum + token.units, 0)
    for (const token of give) {
      token.given = this.#kernel.now
      token.givenBy = site.function
    }
    return yield* this.#drop({ page, op: this.#putOp(), val: -units, site, give, mapped })
  }

  /** Puts `units` references that the caller does not hold. */
  *surplus(page: number, units: number, site: Site, note: (operation: Operation) => void): Code<Operation> {
    return yield* this.#drop({ page, op: this.#putOp(), val: -units, site, surplus: true, note })
  }

  #putOp(): Op {
    return this.protocol === 'private' ? Op.MOD_AND_TEST : Op.MOD_AND_RETURN
  }

  *#drop(change: Change): Code<Operation> {
    const operation = yield* this.change(change)
    const frees = this.protocol === 'private' ? operation.ret === 1 : operation.ret === this.idle
    if (frees) {
      yield { busy: this.#random.int(50, 800) }
      this.free.push(change.page)
    }
    return operation
  }

  /** Records a fault that has just happened. */
  plant(plant: Omit<Plant, 'life' | 'spoilt'> & { life?: number }): void {
    const { page, time } = plant
    // The operation itself may have been the first sign.
    const spoilt = (this.spoilt.get(page) ?? Number.POSITIVE_INFINITY) < time
    this.plants.push({ life: this.lives[page]!, ...plant, spoilt })
    if (plant.kind !== 'leak') this.#goesWrong(page)
  }
}

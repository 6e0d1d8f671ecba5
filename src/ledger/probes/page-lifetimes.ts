// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Lifetimes by probes alone: from the call that hands a page out to the page_free() that gives it back. A kernel without page_ref
 * events shows nothing else: it tells which pages are out, but not who holds references to them.
 */
import { growColumns } from '../../util/growable.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { Gaps } from '../track/lost-events.ts'
import type { OrderLimits } from '../track/order-limits.ts'
import type { Stamp } from './stamps.ts'

/** Number of lifetimes that are remembered; later ones replace the oldest. */
const MAX_LOGGED = 1 << 20

const FIRST_SIZE = 256

/** State of a page. */
const UNKNOWN = 0
const BUSY = 1
const FREE = 2

/** A hand-out or a return of a page, as its probe recorded it. */
export interface PageProbe extends Stamp {
  pfn: number
  /** Key of the call site, see `CallSites`. */
  signature: number
}

/** A page that is out. */
export interface OpenPage extends PageProbe {
  /** Ordinal of the hand-out among all hand-outs and returns of the recording. */
  taken: number
  /** True if no event can have been lost since the hand-out. */
  isKnown: boolean
}

/** A page that was handed out and given back. */
export interface PageLifetime {
  pfn: number
  signature: number
  taken: number
  given: number
  pid: number
  putPid: number
  putStack: number
}

/** Columns of hand-outs: the page, who took it, and the ordinal of the hand-out. */
class HandOutColumns {
  pfn = new Float64Array(FIRST_SIZE)
  signature = new Int32Array(FIRST_SIZE)
  taken = new Float64Array(FIRST_SIZE)
  pid = new Int32Array(FIRST_SIZE)
}

/** Pages with their last hand-out. */
class PageColumns extends HandOutColumns {
  state = new Uint8Array(FIRST_SIZE)
  /** Value of `Gaps.epoch` when the state was noted; another value now means that a probe may have been lost since. */
  epoch = new Int32Array(FIRST_SIZE)
  time = new Float64Array(FIRST_SIZE)
  cpu = new Uint16Array(FIRST_SIZE)
  stack = new Uint32Array(FIRST_SIZE)
  /** Number of complete lifetimes of the page. */
  lifetimes = new Int32Array(FIRST_SIZE)
  /** Time and CPU of the last probe of any kind. */
  lastTime = new Float64Array(FIRST_SIZE)
  lastCpu = new Uint16Array(FIRST_SIZE)
}

class LogColumns extends HandOutColumns {
  given = new Float64Array(FIRST_SIZE)
  putPid = new Int32Array(FIRST_SIZE)
  putStack = new Uint32Array(FIRST_SIZE)
}

export class PageLifetimes {
  /** Number of hand-outs (`allocs`) and returns (`frees`) that were seen. */
  allocs = 0
  frees = 0
  /** Number of lifetimes seen from hand-out to return (`complete`), and of returns whose hand-out was not seen (`partial`). */
  complete = 0
  partial = 0
  /** Number of hand-outs of pages that were already out: such a page must have come back without a probe. */
  silentReturns = 0
  readonly #sites: CallSites
  readonly #gaps: Gaps
  readonly #order: OrderLimits
  readonly #rows = new Map<number, number>()
  readonly #pages = new PageColumns()
  readonly #log = new LogColumns()
  /** Pids of tasks that gave pages back while they exited. */
  readonly #exited = new Set<number>()
  #ordinal = 0

  constructor(sites: CallSites, gaps: Gaps, order: OrderLimits) {
    this.#sites = sites
    this.#gaps = gaps
    this.#order = order
  }

  /** True if there were more lifetimes than are remembered. */
  get isPartial(): boolean {
    return this.complete > MAX_LOGGED
  }

  /** Takes in a hand-out. */
  handedOut(event: PageProbe): void {
    this.allocs++
    const row = this.#rowOf(event.pfn)
    const pages = this.#pages
    const ordinal = this.#ordinal++
    const isPlaced = this.#isPlaced(row, event)
    if (isPlaced && pages.state[row] === BUSY) this.silentReturns++
    pages.state[row] = isPlaced ? BUSY : UNKNOWN
    pages.time[row] = event.time
    pages.cpu[row] = event.cpu
    pages.pid[row] = event.pid
    pages.stack[row] = event.stack
    pages.signature[row] = event.signature
    pages.taken[row] = ordinal
  }

  /** Takes in a return. */
  freed(event: PageProbe): void {
    this.frees++
    const row = this.#rowOf(event.pfn)
    const pages = this.#pages
    const given = this.#ordinal++
    const isPlaced = this.#isPlaced(row, event)
    if (this.#sites.traits(event.stack) & StackTrait.EXIT) this.#exited.add(event.pid)
    if (!isPlaced) pages.state[row] = UNKNOWN
    else {
      if (pages.state[row] === BUSY) this.#close(row, event, given)
      else this.partial++
      pages.state[row] = FREE
    }
  }

  /** True if the task gave pages back when it exited. */
  hasExited(pid: number): boolean {
    return this.#exited.has(pid)
  }

  /** True if the page had a probe. */
  has(pfn: number): boolean {
    return this.#rows.has(pfn)
  }

  /** Returns the pages that had a probe, in the order of their first. */
  pfns(): Iterable<number> {
    return this.#rows.keys()
  }

  /** Returns the pages that are out, in the order of `pfns`. */
  *open(): Generator<OpenPage> {
    const pages = this.#pages
    for (const [pfn, row] of this.#rows)
      if (pages.state[row] === BUSY)
        yield {
          pfn,
          time: pages.time[row]!,
          cpu: pages.cpu[row]!,
          pid: pages.pid[row]!,
          stack: pages.stack[row]!,
          signature: pages.signature[row]!,
          taken: pages.taken[row]!,
          isKnown: pages.epoch[row] === this.#gaps.epoch && this.#gaps.open === 0,
        }
  }

  /** Returns the number of complete lifetimes of the pages for which `isOf` is true. */
  completeWhere(isOf: (pfn: number) => boolean): number {
    let complete = 0
    for (const [pfn, row] of this.#rows) if (isOf(pfn)) complete += this.#pages.lifetimes[row]!
    return complete
  }

  /** Returns the lifetimes that are remembered, in no order. */
  *lifetimes(): Generator<PageLifetime> {
    const log = this.#log
    for (let at = 0; at < Math.min(this.complete, MAX_LOGGED); at++)
      yield {
        pfn: log.pfn[at]!,
        signature: log.signature[at]!,
        taken: log.taken[at]!,
        given: log.given[at]!,
        pid: log.pid[at]!,
        putPid: log.putPid[at]!,
        putStack: log.putStack[at]!,
      }
  }

  #close(row: number, { pid, stack }: PageProbe, given: number): void {
    const [pages, log] = [this.#pages, this.#log]
    const at = this.complete++ % MAX_LOGGED
    pages.lifetimes[row]!++
    if (at >= log.pfn.length) growColumns(log, log.pfn.length * 2)
    log.pfn[at] = pages.pfn[row]!
    log.signature[at] = pages.signature[row]!
    log.taken[at] = pages.taken[row]!
    log.given[at] = given
    log.pid[at] = pages.pid[row]!
    log.putPid[at] = pid
    log.putStack[at] = stack
  }

  #rowOf(pfn: number): number {
    const known = this.#rows.get(pfn)
    if (known !== undefined) return known
    const row = this.#rows.size
    this.#rows.set(pfn, row)
    if (row >= this.#pages.pfn.length) growColumns(this.#pages, row * 2)
    this.#pages.pfn[row] = pfn
    this.#pages.lastTime[row] = -Infinity
    return row
  }

  /**
   * Forgets the page's state if a probe may have been lost since. Returns true if the event surely came after the page's last
   * one.
   */
  #isPlaced(row: number, { time, cpu }: PageProbe): boolean {
    const pages = this.#pages
    const gaps = this.#gaps
    if (pages.epoch[row] !== gaps.epoch || gaps.open > 0) pages.state[row] = UNKNOWN
    pages.epoch[row] = gaps.epoch
    const isPlaced = pages.lastCpu[row] === cpu || pages.lastTime[row]! + this.#order.slack < time
    pages.lastTime[row] = time
    pages.lastCpu[row] = cpu
    return isPlaced
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** How findings name functions, events and times. */

import { spanText, type TimeStyle } from '../../trace/common/times.ts'
import { type Frame, OP_NAMES, Op, type Recording, type TaskTable } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { baseName } from '../callsites/symbol-lists.ts'
import type { Actor, ConsequenceFinding, HistoryEvent } from '../findings/finding.ts'
import type { LawBook } from '../learn/law-book.ts'
import type { LedgerEvent, LifetimeEvent } from '../track/lifetime-event.ts'
import { unitKey } from '../track/unit-key.ts'
import { tellingCallers } from './telling-callers.ts'

export class Naming {
  readonly #sites: CallSites
  readonly #tasks: TaskTable
  readonly #times: TimeStyle
  readonly #book: LawBook
  readonly #siteNames = new Map<string, string>()

  constructor(sites: CallSites, book: LawBook, { tasks, info }: Pick<Recording, 'tasks' | 'info'>) {
    this.#sites = sites
    this.#tasks = tasks
    this.#times = info
    this.#book = book
  }

  actor(event: Pick<LedgerEvent, 'stack' | 'op' | 'pid' | 'cpu' | 'time' | 'val'>): Actor {
    // The probe of page_free() is in the driver's function, but the one who acts is its caller.
    const stack = this.#sites.framesFromActing(event.stack, event.op === Op.PAGE_FREE)
    return {
      frame: stack[0],
      stack,
      task: this.#tasks.name(event.pid),
      pid: event.pid,
      cpu: event.cpu,
      time: event.time,
      operation: OP_NAMES[event.op]!,
      delta: event.val,
    }
  }

  name(pid: number): string {
    return this.#tasks.name(pid)
  }

  task(pid: number): string {
    return `${this.name(pid)}-${pid}`
  }

  /** Returns the pool of a work queue's worker, from its name `kworker/<pool>:<number>`; undefined for other tasks. */
  poolOf(pid: number): string | undefined {
    const [, pool, priority] = /^kworker\/(u?\d+):\d+(H?)/.exec(this.name(pid)) ?? []
    return pool === undefined ? undefined : `${pool}${priority}`
  }

  /** Returns a duration as text. @param time in units of `EventBatch.time` */
  span(time: number): string {
    return spanText(time, this.#times)
  }

  frame(signature: number): Frame | undefined {
    return this.#sites.actingFrame(signature)
  }

  /**
   * Names a call site: its function and offset, and its callers where others share these.
   *
   * @param units references that it takes (positive) or gives back
   */
  site(signature: number, units = -1): string {
    const key = `${signature} ${units < 0}`
    const known = this.#siteNames.get(key)
    if (known !== undefined) return known
    const frame = this.frame(signature)
    const name = frame
      ? [frame, ...tellingCallers(this.#sites, this.#book, unitKey(signature, units))].map(frameName).join(' from ')
      : `a ${OP_NAMES[signature] ?? 'reference from before the recording'} without stack`
    this.#siteNames.set(key, name)
    return name
  }

  consequence(kind: string, pfn: number, event: LedgerEvent, count: number): ConsequenceFinding {
    return { kind, pfn, time: event.time, count, actor: this.actor(event) }
  }

  /**
   * Returns the events of a lifetime, each with the count after it.
   *
   * @param countAtEnd count after the last event
   * @param partners by event, the place of its partner
   */
  history(
    events: readonly LifetimeEvent[],
    partners: readonly (number | undefined)[],
    countAtEnd: number,
  ): HistoryEvent[] {
    let count = countAtEnd - events.reduce((sum, event) => sum + event.delta, 0)
    return events.map((event, i) => {
      count += event.delta
      return { ...this.actor(event), delta: event.delta, count, partner: partners[i] }
    })
  }
}

/** A call site in a sentence: `function+0x1c`, without what the compiler appended to the function's name. */
export function frameName({ name, offset }: Frame): string {
  const base = baseName(name)
  return offset === undefined ? base : `${base}+0x${offset.toString(16)}`
}

export function references(n: number): string {
  return n === 1 ? '1 reference' : `${n} references`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** How findings name functions, events and times. */
import type { Frame, TaskTable } from '../trace/events.ts'
import { OP_NAMES, Op } from '../trace/events.ts'
import type { CallSites as Sites } from './callsites/call-sites.ts'
import type { Actor, ConsequenceFinding, HistoryEvent } from './findings.ts'
import type { SolvedLife } from './lives.ts'
import type { LedgerEvent, LifetimeEvent as LifeEvent } from './track/lifetime-event.ts'

export class Naming {
  readonly #sites: Sites
  readonly #tasks: TaskTable

  constructor(sites: Sites, tasks: TaskTable) {
    this.#sites = sites
    this.#tasks = tasks
  }

  actor(event: Pick<LedgerEvent, 'stack' | 'op' | 'pid' | 'cpu' | 'time' | 'val'>): Actor {
    // Who calls page_free() acts, not the driver's function that is called.
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

  frame(signature: number): Frame | undefined {
    return this.#sites.actingFrame(signature)
  }

  /** Function of a signature, with its offset where that is known. */
  site(signature: number): string {
    const frame = this.frame(signature)
    if (!frame) return `a ${OP_NAMES[signature] ?? 'reference from before the recording'} without stack`
    return frame.offset === undefined ? frame.name : `${frame.name}+0x${frame.offset.toString(16)}`
  }

  consequence(kind: string, pfn: number, event: LedgerEvent, count: number): ConsequenceFinding {
    return { kind, pfn, time: event.time, count, actor: this.actor(event) }
  }

  /** @param countAtEnd count after the last event */
  history(events: readonly LifeEvent[], solved: SolvedLife, countAtEnd: number): HistoryEvent[] {
    let count = countAtEnd - events.reduce((sum, event) => sum + event.delta, 0)
    return events.map((event, i) => {
      count += event.delta
      return { ...this.actor(event), delta: event.delta, count, partner: solved.partners[i] }
    })
  }
}

/** A time span given in ns. */
export function duration(ns: number): string {
  if (ns < 1e6) return `${(ns / 1e3).toFixed(0)} us`
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(1)} s`
}

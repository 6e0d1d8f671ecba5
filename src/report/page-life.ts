// SPDX-License-Identifier: GPL-2.0-or-later
/** One life of a page out of a whole recording, in the shape of a finding's life in lastput.trace/1. */
import type { HistoryEvent } from '../ledger/findings.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LifeEvent } from '../ledger/life.ts'
import { solveLife } from '../ledger/lives.ts'
import { MAX_SOLVED } from '../ledger/matching.ts'
import { OP_NAMES, Op, type Recording } from '../trace/events.ts'
import { type EventColumns, lifeAround, NO_IDLE, type Timeline } from './timeline.ts'
import { actorJson } from './trace.ts'
import { pfnText, seconds } from './words.ts'

export interface PageLifeSource {
  timeline: Timeline
  events: EventColumns
  ledger: Ledger
  recording: Recording
}

/** @param at an event of page `p` of the timeline */
export function pageLifeJson(source: PageLifeSource, p: number, at: number): object {
  const { timeline, events, recording, ledger } = source
  const { timeBase } = recording
  const { from, to } = lifeAround(timeline, events.count, p, at)
  const idle = timeline.idle[p] === NO_IDLE ? undefined : timeline.idle[p]!
  const before = from > timeline.start[p]! ? events.count[from - 1]! : countBefore(events, from)
  const ended = events.count[to - 1] === (idle ?? 0)
  const life = Array.from({ length: to - from }, (_, i) =>
    lifeEvent(source, from + i, i === 0 ? before : events.count[from + i - 1]!),
  )
  // Attempts that failed are no part of it.
  const told = life.filter(event => event.delta !== 0)
  const held = Math.max(0, before - (idle ?? 0))
  const partners = told.length <= MAX_SOLVED ? solveLife(told, held, ledger.model).partners : []
  let count = before
  return {
    pfn: pfnText(timeline.pfns[p]!),
    idle: idle ?? null,
    life: {
      began: held > 0 ? null : seconds(timeline.time[from]!, timeBase),
      ended: ended ? seconds(timeline.time[to - 1]!, timeBase) : null,
      events: told.map((event, i) => {
        count += event.delta
        return { ...actorJson(historyOf(source, event), timeBase), count, partner: partners[i] ?? null }
      }),
    },
  }
}

function countBefore(events: EventColumns, at: number): number {
  // A page that was set up in the recording stood at nothing before.
  return events.op[at] === Op.SET ? 0 : events.count[at]! - events.delta[at]!
}

function lifeEvent({ timeline, events, ledger }: PageLifeSource, at: number, before: number): LifeEvent {
  const op = events.op[at]!
  return {
    time: timeline.time[at]!,
    since: timeline.time[at]!,
    pid: events.pid[at]!,
    cpu: events.cpu[at]!,
    op,
    val: events.delta[at]!,
    ret: 0,
    signature: ledger.sites.signature(events.stack[at]!, op),
    stack: events.stack[at]!,
    mapcount: 0,
    count: events.count[at]!,
    flags: 0,
    delta: op === Op.SET ? events.count[at]! - before : events.delta[at]!,
    mapped: false,
    taskSeq: 0,
    signatureSeq: 0,
  }
}

function historyOf({ ledger, recording }: PageLifeSource, event: LifeEvent): Omit<HistoryEvent, 'count' | 'partner'> {
  const stack = ledger.sites.framesFromActing(event.stack)
  return {
    frame: stack[0],
    stack,
    task: recording.tasks.name(event.pid),
    pid: event.pid,
    cpu: event.cpu,
    time: event.time,
    operation: OP_NAMES[event.op]!,
    delta: event.delta,
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** One lifetime of a page out of a whole recording, in the shape of a finding's lifetime in lastput.trace/3. */

import { StackTrait } from '../ledger/callsites/symbol-lists.ts'
import { pairReferences } from '../ledger/diagnose/references.ts'
import type { HistoryEvent } from '../ledger/findings/finding.ts'
import type { LearningTracker } from '../ledger/learn/learning-tracker.ts'
import type { LifetimeEvent } from '../ledger/track/lifetime-event.ts'
import { PageBit } from '../ledger/track/page-state.ts'
import { timeNumber } from '../trace/common/times.ts'
import { OP_NAMES, Op, type Recording } from '../trace/events.ts'
import type { RecordedEvent, TimelineRecorder } from './recorder.ts'
import { NO_IDLE, type Timeline } from './timeline.ts'
import { actorJson } from './trace-json.ts'
import { pfnText } from './words.ts'

export interface PageLifeSource {
  timeline: Pick<Timeline, 'pfns' | 'start' | 'idle'>
  recorder: TimelineRecorder
  ledger: LearningTracker
  recording: Recording
}

/** Events [from, to) of the timeline, all of one page, and when they were. */
export interface LifeSpan {
  page: number
  from: number
  to: number
  times: Float64Array
}

/** One lifetime, with which event gave back what which other took. */
export interface PageLifetime {
  /** Count while nobody holds the page; undefined where that is not known. */
  idle: number | undefined
  /** Count before the first event, and references that were out by then. */
  before: number
  held: number
  /** True if the page is idle after the last event. */
  hasEnded: boolean
  /** Events of the lifetime, without failed attempts. */
  events: LifetimeEvent[]
  /** Of each event the place of the one that gave its reference back, or took it; undefined: none. */
  partners: (number | undefined)[]
  /** Place of the put by which memunmap_pages() gives back the reference that an idle page has of its own; -1: none. */
  basePut: number
}

export function lifetimeOf({ timeline, recorder, ledger }: PageLifeSource, span: LifeSpan): PageLifetime {
  const { page, from, to, times } = span
  const row = ledger.pages.find(timeline.pfns[page]!)
  const all = Array.from({ length: to - from }, (_, i) => recorder.event(from + i))
  const idle = timeline.idle[page] === NO_IDLE ? undefined : timeline.idle[page]!
  const before = from > timeline.start[page]! ? recorder.event(from - 1).count : countBefore(all[0]!)
  const life = all.map((event, i) => lifeEvent(event, i, times[i]!, i === 0 ? before : all[i - 1]!.count, ledger))
  const events = life.filter(event => event.delta !== 0)
  const held = Math.max(0, before - (idle ?? 0))
  const { partners } = pairReferences(events, held, ledger.book)
  const basePut = idle === 1 ? events.findIndex((event, i) => isBasePut(event, partners[i], ledger, row)) : -1
  const left = (idle ?? 0) - (basePut >= 0 ? 1 : 0)
  return { idle, before, held, hasEnded: all.at(-1)!.count === left, events, partners, basePut }
}

/** True if a put of a page that is idle at 1 is the one of memunmap_pages(); without stacks, one that leaves 0. */
function isBasePut(
  { delta, stack, count }: LifetimeEvent,
  partner: number | undefined,
  { sites, pages }: LearningTracker,
  row: number,
): boolean {
  if (delta !== -1 || partner !== undefined || count < 0) return false
  if (sites.isTelling(stack)) return (sites.traits(stack) & StackTrait.TEARDOWN) !== 0
  return count === 0 && row >= 0 && pages.has(row, PageBit.basePut)
}

export function pageLifeJson(source: PageLifeSource, span: LifeSpan): object {
  const { timeline, recording, ledger } = source
  const { page, times } = span
  const { idle, before, held, hasEnded, events, partners, basePut } = lifetimeOf(source, span)
  let count = before
  return {
    pfn: pfnText(timeline.pfns[page]!),
    idle: idle ?? null,
    lifetime: {
      began: held > 0 ? null : timeNumber(times[0]!, recording),
      ended: hasEnded ? timeNumber(times.at(-1)!, recording) : null,
      events: events.map((event, i) => {
        count += event.delta
        return {
          ...actorJson(historyOf(event, ledger, recording), recording),
          count,
          partner: partners[i] ?? null,
          ...(i === basePut ? { base: true } : {}),
        }
      }),
    },
  }
}

function countBefore({ op, count, delta }: RecordedEvent): number {
  // Before its initialisation in the recording a page had count 0.
  return op === Op.SET ? 0 : count - delta
}

function lifeEvent(
  event: RecordedEvent,
  i: number,
  time: number,
  before: number,
  { sites }: LearningTracker,
): LifetimeEvent {
  const { op, stack, count, delta } = event
  return {
    ...event,
    time,
    since: time,
    val: delta,
    ret: 0,
    signature: sites.keyOf(stack, op),
    mapcount: 0,
    flags: 0,
    delta: op === Op.SET ? count - before : delta,
    mapped: false,
    taskSeq: 0,
    ordinal: i,
  }
}

function historyOf(
  { stack: id, pid, cpu, time, op, delta }: LifetimeEvent,
  { sites }: LearningTracker,
  { tasks }: Recording,
): Omit<HistoryEvent, 'count' | 'partner'> {
  const stack = sites.framesFromActing(id)
  return { frame: stack[0], stack, task: tasks.name(pid), pid, cpu, time, operation: OP_NAMES[op]!, delta }
}

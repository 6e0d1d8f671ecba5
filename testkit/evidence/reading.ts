// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A simple reading of a recording, with which sentences about it are compared: all events in the order of delivery, by page, with
 * the count that they add up to. It shares no code with the ledger except the lists of helper functions, which decide the name of
 * a call site. It does not reorder events: a page whose stamps contradict its results is marked, and numbers that involve the
 * page are ranges.
 */
import { baseName, isHelper } from '../../src/ledger/callsites/symbol-lists.ts'
import { type LostEvents, Op, type Recording } from '../../src/trace/events.ts'

export interface ReadEvent {
  /** Index among all events. */
  ordinal: number
  time: number
  cpu: number
  op: Op
  pid: number
  pfn: number
  val: number
  ret: number
  /** The count that the event read. */
  count: number
  mapcount: number
  /** Call site: frames from the acting one outwards as `function+0x1f`; empty without a stack. */
  site: string[]
  /** Names of all functions of the stack. */
  functions: string[]
}

/** An event of a page, with the count that the events before it add up to. */
export interface PageEvent extends ReadEvent {
  /** Count before the event; undefined while it is not known. */
  before: number | undefined
  /** Change of the count; below, the count after it. Both follow from the event's result, if it has one. */
  delta: number
  after: number
  /** False until a result has determined the page's count. The counts that events read may include changes by others. */
  isKnown: boolean
}

/** Events of a page from idle to idle, both ends included. */
export interface Lifetime {
  pfn: number
  events: PageEvent[]
  /** False if the lifetime was open at the end. */
  isComplete: boolean
  /** False if events may be missing, or if the page's stamps contradict its results: the ledger may see it differently. */
  isSure: boolean
}

export interface Page {
  pfn: number
  events: PageEvent[]
  /** Lifetimes that began at an idle page's count, according to the events before or to the count before the first event. */
  lifetimes: Lifetime[]
  /** True if the order of stamps explains every result. */
  isClean: boolean
  /** True if the core resets the count when the page is freed: its lifetimes then do not begin and end at the idle count. */
  isReset: boolean
}

/** The properties of a pagemap that are used here. */
export interface PagemapRange {
  idleCount: number | undefined
}

export class Reading {
  readonly events: ReadEvent[] = []
  readonly lost: LostEvents[] = []
  /** Probe events, which change no count. */
  readonly probes: ReadEvent[] = []
  readonly pages = new Map<number, Page>()
  readonly taskName: (pid: number) => string
  readonly endTime: number

  private constructor(recording: Recording) {
    this.taskName = pid => recording.tasks.name(pid)
    this.endTime = recording.info.endTime ?? -Infinity
  }

  /** Reads a recording. @param pagemapOf returns the pagemap of a page, with the count of its idle pages as far as it is known */
  static async of(recording: Recording, pagemapOf: (pfn: number) => PagemapRange | undefined): Promise<Reading> {
    const reading = new Reading(recording)
    const stacks = new Map<number, Pick<ReadEvent, 'site' | 'functions'>>()
    const byPage = new Map<number, ReadEvent[]>()
    for await (const batch of recording.batches()) {
      reading.lost.push(...batch.lost)
      for (const i of batch.order.subarray(0, batch.length)) {
        const stack = batch.stack[i]!
        if (!stacks.has(stack)) stacks.set(stack, stackOf(recording, stack))
        const event: ReadEvent = {
          ordinal: reading.events.length,
          time: batch.time[i]!,
          cpu: batch.cpu[i]!,
          op: batch.op[i] as Op,
          pid: batch.pid[i]!,
          pfn: batch.pfn[i]!,
          val: batch.val[i]!,
          ret: batch.ret[i]!,
          count: batch.count[i]!,
          mapcount: batch.mapcount[i]!,
          ...stacks.get(stack)!,
        }
        reading.events.push(event)
        if (event.op >= Op.PAGE_FREE) reading.probes.push(event)
        else {
          const page = byPage.get(event.pfn)
          if (page) page.push(event)
          else byPage.set(event.pfn, [event])
        }
      }
    }
    return reading.#finish(recording, byPage, pagemapOf)
  }

  #finish(
    recording: Recording,
    byPage: Map<number, ReadEvent[]>,
    pagemapOf: (pfn: number) => PagemapRange | undefined,
  ): Reading {
    for (const [pfn, events] of byPage) this.pages.set(pfn, pageOf(pfn, events, recording.info.isWatch === true))
    // If the core resets the count of one page, it does so for all pages of the pagemap.
    const resets = new Set(
      [...this.pages.values()]
        .filter(
          ({ pfn, events }) =>
            pagemapOf(pfn)?.idleCount === 1 && events.some((event, i) => isCoreReset(events[i - 1], event)),
        )
        .map(({ pfn }) => pagemapOf(pfn)),
    )
    for (const page of this.pages.values()) {
      const pagemap = pagemapOf(page.pfn)
      page.isReset = resets.has(pagemap)
      // A watched page is considered idle at the count that it had when the watch began.
      const rest = recording.info.isWatch ? page.events[0]?.before : undefined
      const idle = rest ?? pagemap?.idleCount
      if (idle !== undefined && !page.isReset)
        page.lifetimes.push(...lifetimesOf(page, idle, this.lost, rest !== undefined))
    }
    const last = this.events.at(-1)?.time ?? 0
    return Object.assign(this, { endTime: Math.max(recording.info.endTime ?? last, last) })
  }

  page(pfn: number): Page {
    return this.pages.get(pfn) ?? { pfn, events: [], lifetimes: [], isClean: true, isReset: false }
  }

  get lifetimes(): Lifetime[] {
    return [...this.pages.values()].flatMap(page => page.lifetimes)
  }

  /** Returns the name of a task with its pid, such as `insmod-105`. */
  task(pid: number): string {
    return `${this.taskName(pid)}-${pid}`
  }
}

function stackOf({ stacks }: Recording, id: number): Pick<ReadEvent, 'site' | 'functions'> {
  const frames = id === 0 ? [] : Array.from(stacks.frames(id), frame => stacks.frame(frame))
  const isNameless =
    frames.length > 1 && frames.every(({ name, offset }) => offset === undefined && name.startsWith('0x'))
  // Without names, the innermost frame is taken for that of the tracepoint.
  let acting = isNameless ? 1 : 0
  while (acting < frames.length - 1 && isHelper(frames[acting]!.name)) acting++
  const text = ({ name, offset }: (typeof frames)[number]) =>
    offset === undefined ? baseName(name) : `${baseName(name)}+0x${offset.toString(16)}`
  return { site: frames.slice(acting).map(text), functions: frames.map(({ name }) => baseName(name)) }
}

/** The change of the count by an event; undefined if it depends on an unknown count before. */
function changeOf({ op, val, ret }: ReadEvent, before: number | undefined): number | undefined {
  switch (op) {
    case Op.SET:
    case Op.UNFREEZE:
      return before === undefined ? undefined : val - before
    case Op.MOD_UNLESS:
      return ret !== 0 ? val : 0
    case Op.FREEZE:
      return ret !== 0 ? -val : 0
    default:
      return val
  }
}

/** The count after an event according to its result; undefined if it has none. */
function resultOf({ op, val, ret }: ReadEvent, isWatch: boolean): number | undefined {
  if (op === Op.SET || op === Op.UNFREEZE) return val
  if (op === Op.MOD_AND_RETURN) return ret
  // page_ref_add_unless() fails on a page with a count of 0. In a watch, such an event is a retry and not a failure.
  if (op === Op.MOD_UNLESS && ret === 0) return isWatch ? undefined : 0
  if (op === Op.MOD_AND_TEST && ret !== 0) return 0
  return op === Op.FREEZE && ret !== 0 ? 0 : undefined
}

function pageOf(pfn: number, read: readonly ReadEvent[], isWatch: boolean): Page {
  const page: Page = { pfn, events: [], lifetimes: [], isClean: true, isReset: false }
  let count: number | undefined
  let isKnown = false
  for (const event of read) {
    // For the first event, the count that was read stands in for a result. It is wrong if another CPU changed it in between.
    const delta: number = changeOf(event, count) ?? event.val
    const result = resultOf(event, isWatch)
    const before: number | undefined = count ?? (result === undefined ? event.count - delta : result - delta)
    const after: number = before + delta
    const missesZero = event.op === Op.MOD_AND_TEST && event.ret === 0 && after === 0
    if (count !== undefined && ((result !== undefined && result !== after) || missesZero)) page.isClean = false
    isKnown ||= result !== undefined
    count = result ?? after
    page.events.push({ ...event, before, delta, after: count, isKnown })
  }
  return page
}

/** True for a set to one by the task that has just put the last reference. */
function isCoreReset(put: PageEvent | undefined, set: PageEvent): boolean {
  return (
    put !== undefined && set.op === Op.SET && set.val === 1 && put.delta < 0 && put.pid === set.pid && set.before === 0
  )
}

/** Functions that remove the pagemap. */
export const TEARDOWN = /^(memunmap_pages|devm_memremap_pages_release)$/

/** @param isWatched true if no event is missing, and a put on an idle page drops a reference from before the watch */
function lifetimesOf(page: Page, idle: number, lost: readonly LostEvents[], isWatched: boolean): Lifetime[] {
  const lifetimes: Lifetime[] = []
  let open: PageEvent[] | undefined
  let last: number | undefined
  let base = idle
  /** The last event before the open lifetime, which made the page idle. */
  let idleSince: PageEvent | undefined
  const isSure = (events: readonly PageEvent[]) => {
    if (!page.isClean || !(isWatched || idleSince?.isKnown)) return false
    const [from, to] = [idleSince?.time ?? events[0]!.time, events.at(-1)!.time]
    return !lost.some(gap => gap.from <= to && gap.to >= from)
  }
  page.events.forEach((event, i) => {
    const isOwners = isWatched ? !open : event.functions.some(name => TEARDOWN.test(name))
    const isTeardown = base > 0 && event.delta < 0 && isOwners
    // The count before a page's first event is trusted: if it is the idle count, a lifetime begins.
    if (!open && (last ?? event.before) === base && event.delta !== 0 && !isTeardown) {
      open = []
      idleSince = page.events[i - 1]
    }
    last = event.after
    // memunmap_pages() drops the reference that is part of an idle page's count.
    if (isTeardown) base += isWatched ? event.delta : -1
    if (!open || isTeardown) return
    open.push(event)
    if (last !== base) return
    lifetimes.push({ pfn: page.pfn, events: open, isComplete: true, isSure: isSure(open) })
    open = undefined
  })
  const left = open as PageEvent[] | undefined
  if (left) lifetimes.push({ pfn: page.pfn, events: left, isComplete: false, isSure: isSure(left) })
  return lifetimes
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A whole recording as columns, page after page: what a timeline draws, and the events that a page's life is told from.
 * 25 bytes an event, and 10 more for what is drawn.
 */
import type { Ledger } from '../ledger/ledger.ts'
import { PageTable } from '../ledger/pages.ts'
import { type EventBatch, Op, type Recording } from '../trace/events.ts'

const CHUNK_ROWS = 1 << 18

/** Events that share one entry of `high` and `low`. */
export const BLOCK = 32

/** Set in `op` where the count after the event is certain by itself: a set, or a result that was returned. */
const EXACT = 0x80

/** What is drawn. Times in ns since the recording's time base. */
export interface Timeline {
  /** Rising. */
  pfns: Float64Array
  /** Events of page p are start[p] .. start[p + 1] - 1 of `time` and `count`, by time. */
  start: Uint32Array
  time: Float64Array
  /** Count after each event, at most +-32767. */
  count: Int16Array
  /** Highest and lowest count of each BLOCK events, whatever their pages. */
  high: Int16Array
  low: Int16Array
  /** Count of each page while nobody holds it; NO_IDLE where that is not known. */
  idle: Int16Array
  firstTime: number
  lastTime: number
  /** Events in each of DENSITY equal parts of the time between. */
  density: Uint32Array
}

const DENSITY = 1024

export const NO_IDLE = -32768

/** The other columns of the same events. */
export interface EventColumns {
  count: Int32Array
  delta: Int32Array
  pid: Int32Array
  stack: Uint32Array
  cpu: Uint16Array
  op: Uint8Array
}

interface Chunk extends EventColumns {
  length: number
  page: Uint32Array
  time: Float64Array
}

/** Keeps every event of a recording while somebody else reads it. */
export class TimelineRecorder {
  readonly #pages = new PageTable()
  readonly #chunks: Chunk[] = []
  /** Events of each page. */
  #events = new Uint32Array(1024)

  /** The same recording, each of whose batches is also kept here once its reader is done with it. */
  tap(recording: Recording): Recording {
    const keep = (batch: EventBatch) => this.add(batch)
    async function* batches() {
      for await (const batch of recording.batches()) {
        yield batch
        keep(batch)
      }
    }
    // Getters of the recording's class must see their own object.
    return new Proxy(recording, {
      get: (of, key) => {
        if (key === 'batches') return batches
        const value = Reflect.get(of, key, of)
        return typeof value === 'function' ? value.bind(of) : value
      },
    })
  }

  add(batch: EventBatch): void {
    const { order, time, pid, pfn, op, val, ret, stack, count, cpu } = batch
    for (let k = 0; k < batch.length; k++) {
      const i = order[k]!
      const page = this.#page(pfn[i]!)
      this.#events[page]!++
      const chunk = this.#room()
      const at = chunk.length++
      const kind = op[i]!
      chunk.page[at] = page
      chunk.time[at] = time[i]!
      chunk.pid[at] = pid[i]!
      chunk.stack[at] = stack[i]!
      chunk.cpu[at] = cpu[i]!
      chunk.delta[at] = changeOf(kind, val[i]!, ret[i]!)
      const exact = exactCount(kind, val[i]!, ret[i]!)
      chunk.count[at] = exact ?? count[i]!
      chunk.op[at] = exact === undefined ? kind : kind | EXACT
    }
  }

  /** Sorts what was kept of the pages that the ledger accounts for. The recorder is empty afterwards. */
  finish(ledger: Ledger): { timeline: Timeline; events: EventColumns } {
    const pages = this.#countedPages(ledger)
    const start = new Uint32Array(pages.length + 1)
    const place = new Int32Array(this.#pages.length).fill(-1)
    pages.forEach((page, p) => {
      place[page] = p
      start[p + 1] = start[p]! + this.#events[page]!
    })
    const total = start[pages.length]!
    const events = allocateEvents(total)
    const time = new Float64Array(total)
    const next = start.slice()
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift())
      scatter(chunk, place, next, events, time)
    settleCounts(start, time, events, ledger)
    return {
      timeline: timelineOf(
        pages.map(page => this.#pages.pfn[page]!),
        start,
        time,
        events.count,
        ledger,
      ),
      events,
    }
  }

  #countedPages(ledger: Ledger): number[] {
    const pages: number[] = []
    for (let page = 0; page < this.#pages.length; page++) {
      const row = ledger.pages.find(this.#pages.pfn[page]!)
      if (row >= 0 && ledger.isCounted(row)) pages.push(page)
    }
    return pages.sort((a, b) => this.#pages.pfn[a]! - this.#pages.pfn[b]!)
  }

  #page(pfn: number): number {
    const page = this.#pages.find(pfn)
    if (page >= 0) return page
    if (this.#pages.length === this.#events.length) {
      const grown = new Uint32Array(this.#events.length * 2)
      grown.set(this.#events)
      this.#events = grown
    }
    return this.#pages.add(pfn, 0, 0)
  }

  #room(): Chunk {
    const last = this.#chunks.at(-1)
    if (last && last.length < CHUNK_ROWS) return last
    const chunk: Chunk = {
      ...allocateEvents(CHUNK_ROWS),
      length: 0,
      page: new Uint32Array(CHUNK_ROWS),
      time: new Float64Array(CHUNK_ROWS),
    }
    this.#chunks.push(chunk)
    return chunk
  }
}

function allocateEvents(rows: number): EventColumns {
  return {
    count: new Int32Array(rows),
    delta: new Int32Array(rows),
    pid: new Int32Array(rows),
    stack: new Uint32Array(rows),
    cpu: new Uint16Array(rows),
    op: new Uint8Array(rows),
  }
}

function scatter(chunk: Chunk, place: Int32Array, next: Uint32Array, to: EventColumns, time: Float64Array): void {
  const { page, length } = chunk
  for (let i = 0; i < length; i++) {
    const p = place[page[i]!]!
    if (p < 0) continue
    const at = next[p]!++
    time[at] = chunk.time[i]!
    to.count[at] = chunk.count[i]!
    to.delta[at] = chunk.delta[i]!
    to.pid[at] = chunk.pid[i]!
    to.stack[at] = chunk.stack[i]!
    to.cpu[at] = chunk.cpu[i]!
    to.op[at] = chunk.op[i]!
  }
}

/**
 * The recorded count was read after the operation and may include what came later, so counts are added up from one
 * certain count to the next. Behind a gap the recorded one is all there is.
 */
function settleCounts(start: Uint32Array, time: Float64Array, events: EventColumns, ledger: Ledger): void {
  const { count, delta, op } = events
  const ends = ledger.gaps.list.map(gap => gap.to).sort((a, b) => a - b)
  for (let p = 0; p + 1 < start.length; p++) {
    let gap = 0
    for (let i = start[p]!; i < start[p + 1]!; i++) {
      let trusted = i > start[p]!
      while (gap < ends.length && ends[gap]! <= time[i]!) {
        trusted = false
        gap++
      }
      if (op[i]! & EXACT) op[i]! &= ~EXACT
      else if (trusted) count[i] = count[i - 1]! + delta[i]!
    }
  }
}

function timelineOf(
  pfns: number[],
  start: Uint32Array,
  time: Float64Array,
  counts: Int32Array,
  ledger: Ledger,
): Timeline {
  const count = new Int16Array(counts.length)
  const blocks = Math.ceil(counts.length / BLOCK)
  const high = new Int16Array(blocks).fill(-32767)
  const low = new Int16Array(blocks).fill(32767)
  for (let i = 0; i < counts.length; i++) {
    const clamped = Math.max(-32767, Math.min(32767, counts[i]!))
    const block = (i / BLOCK) | 0
    count[i] = clamped
    if (clamped > high[block]!) high[block] = clamped
    if (clamped < low[block]!) low[block] = clamped
  }
  const idle = Int16Array.from(pfns, pfn => idleOf(ledger, pfn))
  const { firstTime, lastTime } = ledger
  const density = densityOf(time, firstTime, lastTime)
  return { pfns: Float64Array.from(pfns), start, time, count, high, low, idle, firstTime, lastTime, density }
}

function densityOf(time: Float64Array, first: number, last: number): Uint32Array {
  const density = new Uint32Array(DENSITY)
  const scale = last > first ? (DENSITY - 1) / (last - first) : 0
  for (let i = 0; i < time.length; i++) density[((time[i]! - first) * scale) | 0]!++
  return density
}

/** The count while nobody holds the page, as the protocol has it before memunmap_pages(). */
function idleOf(ledger: Ledger, pfn: number): number {
  const row = ledger.pages.find(pfn)
  return ledger.pagemaps.list[ledger.pages.pagemap[row]!]!.rule?.idle ?? NO_IDLE
}

/** By how much the event changed the count; 0 for attempts that failed. */
function changeOf(op: number, val: number, ret: number): number {
  switch (op) {
    case Op.SET:
      return 0
    case Op.MOD_UNLESS:
      return ret === 0 ? 0 : val
    case Op.FREEZE:
      return ret === 0 ? 0 : -val
    default:
      return val
  }
}

function exactCount(op: number, val: number, ret: number): number | undefined {
  if (op === Op.SET || op === Op.UNFREEZE) return val
  if (op === Op.MOD_AND_RETURN) return ret
  if (op === Op.MOD_AND_TEST && ret !== 0) return 0
  if (op === Op.FREEZE && ret !== 0) return 0
  return undefined
}

// --- one page -----------------------------------------------------------------------------------------------------------

/** Events of a life that are told one by one. */
const MOST_TOLD = 512

/**
 * Events of a page's life around one of them, [from, to): since it was idle last, until it is idle again.
 *
 * @param p the page's place in the timeline
 * @param at an event of that page
 */
export function lifeAround(
  timeline: Timeline,
  counts: Int32Array,
  p: number,
  at: number,
): { from: number; to: number } {
  const { start } = timeline
  const idle = timeline.idle[p] === NO_IDLE ? 0 : timeline.idle[p]!
  let from = at
  while (from > start[p]! && counts[from - 1] !== idle && at - from < MOST_TOLD) from--
  let to = at + 1
  while (to < start[p + 1]! && counts[to - 1] !== idle && to - from < MOST_TOLD) to++
  return { from, to }
}

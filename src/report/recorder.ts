// SPDX-License-Identifier: GPL-2.0-or-later
/** Keeps a whole recording while the ledger reads it: 33 bytes an event, of which 10 go to the page that draws them. */
import type { CallSites } from '../ledger/callsites/call-sites.ts'
import { StackTrait } from '../ledger/callsites/symbol-lists.ts'
import type { LearningTracker } from '../ledger/learn/learning-tracker.ts'
import { PageBit } from '../ledger/track/page-state.ts'
import { PageTable } from '../ledger/track/page-table.ts'
import { tapped } from '../trace/common/tap.ts'
import { type EventBatch, isProbe, Op, type Recording } from '../trace/events.ts'
import { densityOf, extremes, freeCount, NO_IDLE, type Timeline } from './timeline.ts'

const CHUNK_ROWS = 1 << 18

/** Events in order of time. */
interface Chunk {
  length: number
  /** Place in `#pages`; given back when all is sorted. */
  page: Uint32Array
  /** Given back when the timeline has it. */
  time: Float64Array
  /** Count after the event. */
  count: Int32Array
  delta: Int32Array
  pid: Int32Array
  stack: Uint32Array
  cpu: Uint16Array
  op: Uint8Array
}

/** The data of an event in the timeline, besides its time. */
export interface RecordedEvent {
  count: number
  delta: number
  pid: number
  stack: number
  cpu: number
  op: number
}

/** Keeps every event of a recording while the ledger reads it. */
export class TimelineRecorder {
  readonly #pages = new PageTable()
  readonly #chunks: Chunk[] = []
  /** By page: its events, the count after the last one, and the gaps that had ended by then. */
  #events = new Uint32Array(1024)
  #count = new Int32Array(1024)
  #gapsBefore = new Uint32Array(1024)
  /** Ends of the gaps that are still ahead, rising, and how many are not. */
  #gapEnds: number[] = []
  #gapsEnded = 0
  /** Rows of the timeline by page, -1 for pages left out; where each row's events start. */
  #rows = new Int32Array(0)
  #start = new Uint32Array(1)
  /** Number of each event of the timeline in order of time. */
  #sorted = new Uint32Array(0)

  /**
   * The same recording, each of whose batches is also kept here once its reader is done with it.
   *
   * @param keep does it, where not all is kept, or somebody else keeps it, too
   */
  tap(recording: Recording, keep = (batch: EventBatch) => this.add(batch)): Recording {
    return tapped(recording, keep)
  }

  add(batch: EventBatch): void {
    if (batch.lost.length > 0) {
      this.#gapEnds.push(...batch.lost.map(gap => gap.to))
      this.#gapEnds.sort((a, b) => a - b)
    }
    for (let k = 0; k < batch.length; ) {
      const chunk = this.#room()
      const end = Math.min(batch.length, k + CHUNK_ROWS - chunk.length)
      this.#keep(batch, k, end, chunk)
      k = end
    }
  }

  #keep({ order, time, pid, pfn, op, val, ret, stack, count, cpu }: EventBatch, k: number, end: number, to: Chunk) {
    let at = to.length
    let nextGap = this.#gapEnds[0] ?? Infinity
    for (; k < end; k++) {
      const i = order[k]!
      const kind = op[i]!
      if (isProbe(kind)) continue
      if (time[i]! >= nextGap) nextGap = this.#passGaps(time[i]!)
      const page = this.#page(pfn[i]!)
      const delta = changeOf(kind, val[i]!, ret[i]!)
      to.page[at] = page
      to.time[at] = time[i]!
      to.pid[at] = pid[i]!
      to.stack[at] = stack[i]!
      to.cpu[at] = cpu[i]!
      to.op[at] = kind
      to.delta[at] = delta
      to.count[at++] = this.#countAfter(page, delta, exactCount(kind, val[i]!, ret[i]!), count[i]!)
    }
    to.length = at
  }

  #passGaps(time: number): number {
    while (this.#gapEnds.length > 0 && this.#gapEnds[0]! <= time) {
      this.#gapEnds.shift()
      this.#gapsEnded++
    }
    return this.#gapEnds[0] ?? Infinity
  }

  /**
   * The recorded count was read after the operation and may include what came later, so counts are added up from one
   * certain count to the next. Behind a gap, and at first, the recorded one is all there is.
   */
  #countAfter(page: number, delta: number, exact: number | undefined, recorded: number): number {
    const first = this.#events[page]!++ === 0
    const known = !first && this.#gapsBefore[page] === this.#gapsEnded
    this.#gapsBefore[page] = this.#gapsEnded
    return (this.#count[page] = exact ?? (known ? this.#count[page]! + delta : recorded))
  }

  /** Returns the timeline of the pages that the ledger accounts for. To be called once, before `sort`. */
  timeline(ledger: LearningTracker): Timeline {
    const pages = this.#countedPages(ledger)
    this.#rows = new Int32Array(this.#pages.length).fill(-1)
    this.#start = new Uint32Array(pages.length + 1)
    pages.forEach((page, row) => {
      this.#rows[page] = row
      this.#start[row + 1] = this.#start[row]! + this.#events[page]!
    })
    const total = this.#start[pages.length]!
    const pfns = Float64Array.from(pages, page => this.#pages.pfn[page]!)
    const drawn: Drawn = {
      start: this.#start,
      time: new Float64Array(total),
      count: new Int16Array(total),
      idle: Int16Array.from(pfns, pfn => idleOf(ledger, pfn)),
      begins: new Uint8Array((total + 7) >>> 3),
    }
    const next = this.#start.slice()
    for (const chunk of this.#chunks) {
      scatterDrawn(chunk, this.#rows, next, drawn, ledger.sites)
      chunk.time = NO_TIMES
    }
    const { firstTime, lastTime } = ledger
    const density = densityOf(drawn.time, firstTime, lastTime)
    return { pfns, ...drawn, ...extremes(drawn.count), firstTime, lastTime, density }
  }

  /** Makes events of the timeline known to `event`; what is drawn does not need it. */
  sort(): void {
    this.#sorted = new Uint32Array(this.#start.at(-1)!)
    const next = this.#start.slice()
    this.#chunks.forEach((chunk, c) => {
      for (let i = 0; i < chunk.length; i++) {
        const row = this.#rows[chunk.page[i]!]!
        if (row >= 0) this.#sorted[next[row]!++] = c * CHUNK_ROWS + i
      }
      chunk.page = NO_PAGES
    })
  }

  /** @param at place in the timeline's columns */
  event(at: number): RecordedEvent {
    const number = this.#sorted[at]!
    const { count, delta, pid, stack, cpu, op } = this.#chunks[Math.floor(number / CHUNK_ROWS)]!
    const i = number % CHUNK_ROWS
    return { count: count[i]!, delta: delta[i]!, pid: pid[i]!, stack: stack[i]!, cpu: cpu[i]!, op: op[i]! }
  }

  #countedPages(ledger: LearningTracker): number[] {
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
      this.#events = grown(this.#events)
      this.#count = grown(this.#count)
      this.#gapsBefore = grown(this.#gapsBefore)
    }
    return this.#pages.add(pfn, 0, 0)
  }

  #room(): Chunk {
    const last = this.#chunks.at(-1)
    if (last && last.length < CHUNK_ROWS) return last
    const chunk = newChunk()
    this.#chunks.push(chunk)
    return chunk
  }
}

const NO_TIMES = new Float64Array(0)
const NO_PAGES = new Uint32Array(0)

function newChunk(): Chunk {
  return {
    length: 0,
    page: new Uint32Array(CHUNK_ROWS),
    time: new Float64Array(CHUNK_ROWS),
    count: new Int32Array(CHUNK_ROWS),
    delta: new Int32Array(CHUNK_ROWS),
    pid: new Int32Array(CHUNK_ROWS),
    stack: new Uint32Array(CHUNK_ROWS),
    cpu: new Uint16Array(CHUNK_ROWS),
    op: new Uint8Array(CHUNK_ROWS),
  }
}

function grown<A extends Uint32Array | Int32Array>(array: A): A {
  const twice = new (array.constructor as new (length: number) => A)(array.length * 2)
  twice.set(array)
  return twice
}

/** The columns of a timeline that are filled event by event, and what they are filled by. */
type Drawn = Pick<Timeline, 'start' | 'time' | 'count' | 'idle' | 'begins'>

function scatterDrawn(chunk: Chunk, rows: Int32Array, next: Uint32Array, drawn: Drawn, sites: CallSites): void {
  const { start, time, count, begins } = drawn
  for (let i = 0; i < chunk.length; i++) {
    const row = rows[chunk.page[i]!]!
    if (row < 0) continue
    const at = next[row]!++
    time[at] = chunk.time[i]!
    count[at] = Math.max(-32767, Math.min(32767, chunk.count[i]!))
    const free = freeCount(drawn, row)
    const isFirst = at === start[row]
    if (count[at]! > free && (isFirst || count[at - 1]! <= free) && !isSetUp(chunk, i, isFirst, sites))
      begins[at >>> 3]! |= 1 << (at & 7)
  }
}

/** True if an event only sets the page up. Without stacks, the first set of a page to 1 is taken for that. */
function isSetUp({ op, stack, count }: Chunk, i: number, isFirst: boolean, sites: CallSites): boolean {
  if (op[i] !== Op.SET) return false
  if (sites.isTelling(stack[i]!)) return (sites.traits(stack[i]!) & StackTrait.INIT) !== 0
  return isFirst && count[i] === 1
}

/** The count while nobody holds the page, as the protocol has it before memunmap_pages(); of a watched page, that at rest. */
function idleOf(ledger: LearningTracker, pfn: number): number {
  const row = ledger.pages.find(pfn)
  if (ledger.pages.has(row, PageBit.rested)) return ledger.idleCount(row) ?? NO_IDLE
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

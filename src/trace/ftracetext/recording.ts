// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads ftrace text: tracefs `trace` and `trace_pipe`, and the output of `trace-cmd report`.
 *
 * The lines are already in order of time, and their times may be rounded, so rows keep the order of the file.
 */

import { dropRows, newBatch } from '../common/batch.ts'
import { decodeText } from '../common/bytes.ts'
import { clockOf, scaled, toNs } from '../common/clock.ts'
import { observed } from '../common/clock-resolution.ts'
import { LossTracker, MAX_CPUS } from '../common/loss-tracker.ts'
import { drops, ProbeFaults } from '../common/probe-fields.ts'
import { StackInterner } from '../common/stacks.ts'
import { SymbolTable } from '../common/symbols.ts'
import { FormatError } from '../common/unknown-format.ts'
import type { Damage, EventBatch, OpenOptions, Recording, SourceInfo } from '../events.ts'
import { EventLine, LineKind } from './event-line.ts'
import { firstEvents, lostMark, startMark, TextHeader } from './header.ts'
import { LineDamage } from './line-damage.ts'
import { LineWindow, MAX_LINE_BYTES, type TextInput, trimEnd } from './lines.ts'
import { ProbeText } from './probe-line.ts'
import { isFrameLine, MAX_INDENT, TextStacks } from './stack-lines.ts'
import { TextTasks } from './text-tasks.ts'
import { type Unframed, unframed } from './unframed.ts'

const NEWLINE = 10
const SPACE = 32
const HASH = 35
const COLON = 58

const BATCH_ROWS = 1 << 15
/** Maximum number of rows between an event and its stack. A stack that comes later is not waited for. */
const STACK_WINDOW = 1 << 10
/** Maximum number of bytes of one stack's lines. */
const MAX_BLOCK_BYTES = 1 << 18
/** Maximum number of other trace buffers that are named. */
const MAX_OTHER_BUFFERS = 100
/** Maximum number of bytes that are searched for the first event. */
const MAX_PREFIX_BYTES = 1 << 20

/** Number of events from whose times a text's clock is guessed, and the minimum for a guess. */
const GUESS_EVENTS = 512
const GUESS_LEAST = 16

/** Times from here on are not exact, so they are not used as the end of the recording. */
const MAX_END_TIME = 2 ** 53

const NO_ROW = -1

/** Result of an attempt to parse. */
const Step = { MORE: 0, LINE: 1, FULL: 2 } as const

/** Opens ftrace text. Rejects with a TraceError if the beginning does not look like it. */
export async function openText(input: TextInput, options: OpenOptions = {}): Promise<Recording> {
  const recording = new TextRecording(await unframed(input, options.buffer !== undefined), options)
  await recording.open()
  return recording
}

class TextRecording implements Recording {
  readonly info: SourceInfo
  readonly stacks: StackInterner
  readonly tasks = new TextTasks()
  readonly damage: Damage[]
  readonly notes: string[] = []
  timeBase = 0n

  readonly #input: Unframed
  readonly #lineDamage: LineDamage
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #buffer: string | undefined
  readonly #window = new LineWindow()
  readonly #line = new EventLine()
  readonly #probe = new ProbeText()
  readonly #probeFaults = new ProbeFaults()
  readonly #textStacks: TextStacks
  readonly #header = new TextHeader()
  readonly #batch = newBatch(BATCH_ROWS)
  /** Start of the first line that `#preview` has not examined, and whether an event was among the examined ones. */
  #previewed = 0
  #eventSeen = false
  #baseSeconds = 0
  /** Nanoseconds per tick, if times are ticks of a clock that was recognised. */
  #tickNs = 1
  #started = false

  /** By CPU, the row of its last event, as long as no other event of that CPU followed it. */
  readonly #openRow = new Int32Array(MAX_CPUS).fill(NO_ROW)
  #stacksSeen = false
  readonly #gaps = new LossTracker()
  /** Time of the last event, if that event is not delivered. */
  #otherTime: number | undefined
  /** True if the gaps before the CPUs' first events are known. */
  #startsKnown = false
  /** Time of the last event of any kind; undefined before the first. */
  #lastTime: number | undefined
  /** True if the last event was of another kind, whose text may continue on further lines. */
  #inOther = false
  readonly #otherBuffers = new Set<string>()

  constructor(input: Unframed, options: OpenOptions) {
    const symbols = new SymbolTable()
    for (const text of options.kallsyms ?? []) symbols.add(text)
    this.stacks = new StackInterner(symbols)
    this.#textStacks = new TextStacks(this.stacks, symbols)
    this.#input = input
    this.#lineDamage = new LineDamage(input)
    this.damage = this.#lineDamage.reports
    this.notes.push(...input.notes)
    this.#buffer = options.buffer
    this.#iterator = input.chunks()[Symbol.asyncIterator]()
    this.info = {
      file: input.name,
      format: 'ftrace text',
      kernel: undefined,
      cpus: 0,
      clock: 'unknown',
      unit: 'ns',
      resolution: 1000,
      rawFlags: false,
      machine: undefined,
    }
  }

  /** Reads up to the first page_ref event, which shows what kind of text it is. */
  async open(): Promise<void> {
    const window = this.#window
    do await this.#load()
    while (!this.#preview() && !window.ended && window.end < MAX_PREFIX_BYTES)
    if (!this.#eventSeen && !this.#header.recognised) {
      throw new FormatError(this.#input.name, window.bytes.subarray(0, Math.min(window.end, 512)))
    }
    if (this.info.unit === 'ticks') await this.#guessClock()
    this.info.format = this.#header.traceCmd ? 'trace-cmd text' : 'ftrace text'
    this.info.kernel = this.#header.kernel
    this.info.cpus = this.#header.cpus
  }

  /**
   * Guesses the clock of a text with ticks, which does not name it. Only with the clock `uptime` do consecutive events of a CPU
   * have the same time. A cycle counter advances between events, and the clock `counter` increments for each event.
   */
  async #guessClock(): Promise<void> {
    const window = this.#window
    const line = new EventLine()
    const last = new Map<number, number>()
    let [equal, seen] = [0, 0]
    for (let start = window.at; seen < GUESS_EVENTS; ) {
      const end = window.lineEnd(start)
      if (end < 0) {
        if (window.ended || window.end >= MAX_PREFIX_BYTES) break
        await this.#load()
      } else {
        if (line.parseHead(window.bytes, start, trimEnd(window.bytes, start, end))) {
          const ticks = line.seconds * 1e9 + line.nanoseconds
          if (last.get(line.cpu) === ticks) equal++
          last.set(line.cpu, ticks)
          seen++
        }
        start = end + 1
      }
    }
    const { scale } = clockOf('uptime')
    if (equal * 2 < seen || seen < GUESS_LEAST || !scale) return
    this.#tickNs = scaled(1, scale)
    this.info.clock = 'uptime'
    this.info.unit = 'ns'
    this.info.resolution = this.#tickNs
    this.timeBase = toNs(this.timeBase, scale)
  }

  /** Time of a line, relative to the time base. */
  #timeOf({ seconds, nanoseconds }: EventLine): number {
    return ((seconds - this.#baseSeconds) * 1e9 + nanoseconds) * this.#tickNs
  }

  async #load(): Promise<void> {
    const { done, value } = await this.#iterator.next()
    if (done) this.#window.ended = true
    else this.#window.append(value)
  }

  /** Examines the loaded lines without consuming them. Returns true when one is a page_ref event. */
  #preview(): boolean {
    const { bytes } = this.#window
    for (;;) {
      const start = this.#previewed
      const end = this.#window.lineEnd(start)
      if (end < 0) return false
      if (this.#line.parseHead(bytes, start, trimEnd(bytes, start, end))) {
        if (!this.#eventSeen) this.#firstEvent()
        if (this.#line.kind === LineKind.PAGE_REF) {
          this.info.rawFlags = hasHighFlags(decodeText(bytes.subarray(start, end)))
          return true
        }
      } else if (!this.#eventSeen && end - start < 512) this.#header.read(decodeText(bytes.subarray(start, end)))
      this.#previewed = end + 1
    }
  }

  #firstEvent(): void {
    this.#eventSeen = true
    this.#baseSeconds = this.#line.seconds
    this.timeBase = BigInt(this.#line.seconds) * 1_000_000_000n
    this.info.resolution = this.#line.resolution
    if (!this.#line.ticks) return
    this.info.clock = this.info.unit = 'ticks'
  }

  batches(): AsyncGenerator<EventBatch> {
    return observed(this.info, () => this.timeBase, this.#batches())
  }

  async *#batches(): AsyncGenerator<EventBatch> {
    const batch = this.#batch
    await this.#findOverwritten()
    for (;;) {
      const step = this.#parse()
      if (step === Step.FULL) {
        const kept = this.#cut()
        const rows = batch.length - kept
        batch.length = rows
        batch.lost = this.#gaps.take()
        yield batch
        batch.length = rows + kept
        this.#drop(rows)
      } else if (this.#window.ended) break
      else await this.#load()
    }
    this.#finish()
    batch.lost = this.#gaps.take()
    if (batch.length > 0 || batch.lost.length > 0) yield batch
  }

  progress(): { done: number; total: number | undefined } {
    return { done: this.#window.base + this.#window.at, total: this.#input.size }
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  /** Parses lines until the batch is full or no whole line is left. */
  #parse(): typeof Step.MORE | typeof Step.FULL {
    for (;;) {
      if (this.#batch.length === BATCH_ROWS) return Step.FULL
      if (this.#parseLine() === Step.MORE) return Step.MORE
    }
  }

  #parseLine(): typeof Step.MORE | typeof Step.LINE {
    const window = this.#window
    const start = window.at
    const end = window.lineEnd(start)
    if (end < 0) {
      if (window.end - start > MAX_LINE_BYTES) return this.#skipLongLine()
      return Step.MORE
    }
    const next = Math.min(end + 1, window.end)
    const line = this.#line
    const stop = trimEnd(window.bytes, start, end)
    if (window.bytes[start] === HASH || !line.parseHead(window.bytes, start, stop)) this.#otherLine(start, stop)
    else if (line.kind === LineKind.STACK) return this.#stackBlock(next)
    else this.#event(start, stop)
    window.at = next
    return Step.LINE
  }

  /** Drops the loaded part of an overlong line. The rest of it will count as a damaged line. */
  #skipLongLine(): typeof Step.MORE {
    const window = this.#window
    this.#lineDamage.tear(
      window.base + window.at,
      `expected a line of ftrace text: this one has more than ${MAX_LINE_BYTES} bytes`,
    )
    window.at = window.end
    return Step.MORE
  }

  #event(start: number, end: number): void {
    const line = this.#line
    const { bytes } = this.#window
    if (!this.#ofBuffer(bytes, start)) return
    const { cpu, kind } = line
    const time = this.#timeOf(line)
    const batch = this.#batch
    const row = batch.length
    this.#openRow[cpu] = NO_ROW
    this.#inOther = kind === LineKind.OTHER
    if (kind === LineKind.PAGE_REF && !line.parseFields(bytes, end, batch, row)) {
      this.#lineDamage.report(
        this.#window.base + start,
        'expected a page_ref event with pfn, count, val (and ret) as numbers',
      )
      // A damaged event at the end of a text that was cut is no loss: the recording ends there.
      if (!this.#isLast(end)) this.#gaps.lose(cpu, 1)
      return
    }
    if (this.#lineDamage.isTorn) this.#endTear(cpu, time)
    this.#lastTime = time
    this.#gaps.event(cpu, time)
    if (cpu >= this.info.cpus) this.info.cpus = cpu + 1
    if (line.isSwitch) this.tasks.switched(decodeText(bytes.subarray(line.fields, Math.min(end, line.fields + 512))))
    if (this.#inOther || (kind === LineKind.PROBE && !this.#probeRow(bytes, end, row))) {
      this.#otherTime = time
      return
    }
    this.#otherTime = undefined
    batch.time[row] = time
    batch.cpu[row] = cpu
    batch.op[row] = line.op
    batch.pid[row] = line.pid
    batch.stack[row] = 0
    batch.length = row + 1
    this.#openRow[cpu] = row
    this.tasks.ran(line.pid, bytes, line.commStart, line.commEnd)
  }

  /** Parses the fields of a probe into a row. Returns false if the probe is dropped. */
  #probeRow(bytes: Uint8Array, end: number, row: number): boolean {
    const { op, fields } = this.#line
    const fault = this.#probe.parse(op, bytes, fields, end, this.#batch, row)
    this.#probeFaults.count(op, fault)
    return !drops(fault)
  }

  /** True if the line belongs to the trace buffer that is read. trace-cmd prints "NAME: " before the lines of instances. */
  #ofBuffer(bytes: Uint8Array, start: number): boolean {
    const line = this.#line
    if (bytes[start] === SPACE) return this.#buffer === undefined
    for (let at = start; at + 1 < line.commEnd; at++) {
      if (bytes[at] !== COLON || bytes[at + 1] !== SPACE) continue
      const name = decodeText(bytes.subarray(start, at))
      line.commStart = at + 1
      while (line.commStart < line.commEnd && bytes[line.commStart] === SPACE) line.commStart++
      if (name === this.#buffer) return true
      if (this.#otherBuffers.size < MAX_OTHER_BUFFERS) this.#otherBuffers.add(name)
      return false
    }
    return this.#buffer === undefined
  }

  /** Handles a stack whose frames begin at `next`. Waits until all of them are loaded. */
  #stackBlock(next: number): typeof Step.MORE | typeof Step.LINE {
    const window = this.#window
    const { cpu, pid } = this.#line
    const row = this.#openRow[cpu]!
    const wanted = row !== NO_ROW && this.#batch.pid[row] === pid && this.#ofBuffer(window.bytes, window.at)
    let stack = wanted ? this.#guessedStack(next) : -1
    let end = this.#textStacks.foundEnd
    if (stack < 0) {
      end = this.#blockEnd(next)
      if (end < 0) return Step.MORE
      if (wanted) stack = this.#textStacks.intern(window.bytes, next, end)
    }
    if (wanted) {
      this.#batch.stack[row] = stack
      this.#openRow[cpu] = NO_ROW
      this.#stacksSeen = true
    }
    window.at = end
    return Step.LINE
  }

  /** Returns the expected stack, if its lines are at `next` and no other frame follows them; otherwise -1. */
  #guessedStack(next: number): number {
    const { bytes, end } = this.#window
    const stack = this.#textStacks.guess(bytes, next, end)
    if (stack < 0) return -1
    const { foundEnd } = this.#textStacks
    // More than a maximum indent must be loaded to tell if another frame follows.
    const certain = end - foundEnd > MAX_INDENT + 1 && bytes[foundEnd - 1] === NEWLINE
    return certain && !isFrameLine(bytes, foundEnd, end) ? stack : -1
  }

  /** Returns the end of the frame lines that begin at `next`; -1 if more may follow that are not loaded yet. */
  #blockEnd(next: number): number {
    const window = this.#window
    for (let end = next; ; ) {
      const lineEnd = window.lineEnd(end)
      if (lineEnd < 0) return window.ended || window.end - next > MAX_BLOCK_BYTES ? end : -1
      if (!isFrameLine(window.bytes, end, lineEnd)) return end
      end = Math.min(lineEnd + 1, window.end)
    }
  }

  /** Handles a line that is not an event: a comment, a gap, a stray frame, or damage. */
  #otherLine(start: number, end: number): void {
    const { bytes } = this.#window
    let at = start
    while (at < end && bytes[at] === SPACE) at++
    if (at === end || isFrameLine(bytes, at, end)) return
    const text = decodeText(bytes.subarray(at, Math.min(end, at + 512)))
    const lost = lostMark(text)
    const started = startMark(text)
    if (lost) this.#gaps.lose(lost.cpu, lost.count)
    else if (started !== undefined) {
      if (!this.#startsKnown) this.#gaps.lose(started, undefined)
    } else if (!(text.startsWith('#') || this.#header.read(text) || this.#inOther)) this.#strangeLine(start, text)
  }

  /**
   * Handles a line that ftrace did not write. Between two events it may have been an event; before the first one it hides
   * nothing.
   */
  #strangeLine(start: number, text: string): void {
    if (this.#lastTime !== undefined) this.#lineDamage.strange(this.#window.base + start, text)
  }

  /** Handles an event after lines that may have been events: events may be missing between the last event and this one. */
  #endTear(cpu: number, time: number): void {
    this.#gaps.loseBetween(this.#lastTime ?? Number.NEGATIVE_INFINITY, time, cpu)
    this.#lineDamage.reportTorn()
  }

  /** True if the line that ends at `end` is the last one and has no newline. The text may have been cut in it. */
  #isLast(end: number): boolean {
    const window = this.#window
    return window.ended && end === window.end
  }

  /** Returns how many rows at the end of the full batch must wait because their stacks may follow. */
  #cut(): number {
    const { length } = this.#batch
    if (!this.#stacksSeen) return 0
    let first = length
    for (let cpu = 0; cpu < this.#gaps.cpus; cpu++) {
      const row = this.#openRow[cpu]!
      if (row >= length - STACK_WINDOW && row < first) first = row
    }
    return length - first
  }

  #drop(rows: number): void {
    dropRows(this.#batch, rows)
    for (let cpu = 0; cpu < this.#gaps.cpus; cpu++) this.#openRow[cpu] = Math.max(NO_ROW, this.#openRow[cpu]! - rows)
  }

  /**
   * If the header says that old events were overwritten, each CPU has a gap before its first event. These gaps must be known
   * before other CPUs' events of that time are delivered, so a file is searched for them beforehand.
   */
  async #findOverwritten(): Promise<void> {
    if (this.#started) throw new Error('batches can be read once')
    this.#started = true
    const { entries, written } = this.#header
    if (entries >= written) return
    this.notes.push(`${written - entries} of ${written} events were overwritten before the buffer was read`)
    if (this.#input.size === undefined) return
    this.#startsKnown = true
    const known = new Set<number>()
    for await (const line of firstEvents(this.#input)) {
      const { cpu } = line
      if (known.has(cpu)) continue
      known.add(cpu)
      const to = this.#timeOf(line)
      this.#gaps.found.push({ cpu, from: Number.NEGATIVE_INFINITY, to, count: undefined })
    }
  }

  #finish(): void {
    const window = this.#window
    this.#lineDamage.finish()
    this.#gaps.finish(this.info.cpus)
    if (this.#otherTime !== undefined && this.#otherTime < MAX_END_TIME) this.info.endTime = this.#otherTime
    if (window.end > 0 && window.bytes[window.end - 1] !== NEWLINE) {
      this.notes.push('the last line has no newline: if the text was cut there, its last number may be wrong')
    }
    this.notes.push(...this.#lineDamage.foreignNotes())
    this.notes.push(...this.#probeFaults.notes())
    this.notes.push(...this.#lineDamage.moreNotes())
    if (this.#otherBuffers.size > 0) {
      this.notes.push(`events of other trace buffers were not read: ${[...this.#otherBuffers].join(', ')}`)
    }
  }
}

/** True if the flags are the raw word. Only then do they have top bits, which contain the zone. */
function hasHighFlags(line: string): boolean {
  return /\bflags=0x[0-9a-f]{9,16}\b/.test(line)
}

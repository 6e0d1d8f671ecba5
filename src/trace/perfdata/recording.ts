// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads perf.data with page_ref tracepoints, probes or watched counts, written either to a file or through a pipe. */

import { ByteReader, decodeText } from '../common/bytes.ts'
import { observed } from '../common/clock-resolution.ts'
import { joinGaps, LossTracker, MAX_CPUS, type OpenGap } from '../common/loss-tracker.ts'
import { moduleOfMapping } from '../common/module-name.ts'
import { StackInterner } from '../common/stacks.ts'
import { SymbolTable } from '../common/symbols.ts'
import { TaskNames } from '../common/tasks.ts'
import {
  type ByteSource,
  type Damage,
  type EventBatch,
  type OpenOptions,
  type Recording,
  type SourceInfo,
  TraceError,
} from '../events.ts'
import { type PerfHeader, parseAttr, readFeature, readIds, readPerfHeader, readPerfTracing } from './header.ts'
import { NoTracepointsError } from './no-tracepoints.ts'
import { RECORD_HEADER, type RecordPlace, RecordType, RecordWindow } from './records.ts'
import { SampleOrder } from './reorder.ts'
import { Outcome, SampleDecoder } from './samples.ts'
import { Watch } from './watch/watch.ts'
import { ZstdError, ZstdStream } from './zstd-stream.ts'

const CHUNK_BYTES = 1 << 20

/** Maximum number of malformed samples that are reported one by one. Further ones are only counted. */
const MAX_DAMAGE = 100

/**
 * Maximum size in bytes of the records before the first sample in a pipe. They include the names of modules and the description
 * of the events.
 */
const MAX_PROLOGUE_BYTES = 1 << 29

/** Pid of the kernel in PERF_RECORD_MMAP. */
const KERNEL_PID = 0xffffffff

const CLOCKS = new Map([
  [0, 'realtime'],
  [1, 'mono'],
  [4, 'mono_raw'],
  [7, 'boot'],
  [11, 'tai'],
])

/**
 * Opens perf.data. Rejects with a TraceError if no page_ref event can be read. Samples of watched counts are read twice: the
 * first time to deduce the counts at the start.
 */
export async function openPerf(source: ByteSource, options: OpenOptions = {}): Promise<Recording> {
  const recording = await openOnce(source, options)
  const { watch } = recording
  if (watch) {
    await watch.begin((await openOnce(source, options, watch)).batches())
    recording.info.watched = watch.counts()
  }
  return recording
}

async function openOnce(source: ByteSource, options: OpenOptions, watch?: Watch): Promise<PerfRecording> {
  const damage: Damage[] = []
  const header = await readPerfHeader(source, damage)
  const recording = new PerfRecording(source, header, damage, options, watch)
  await recording.open()
  return recording
}

class PerfRecording implements Recording {
  readonly info: SourceInfo
  readonly stacks: StackInterner
  readonly tasks = new TaskNames()
  readonly damage: Damage[]
  readonly notes: string[] = []
  timeBase = 0n
  /** Set if counts are watched. */
  watch: Watch | undefined

  readonly #source: ByteSource
  readonly #header: PerfHeader
  readonly #options: OpenOptions
  readonly #symbols: SymbolTable
  readonly #samples: SampleDecoder
  readonly #order: SampleOrder
  /** Windows over the records in the file, and over those that were compressed. */
  readonly #outer: RecordWindow
  readonly #inner: RecordWindow
  readonly #place: RecordPlace = { type: 0, at: 0, size: 0, payload: 0 }
  readonly #zstd: ZstdStream
  /** Offset in the file of the next chunk to read. */
  #loaded: number
  #started = false
  #broken = 0
  #formats = 0
  #hasTimeBase = false

  /** A CPU's samples and losses are in the order in which they occurred. */
  readonly #gaps = new LossTracker()
  /** A loss whose record does not name the CPU. It is the CPU of the next sample, because perf reads the buffers one by one. */
  #lostNext: OpenGap | undefined
  #lostCounted = 0
  #lostSummed = 0

  /** @param watch the watch opened by an earlier reading of the same file */
  constructor(source: ByteSource, header: PerfHeader, damage: Damage[], options: OpenOptions, watch?: Watch) {
    this.#source = source
    this.#header = header
    this.#options = options
    this.damage = damage
    this.watch = watch
    this.#symbols = watch?.symbols ?? new SymbolTable()
    if (!watch) for (const text of options.kallsyms ?? []) this.#symbols.add(text)
    this.stacks = new StackInterner(this.#symbols)
    this.#samples = new SampleDecoder(header.littleEndian, this.stacks, this.#symbols)
    this.#outer = new RecordWindow(header.dataOffset, header.littleEndian)
    this.#inner = new RecordWindow(0, header.littleEndian)
    this.#zstd = new ZstdStream()
    this.#order = new SampleOrder(
      this.#gaps,
      options.keepRepeated && !header.attrs.some(({ breakpoint }) => breakpoint),
    )
    this.#loaded = header.dataOffset
    this.info = {
      file: source.name,
      format: 'perf.data',
      kernel: header.kernel,
      cpus: header.cpus,
      clock: 'perf',
      unit: 'ns',
      resolution: 1,
      rawFlags: true,
      machine: header.machine,
    }
    for (const attr of header.attrs) this.#samples.addAttr(attr)
  }

  /** Reads the description of the events. In a pipe, that takes reading the records before the first sample. */
  async open(): Promise<void> {
    if (this.#header.tracing) this.#addTracing()
    if (this.#header.firstTime !== undefined) this.#setTimeBase(this.#header.firstTime)
    const { pipe } = this.#header
    if (!pipe) await this.#openWatch()
    await this.#prologue()
    if (pipe) await this.#openWatch()
    const clockId = this.#header.attrs[0]?.clockId
    if (clockId !== undefined) this.info.clock = CLOCKS.get(clockId) ?? `clock ${clockId}`
    this.info.kernel = this.#header.kernel
    this.info.machine = this.#header.machine
    this.info.cpus = Math.min(this.#header.cpus, MAX_CPUS)
    const { lastTime } = this.#header
    if (lastTime !== undefined) this.info.endTime = Number(lastTime - this.timeBase)
  }

  /** Looks for watched counts, unless there are page_ref events, which contain more. */
  async #openWatch(): Promise<void> {
    const { attrs, tracing, pipe } = this.#header
    if (this.#formats === 0)
      this.watch ??= await Watch.open(attrs, this.#header, this.#options, this.#symbols, this.damage)
    if (!this.watch && !tracing) throw new NoTracepointsError(this.info.file, attrs, pipe)
    if (!this.watch) return
    this.#samples.setWatch(this.watch)
    this.info.rawFlags = false
    this.info.isWatch = true
  }

  #addTracing(): void {
    const { tracing } = this.#header
    if (!tracing) return
    for (const text of tracing.kallsyms) this.#symbols.add(text)
    this.tasks.addSavedCmdlines(tracing.cmdlines)
    this.#formats = this.#samples.addFormats(tracing.formats, tracing.pageSize)
  }

  #setTimeBase(time: bigint): void {
    this.timeBase = time
    this.#hasTimeBase = true
    this.#samples.setTimeBase(time)
  }

  /** Handles the records up to the first sample. Its time becomes the time base unless the header has one. */
  async #prologue(): Promise<void> {
    const window = this.#outer
    for (;;) {
      while (this.#peek(window) !== RecordType.SAMPLE && window.next(this.#place)) {
        if (this.#place.type === RecordType.COMPRESSED || this.#place.type === RecordType.COMPRESSED2) {
          // A compressed sample has its time read later, when it is unpacked.
          window.at = this.#place.at
          return
        }
        this.#record(window)
      }
      if (this.#peek(window) === RecordType.SAMPLE || window.base - this.#header.dataOffset > MAX_PROLOGUE_BYTES) break
      if (!(await this.#load())) return
    }
    this.#findTimeBase(window, window.at)
  }

  #findTimeBase(window: RecordWindow, at: number): void {
    if (this.#hasTimeBase) return
    this.#samples.setArrays(window.arrays)
    const size = window.arrays.V.getUint16(at + 6, this.#header.littleEndian)
    if (window.end - at < size) return
    const time = this.#samples.sampleTime(at, size)
    if (time !== undefined) this.#setTimeBase(time)
  }

  /** Type of the next record, if it is loaded completely; otherwise -1. */
  #peek(window: RecordWindow): number {
    const left = window.end - window.at
    if (left < RECORD_HEADER) return -1
    const { V } = window.arrays
    if (left < V.getUint16(window.at + 6, this.#header.littleEndian)) return -1
    return V.getUint32(window.at, this.#header.littleEndian)
  }

  /** Loads the next chunk of the file. Returns false at its end. */
  async #load(): Promise<boolean> {
    const window = this.#outer
    if (window.broken) return false
    const missing = window.wanted - (window.end - window.at)
    const length = Math.min(Math.max(CHUNK_BYTES, missing), this.#header.dataEnd - this.#loaded)
    if (length <= 0) return false
    const chunk = await this.#source.read(this.#loaded, length)
    window.append(chunk)
    this.#loaded += chunk.length
    return chunk.length > 0
  }

  batches(): AsyncGenerator<EventBatch> {
    return observed(this.info, () => this.timeBase, this.#batches())
  }

  async *#batches(): AsyncGenerator<EventBatch> {
    if (this.#started) throw new Error('batches can be read once')
    this.#started = true
    if (this.#formats === 0 && !this.watch && !this.#samples.hasProbes) {
      this.notes.push('the file describes no page_ref events')
      return
    }
    do {
      this.#samples.setArrays(this.#outer.arrays)
      while (this.#outer.next(this.#place)) {
        this.#record(this.#outer)
        if (this.#zstd.pending) yield* await this.#unpacked()
      }
      yield* this.#given()
    } while (await this.#load())
    this.#finish()
    yield* this.#given()
    this.notes.push(...this.#samples.probeNotes(), ...(this.watch?.notes() ?? []))
    const { repeated } = this.#order
    if (repeated > 0) this.notes.push(`${repeated} samples stand in the file twice and were read once`)
  }

  *#given(): Generator<EventBatch> {
    for (let batch = this.#order.next(); batch; batch = this.#order.next()) {
      this.watch?.resolve(batch)
      yield batch
    }
  }

  async #unpacked(): Promise<Generator<EventBatch>> {
    await this.#zstd.load()
    return this.#innerRecords()
  }

  /** Yields batches from the records in the compressed data that wait to be unpacked. */
  *#innerRecords(): Generator<EventBatch> {
    const inner = this.#inner
    try {
      for (const bytes of this.#zstd.unpack()) {
        inner.append(bytes)
        this.#samples.setArrays(inner.arrays)
        while (inner.next(this.#place)) {
          if (this.#place.type === RecordType.SAMPLE && !this.#hasTimeBase) this.#findTimeBase(inner, this.#place.at)
          this.#record(inner)
        }
        yield* this.#given()
      }
    } catch (error) {
      if (!(error instanceof ZstdError)) throw error
      this.#zstd.fail()
      this.#gaps.loseAnywhere()
      this.#report(this.#outer.base + this.#outer.at, `expected packed records: ${error.message}`)
    }
    this.#samples.setArrays(this.#outer.arrays)
  }

  progress(): { done: number; total: number | undefined } {
    const { dataOffset, dataEnd } = this.#header
    return { done: this.#outer.base + this.#outer.at - dataOffset, total: dataEnd - dataOffset }
  }

  async close(): Promise<void> {}

  /** Reports damage at a place of a window. For compressed records, the place is that of the record that contains them. */
  #reportAt(window: RecordWindow, at: number, expected: string): void {
    if (window === this.#outer) this.#report(window.base + at, expected)
    else
      this.#report(this.#outer.base + this.#outer.at, `${expected} (byte ${window.base + at} of the unpacked records)`)
  }

  #report(offset: number, expected: string): void {
    if (this.damage.length < MAX_DAMAGE) this.damage.push({ file: this.info.file, offset, expected })
    else this.#broken++
  }

  #record(window: RecordWindow): void {
    const { type, at, size } = this.#place
    if (type === RecordType.SAMPLE) this.#sample(window, at, size)
    else if (type === RecordType.FINISHED_ROUND) this.#order.endRound()
    else {
      try {
        this.#otherRecord(window, type)
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
        this.#reportAt(window, at, error.expected)
      }
    }
  }

  #sample(window: RecordWindow, at: number, size: number): void {
    const samples = this.#samples
    const order = this.#order
    const { waiting } = order
    const outcome = samples.decode(at, size, waiting, waiting.length)
    if (outcome === Outcome.BROKEN) {
      this.#reportAt(window, at, 'expected a sample with id, time, CPU and raw data as its event says')
      this.#gaps.loseAnywhere()
      return
    }
    const { cpu, time } = samples
    if (this.#lostNext) {
      this.#gaps.lose(cpu, this.#lostNext.count)
      this.#lostNext = undefined
    }
    this.#gaps.event(cpu, time)
    if (cpu >= this.info.cpus) this.info.cpus = cpu + 1
    if (outcome === Outcome.ROW) order.add(time)
  }

  #otherRecord(window: RecordWindow, type: number): void {
    const { at, size, payload } = this.#place
    const read = () =>
      new ByteReader(window.arrays.B.subarray(at + RECORD_HEADER, at + size + payload), {
        file: this.info.file,
        base: window.base + at + RECORD_HEADER,
        littleEndian: this.#header.littleEndian,
      })
    if (type === RecordType.COMM) this.#comm(read())
    else if (type === RecordType.FORK) this.#fork(read())
    else if (type === RecordType.MMAP || type === RecordType.MMAP2) this.#mmap(read(), type)
    else if (type === RecordType.LOST || type === RecordType.LOST_SAMPLES || type === RecordType.THROTTLE) {
      this.#lost(read(), type, this.#samples.trailerCpu(at, size))
    } else if (type === RecordType.COMPRESSED) this.#zstd.push(window.arrays.B.slice(at + RECORD_HEADER, at + size))
    else if (type === RecordType.COMPRESSED2) {
      const reader = read()
      this.#zstd.push(reader.take(reader.size64('the size of packed records'), 'packed records').slice())
    } else if (this.#header.pipe) this.#headerRecord(read(), type)
  }

  /** Handles records that a pipe has in place of a file's header. The formats of tracepoints must come before samples. */
  #headerRecord(reader: ByteReader, type: number): void {
    const header = this.#header
    if (type === RecordType.HEADER_ATTR) {
      const size = reader.bytes.length >= 8 ? reader.view.getUint32(4, reader.littleEndian) : 0
      if (size < 64) throw reader.error('expected an attribute')
      const attr = parseAttr(reader.take(size, 'an attribute').slice(), header.littleEndian)
      attr.ids = readIds(reader)
      header.attrs.push(attr)
      this.#samples.addAttr(attr)
    } else if (type === RecordType.HEADER_TRACING_DATA && !header.tracing) {
      reader.skip(4, 'the size of the tracing data')
      // Copied, because later chunks overwrite the memory.
      const bytes = reader.bytes.slice(4)
      header.tracing = readPerfTracing(new ByteReader(bytes, { file: reader.file, base: reader.base + 4 }))
      this.#addTracing()
    } else if (type === RecordType.HEADER_FEATURE) {
      const feature = reader.size64('the number of a feature')
      readFeature(header, feature, reader)
    }
  }

  #comm(reader: ByteReader): void {
    reader.skip(4, 'a pid')
    const tid = reader.u32('a tid')
    this.tasks.set(tid, cstring(reader.take(reader.remaining, 'a name')))
  }

  /** A new task has its parent's name until a COMM record names it. */
  #fork(reader: ByteReader): void {
    reader.skip(8, 'pids')
    const tid = reader.u32('a tid')
    const parent = reader.u32("the parent's tid")
    if (this.tasks.has(parent)) this.tasks.set(tid, this.tasks.name(parent))
  }

  /** Notes modules, which are mappings of the kernel named "[zdbug]" or after a file "zdbug.ko" with its path. */
  #mmap(reader: ByteReader, type: number): void {
    if (reader.u32('a pid') !== KERNEL_PID) return
    reader.skip(4, 'a tid')
    const start = reader.u64('a start')
    const length = reader.u64('a length')
    reader.skip(type === RecordType.MMAP ? 8 : 40, 'the place in the file')
    const name = cstring(reader.take(reader.remaining, 'a file'))
    const module = moduleOfMapping(name)
    if (module !== undefined) this.#samples.addModule({ start, end: start + length, name: module })
  }

  #lost(reader: ByteReader, type: number, cpu: number): void {
    if (type === RecordType.LOST) reader.skip(8, 'an id')
    const count = type === RecordType.THROTTLE ? undefined : reader.size64('a number of lost events')
    if (count === 0) return
    if (type === RecordType.LOST_SAMPLES) {
      this.#lostSummed += count ?? 0
      return
    }
    this.#lostCounted += count ?? 0
    if (cpu < 0) this.#lostNext = joinGaps(this.#lostNext, count)
    else this.#gaps.lose(cpu, count)
  }

  #finish(): void {
    this.#order.end()
    for (const window of [this.#outer, this.#inner]) {
      const left = window.end - window.at
      if (left === 0) continue
      // Whatever would have followed is lost.
      this.#gaps.loseAnywhere()
      const found = window.broken ? 'one that cannot be' : `${left} bytes at the end of the data`
      this.#reportAt(window, window.at, `expected a record of 8 bytes or more, found ${found}`)
    }
    this.#openGaps()
    if (this.#order.forced) {
      this.notes.push('no end of a round for millions of samples: samples of different CPUs may be out of order')
    }
    if (this.#broken > 0) this.notes.push(`${this.#broken} more places of damage`)
  }

  #openGaps(): void {
    // At the end, perf counts the lost samples of each event. That number includes the losses that records have reported.
    const more = this.#lostSummed - this.#lostCounted
    if (more > 0) this.notes.push(`${more} more events were lost, at times and on CPUs that are not known`)
    if (more > 0 || this.#lostNext) {
      const [from, to] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      for (let cpu = 0; cpu < this.info.cpus; cpu++) this.#gaps.found.push({ cpu, from, to, count: undefined })
    }
    this.#gaps.finish(this.info.cpus)
  }
}

function cstring(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end))
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** A trace.dat file as a recording. */

import { clockOf, isNs, scaleBatch, scaled, type TickScale, toNs } from '../common/clock.ts'
import { observed } from '../common/clock-resolution.ts'
import { pageRefLayout } from '../common/columns.ts'
import { type Codecs, unpackCopy, unpackerOf } from '../common/compression.ts'
import { commonFields } from '../common/event-format.ts'
import { ProbeFaults, pageShift } from '../common/probe-fields.ts'
import { probeLayout } from '../common/probe-records.ts'
import { StackInterner } from '../common/stacks.ts'
import { switchLayout } from '../common/switch-records.ts'
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
import { type BlockDecoder, type DecoderSetup, LocalDecoder } from './block-decoder.ts'
import { Cutter, type Piece } from './chunks.ts'
import { type ColumnPlan, stackLayout } from './column-walk.ts'
import { readTraceFile, type TraceBuffer, type TraceFile } from './file.ts'
import { type Arrival, CpuQueue, mergeBatches, StackIds } from './merge.ts'
import { type BufferLayout, parseHeaderPage } from './ring-buffer.ts'
import type { WalkState } from './walk-state.ts'

/** What a platform may pass in, in addition to a user's options. */
export interface TraceDatOptions extends OpenOptions {
  codecs?: Codecs
  /** Returns the decoder to use, such as a pool of worker threads. Without it, this thread decodes. */
  decoder?: ((setup: DecoderSetup) => BlockDecoder) | undefined
}

/** Sizes in unpacked bytes: of a block, and of the first blocks of all CPUs together. */
const BLOCK_BYTES = 1 << 19
const ALL_BLOCKS_BYTES = 1 << 25

/**
 * Number of blocks queued per worker, so that it has work until its results are fetched. A batch is filled from seven or eight
 * blocks, and results are fetched once per batch: with fewer blocks the merging thread waits at each of them.
 */
const JOBS_PER_WORKER = 8

/** Maximum number of places of damage that are listed. */
export const MAX_DAMAGE = 1000

/** The highest possible timestamp, which stands for "no time found". */
const LAST_TIME = (1n << 64n) - 1n

/** Opens a trace.dat file, version 6 or 7. Throws TraceError when no event can be read. */
export async function openTraceDat(source: ByteSource, options: TraceDatOptions = {}): Promise<Recording> {
  return new TraceDatRecording(await TraceContents.open(source, [], options))
}

/** The contents of a file, after one of its buffers was chosen. */
export class TraceContents {
  readonly source: ByteSource
  readonly file: TraceFile
  readonly damage: Damage[]
  readonly notes: string[] = []
  readonly options: TraceDatOptions
  buffer: TraceBuffer = { name: '', clock: '', pageSize: 0, cpus: [] }
  /** Time in the file from which the columns count. */
  timeBase = 0n
  readonly #layout: Omit<BufferLayout, 'pageSize'>

  private constructor(source: ByteSource, file: TraceFile, damage: Damage[], options: TraceDatOptions) {
    this.source = source
    this.file = file
    this.damage = damage
    if (file.cutOff)
      this.notes.push('the file was cut off: which CPUs its events come from is guessed from their order')
    this.options = options
    this.#layout = this.#headerPage()
  }

  /** Reads everything in the file except its events. */
  static async open(source: ByteSource, damage: Damage[], options: TraceDatOptions): Promise<TraceContents> {
    const file = await readTraceFile(source, damage, options.codecs)
    const contents = new TraceContents(source, file, damage, options)
    await contents.#chooseBuffer(options.buffer)
    return contents
  }

  #headerPage(): Omit<BufferLayout, 'pageSize'> {
    const { littleEndian, longSize, headerPage } = this.file
    const parsed = parseHeaderPage(headerPage)
    if (parsed) return { littleEndian, longSize: parsed.commitSize, ...parsed }
    if (longSize !== 4 && longSize !== 8) {
      throw new TraceError(this.source.name, 0, 'expected a "header_page" with the layout of sub-buffers')
    }
    const expected = `expected a "header_page" with the layout of sub-buffers; words of ${longSize} bytes are assumed`
    this.damage.push({ file: this.source.name, offset: 0, expected })
    return { littleEndian, longSize, commitOffset: 8, commitSize: longSize, dataOffset: 8 + longSize }
  }

  /**
   * Chooses the buffer of this name. Without a name, chooses the first buffer with page_ref events, starting with the top one.
   */
  async #chooseBuffer(name: string | undefined): Promise<void> {
    const full = this.file.buffers.filter(buffer => buffer.cpus.length > 0)
    full.sort((a, b) => Number(a.name !== '') - Number(b.name !== ''))
    const named = name === undefined ? undefined : this.file.buffers.find(buffer => buffer.name === name)
    if (name !== undefined && !named) {
      const names = this.file.buffers.map(buffer => JSON.stringify(buffer.name)).join(', ')
      throw new TraceError(this.source.name, 0, `expected a buffer "${name}"; there are: ${names || 'none'}`)
    }
    const candidates = named ? [named] : full
    for (const buffer of candidates) {
      await this.#choose(buffer)
      if (candidates.length === 1 || (await this.#startsWithPageRefs())) break
      if (buffer === candidates.at(-1)) await this.#choose(candidates[0]!)
    }
    const others = full.filter(buffer => buffer !== this.buffer).map(buffer => `"${buffer.name}"`)
    if (others.length > 0) {
      this.notes.push(`read the events of buffer "${this.buffer.name}" only; the file also has ${others.join(', ')}`)
    }
  }

  async #choose(buffer: TraceBuffer): Promise<void> {
    this.buffer = buffer
    this.timeBase = 0n
    let earliest = LAST_TIME
    for (const { cutter } of this.cutters([])) {
      const time = await this.#firstTime(await cutter.next(1))
      if (time !== undefined && time < earliest) earliest = time
    }
    if (earliest < LAST_TIME) this.timeBase = earliest
  }

  /** Returns the time of a piece's first sub-buffer; undefined if it cannot be read, which is reported when it is decoded. */
  async #firstTime(piece: Piece | undefined): Promise<bigint | undefined> {
    if (!piece) return undefined
    try {
      const unpack = await unpackerOf(this.compression, this.options.codecs)
      const [at = 0, length = 0, size = 0] = piece.chunks
      const bytes = unpack ? await unpackCopy(unpack, piece.bytes.subarray(at, at + length), size) : piece.bytes
      return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, this.file.littleEndian)
    } catch {
      return undefined
    }
  }

  async #startsWithPageRefs(): Promise<boolean> {
    const plan = this.plan()
    if (!plan) return false
    const setup = { plan: { ...plan, probes: [], switches: undefined }, compression: this.compression }
    const decoder = await LocalDecoder.create(setup, this.options.codecs)
    try {
      for (const { cpu, cutter } of this.cutters([])) {
        const piece = await cutter.next()
        if (piece && (await decoder.decode({ cpu, ...piece, buffer: undefined })).block.state.row > 0) return true
      }
      return false
    } finally {
      await decoder.close()
    }
  }

  /** Version 6 has no compression. */
  get compression() {
    return this.file.compression
  }

  get cpuCount(): number {
    return this.file.cpuCount || Math.max(0, ...this.buffer.cpus.map(({ cpu }) => cpu + 1))
  }

  /** CPUs whose events may have been in the missing part of the file. */
  lostCpus(): number[] {
    const { file, buffer } = this
    if (!file.cutOff) return []
    const lost = Math.max(0, file.cpuCount - buffer.cpus.length)
    return Array.from({ length: lost }, (_, i) => buffer.cpus.length + i)
  }

  /** Returns readers of a buffer's CPUs, lowest first. */
  cutters(damage: Damage[], { cpus, pageSize } = this.buffer): { cpu: number; cutter: Cutter }[] {
    const { littleEndian } = this.file
    const packed = this.compression !== 'none'
    const target = Math.min(BLOCK_BYTES, Math.ceil(ALL_BLOCKS_BYTES / Math.max(1, cpus.length)))
    const cut = { pageSize, packed, littleEndian, target }
    const sorted = [...cpus].sort((a, b) => a.cpu - b.cpu)
    return sorted.map(data => ({ cpu: data.cpu, cutter: new Cutter(this.source, data, cut, damage) }))
  }

  get layout(): BufferLayout {
    return this.layoutOf(this.buffer)
  }

  layoutOf(buffer: TraceBuffer): BufferLayout {
    return { ...this.#layout, pageSize: buffer.pageSize }
  }

  /** Returns how records become columns; undefined if the file describes neither page_ref events nor probes. */
  plan(): ColumnPlan | undefined {
    const { formats } = this.file
    const records = formats.flatMap(format => pageRefLayout(format) ?? [])
    const probes = formats.flatMap(format => probeLayout(format) ?? [])
    const common = formats[0] && commonFields(formats[0])
    if (records.length + probes.length === 0 || !common) return undefined
    const stack = formats.find(format => format.system === 'ftrace' && format.name === 'kernel_stack')
    return {
      layout: this.layout,
      timeBase: this.timeBase,
      common,
      records,
      stack: stack && stackLayout(stack),
      probes,
      switches: formats.flatMap(format => switchLayout(format) ?? [])[0],
      pageShift: pageShift(this.file.pageSize),
    }
  }
}

class TraceDatRecording implements Recording {
  readonly info: SourceInfo
  readonly timeBase: bigint
  readonly stacks: StackInterner
  readonly tasks = new TaskNames()
  readonly damage: Damage[]
  readonly notes: string[]
  readonly #contents: TraceContents
  /** Conversion of ticks to nanoseconds; undefined if it is not known, so that times count ticks. */
  readonly #scale: TickScale | undefined
  readonly #total: number
  readonly #symbols = new SymbolTable()
  readonly #probeFaults = new ProbeFaults()
  #done = 0
  #decoder: BlockDecoder | undefined

  constructor(contents: TraceContents) {
    const { file, source, buffer } = contents
    const [, , kernel, machine] = file.uname.split(' ')
    const clock = buffer.clock || file.clock
    const scale = scaleOf(clock, file)
    // Statistics of a clock that counts ticks have no decimal point. A value of the other form belongs to another buffer's clock.
    const end = scale && isNs(scale) ? file.endTime : file.endTicks
    const endTime = end === undefined ? undefined : Number(end - contents.timeBase)
    this.info = {
      file: source.name,
      format: file.version === 6 ? 'trace.dat v6' : 'trace.dat v7',
      kernel,
      cpus: contents.cpuCount,
      clock,
      unit: scale ? 'ns' : 'ticks',
      resolution: scale ? Math.max(1, scaled(1, scale)) : 1,
      rawFlags: true,
      machine,
      endTime: endTime !== undefined && scale ? scaled(endTime, scale) : endTime,
    }
    this.#scale = scale
    this.timeBase = (scale ? toNs(contents.timeBase, scale) : contents.timeBase) + file.timeOffset
    this.damage = contents.damage
    this.notes = contents.notes
    this.#contents = contents
    this.#total = buffer.cpus.reduce((sum, { size }) => sum + size, 0)
    this.tasks.addSavedCmdlines(file.cmdlines)
    this.stacks = new StackInterner(this.#symbols)
  }

  async *batches(): AsyncGenerator<EventBatch> {
    const contents = this.#contents
    const plan = contents.plan()
    if (!plan) {
      await this.#readSymbols()
      this.notes.push('the file describes neither page_ref events nor probes')
      return
    }
    const setup = { plan, compression: contents.compression }
    const { decoder: given, codecs } = contents.options
    const decoder = given?.(setup) ?? (await LocalDecoder.create(setup, codecs))
    this.#decoder = decoder
    const ids = new StackIds(this.stacks, plan.layout.longSize, plan.layout.littleEndian)
    const free: ArrayBuffer[] = []
    const cutters = contents.cutters(this.damage)
    // Enough to keep all threads busy while this one handles a batch.
    const ahead = Math.ceil((decoder.width * JOBS_PER_WORKER) / Math.max(1, cutters.length))
    const queues = cutters.map(({ cpu, cutter }) => {
      const decode = async (piece: Piece): Promise<Arrival> => {
        const made = await decoder.decode({ cpu, ...piece, buffer: free.pop() })
        this.#note(piece, made.block.state)
        return { block: made.block, stackMap: ids.register(made.block, made.decoder) }
      }
      return new CpuQueue(cpu, readAhead(cutter, decode, ahead), () => cutter.cutOff)
    })
    for (const cpu of contents.lostCpus())
      queues.push(
        new CpuQueue(
          cpu,
          async () => undefined,
          () => true,
        ),
      )
    try {
      // The threads begin meanwhile, once they have their first jobs.
      await decoder.poll()
      await this.#readSymbols()
      const merged = mergeBatches(
        queues,
        buffer => free.push(buffer),
        () => decoder.poll(),
      )
      yield* observed(this.info, () => this.timeBase - contents.file.timeOffset, this.#inNs(merged))
      this.notes.push(...this.#probeFaults.notes())
    } finally {
      await this.close()
    }
  }

  async #readSymbols(): Promise<void> {
    const { file, options } = this.#contents
    await file.readSymbols()
    addSymbols(this.#symbols, file, options)
  }

  async *#inNs(batches: AsyncIterable<EventBatch>): AsyncGenerator<EventBatch> {
    const scale = this.#scale
    for await (const batch of batches) {
      if (scale && !isNs(scale)) scaleBatch(batch, scale)
      yield batch
    }
  }

  #note(piece: Piece, { damage, probeFaults, names }: WalkState): void {
    this.#probeFaults.add(probeFaults)
    for (const [pid, name] of names) if (!this.tasks.has(pid)) this.tasks.set(pid, name)
    this.#done += piece.bytes.length
    for (const { at, expected } of damage) {
      if (this.damage.length < MAX_DAMAGE) {
        this.damage.push({ file: this.info.file, offset: piece.offset + at, expected })
      }
    }
  }

  progress(): { done: number; total: number | undefined } {
    return { done: Math.min(this.#done, this.#total), total: this.#total }
  }

  async close(): Promise<void> {
    await this.#decoder?.close()
    this.#decoder = undefined
  }
}

/**
 * Returns the length of a tick, from the clock's name or as measured by trace-cmd. The clock `counter`, which counts events, has
 * none.
 */
function scaleOf(name: string, { tickScale }: TraceFile): TickScale | undefined {
  const clock = clockOf(name)
  return clock.scale ?? (clock.shared ? undefined : tickScale)
}

/** Adds a file's symbols, which were read, and then those that a user has given. */
export function addSymbols(symbols: SymbolTable, file: TraceFile, options: OpenOptions): SymbolTable {
  for (const text of file.kallsyms) symbols.add(text)
  for (const text of options.kallsyms ?? []) symbols.add(text)
  return symbols
}

/** Yields the blocks of one CPU in order. `ahead` of them are read and decoded in advance by other threads, from now on. */
function readAhead(
  cutter: Cutter,
  decode: (piece: Piece) => Promise<Arrival>,
  ahead: number,
): () => Promise<Arrival | undefined> {
  const pending: Promise<Arrival | undefined>[] = []
  let reading: Promise<Piece | undefined> = Promise.resolve(undefined)
  const start = () => {
    reading = reading.then(() => cutter.next())
    const block = reading.then(piece => piece && decode(piece))
    // Prevents an unhandled rejection. The block is awaited later, and the error is thrown then.
    block.catch(() => {})
    pending.push(block)
  }
  const startAll = () => {
    while (pending.length <= ahead) start()
  }
  // This thread decodes one block at a time.
  if (ahead > 0) startAll()
  return () => {
    startAll()
    return pending.shift()!
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes runs of sub-buffers to columns. Works on plain data, so that it can also run in a worker thread. */
import { type Columns, columnBytes, copyRows, layArrays, layColumns } from '../common/columns.ts'
import { type Codecs, type Compression, type Unpack, unpackerOf } from '../common/compression.ts'
import { RawStacks } from '../common/raw-stacks.ts'
import { ColumnLoop } from './column-loop.ts'
import { type ColumnPlan, type ColumnTarget, compileColumnWalk } from './column-walk.ts'
import { missed, newWalkState, type WalkState } from './walk-state.ts'
import { warmUp } from './warm-up.ts'

/** The information about a recording that a decoder needs. */
export interface DecoderSetup {
  plan: ColumnPlan
  compression: Compression
}

/** A run of sub-buffers of one CPU to be decoded. */
export interface DecodeJob {
  cpu: number
  bytes: Uint8Array<ArrayBuffer>
  /**
   * For each chunk three numbers: its start in `bytes`, its length, and its unpacked length. Empty if `bytes` are uncompressed
   * sub-buffers.
   */
  chunks: Uint32Array
  /** A buffer of an earlier block, to be reused. */
  buffer: ArrayBuffer | undefined
}

/** Decoded sub-buffers. Stack ids are those of the decoder that made the block. */
export interface Block {
  buffer: ArrayBuffer
  /** Positions of damage are offsets in the job's bytes; in compressed chunks, the offset of the chunk. */
  state: WalkState
  stacks: NewStacks
}

/** The stacks that no earlier block of this decoder had: the id of the first, and the end of each in `words`. */
export interface NewStacks {
  first: number
  ends: number[]
  words: Uint32Array<ArrayBuffer>
}

/** Decodes jobs, either in this thread or in a pool of workers. */
export interface BlockDecoder {
  /** Number of jobs that it can work on in parallel, besides the calling thread. */
  readonly width: number
  /**
   * Decodes a job. Returns the block, and the number of the decoder that its stack ids belong to. Blocks of one decoder arrive in
   * the order in which they were made.
   */
  decode(job: DecodeJob): Promise<{ block: Block; decoder: number }>
  /** Lets results of other threads arrive. */
  poll(): Promise<void>
  close(): Promise<void>
}

/** Walks the first `end` bytes, which are whole sub-buffers. */
type ByteWalk = (bytes: Uint8Array, end: number, state: WalkState, target: ColumnTarget) => void

/**
 * Size in bytes to which chunks are unpacked at once. Smaller than the processor's caches, but of many chunks, for the fewer calls
 * there are the less code the engine has to compile.
 */
const RUN_BYTES = 1 << 18

/** A block is shrunk if at most one in this many of its rows is used. */
const SPARSE = 8

/** Decodes in the calling thread, one job at a time: it must not be given the next one before it is done. */
export class LocalDecoder implements BlockDecoder {
  readonly width = 0
  readonly #setup: DecoderSetup
  readonly #unpack: Unpack | undefined
  readonly #stacks: RawStacks
  readonly #walk: ByteWalk
  /** The loop in WebAssembly; undefined if the walk is a generated one. */
  readonly #loop: ColumnLoop | undefined
  /** Minimum size in bytes of a record that becomes a row. */
  readonly #rowBytes: number
  /** The buffer of a block that was shrunk, for reuse. */
  #spare: ArrayBuffer | undefined
  #reported = 1

  private constructor(setup: DecoderSetup, unpack: Unpack | undefined, loop: ColumnLoop | undefined) {
    this.#setup = setup
    this.#unpack = unpack
    this.#stacks = new RawStacks(setup.plan.layout.longSize)
    this.#loop = loop
    this.#walk = loop ? (...run) => loop.walk(...run) : generatedWalk(setup.plan)
    this.#rowBytes = 4 + least([...setup.plan.records, ...setup.plan.probes])
  }

  /** @param isGenerated true to read records by generated code even if the loop in WebAssembly could */
  static async create(setup: DecoderSetup, codecs?: Codecs, isGenerated = false): Promise<LocalDecoder> {
    const unpack = await unpackerOf(setup.compression, codecs)
    return new LocalDecoder(setup, unpack, isGenerated ? undefined : ColumnLoop.of(setup.plan, unpack?.heap))
  }

  async decode(job: DecodeJob): Promise<{ block: Block; decoder: number }> {
    const size = job.chunks.length === 0 ? job.bytes.length : sum(job.chunks, 2)
    const needed = columnBytes(Math.ceil(size / this.#rowBytes))
    const known = [job.buffer, this.#spare].find(buffer => buffer && buffer.byteLength >= needed)
    const buffer = known ?? new ArrayBuffer(needed)
    if (buffer === this.#spare) this.#spare = undefined
    const target = layColumns(buffer)
    target.cpu.fill(job.cpu)
    target.stack.fill(0)
    const state = newWalkState()
    if (!this.#unpack) this.#walkRun(job.bytes, undefined, state, target)
    else await this.#walkChunks(job, this.#unpack, state, target)
    this.#loop?.flush(target, state.row)
    return { block: { buffer: this.#shrink(buffer, target, state.row), state, stacks: this.#newStacks() }, decoder: 0 }
  }

  async #walkChunks(job: DecodeJob, unpack: Unpack, state: WalkState, target: Columns): Promise<void> {
    let i = 0
    for (let end = this.#runEnd(job, i); end > i && unpack.all; end = this.#runEnd(job, i)) {
      if (!this.#walkAll(job, i, end, unpack.all, state, target)) break
      i = end
    }
    for (; i < job.chunks.length; i += 3) {
      const [chunk, length, size] = [job.chunks[i]!, job.chunks[i + 1]!, job.chunks[i + 2]!]
      try {
        const bytes = unpack(job.bytes.subarray(chunk, chunk + length), size)
        this.#walkRun(bytes instanceof Promise ? await bytes : bytes, chunk, state, target)
      } catch (error) {
        state.damage.push({ at: chunk, expected: `expected ${size} bytes of packed events: ${message(error)}` })
        missed(state, undefined)
      }
    }
  }

  /** Returns the end of the chunks from `first` on that are unpacked at once: some of whole sub-buffers. */
  #runEnd({ chunks }: DecodeJob, first: number): number {
    const { pageSize } = this.#setup.plan.layout
    let end = first
    for (let size = 0; end < chunks.length && chunks[end + 2]! % pageSize === 0; end += 3) {
      size += chunks[end + 2]!
      if (size > RUN_BYTES) break
    }
    return end
  }

  /** Unpacks the chunks from index `first` to `end` at once, and walks them. Returns false if one of them is damaged. */
  #walkAll(
    job: DecodeJob,
    first: number,
    end: number,
    all: Unpack['all'] & {},
    state: WalkState,
    target: Columns,
  ): boolean {
    const { chunks } = job
    let size = 0
    for (let i = first; i < end; i += 3) size += chunks[i + 2]!
    let bytes: Uint8Array
    try {
      bytes = all(job.bytes, chunks, first, end, size)
    } catch {
      return false
    }
    const known = state.damage.length
    this.#walk(bytes, size, state, { columns: target, stacks: this.#stacks })
    for (const damage of state.damage.slice(known)) {
      let chunk = first
      while (damage.at >= chunks[chunk + 2]!) {
        damage.at -= chunks[chunk + 2]!
        chunk += 3
      }
      moveToChunk(damage, chunks[chunk]!)
    }
    return true
  }

  /** Walks sub-buffers. `chunk` is the offset in the job of their chunk, if they were compressed. */
  #walkRun(bytes: Uint8Array, chunk: number | undefined, state: WalkState, target: Columns): void {
    const { pageSize } = this.#setup.plan.layout
    const whole = bytes.length - (bytes.length % pageSize)
    const known = state.damage.length
    this.#walk(bytes, whole, state, { columns: target, stacks: this.#stacks })
    if (whole < bytes.length) {
      state.damage.push({ at: whole, expected: `expected a sub-buffer of ${pageSize} bytes, found a part of one` })
      missed(state, undefined)
    }
    if (chunk === undefined) return
    for (const damage of state.damage.slice(known)) moveToChunk(damage, chunk)
  }

  /**
   * Shrinks a block with few rows. Sub-buffers can contain almost no events, and blocks that wait for other CPUs must not occupy
   * unused memory.
   */
  #shrink(buffer: ArrayBuffer, columns: Columns, rows: number): ArrayBuffer {
    if (rows * SPARSE >= columns.op.length) return buffer
    const small = new ArrayBuffer(columnBytes(rows))
    copyRows(layColumns(small), 0, columns, 0, rows)
    this.#spare = buffer
    return small
  }

  #newStacks(): NewStacks {
    const first = this.#reported
    const ends: number[] = []
    let length = 0
    for (let id = first; id < this.#stacks.size; id++) ends.push((length += this.#stacks.words(id).length))
    const words = new Uint32Array(length)
    for (let id = first, at = 0; id < this.#stacks.size; at = ends[id++ - first]!) words.set(this.#stacks.words(id), at)
    this.#reported = this.#stacks.size
    return { first, ends, words }
  }

  async poll(): Promise<void> {}

  async close(): Promise<void> {
    this.#loop?.free()
  }
}

/** Returns a walk in JavaScript, in a state in which it can be optimised. */
function generatedWalk(plan: ColumnPlan): ByteWalk {
  const walk = compileColumnWalk(plan)
  warmUp(plan, walk)
  return (bytes, end, state, target) => walk(layArrays(bytes), 0, end, state, target)
}

/** Returns the minimum size in bytes of records of any of these events. */
function least(layouts: { size: number }[]): number {
  return layouts.reduce((least, { size }) => Math.min(least, size), Number.POSITIVE_INFINITY)
}

/** Makes a place in a chunk, once it is unpacked, the place of the chunk in the job. */
function moveToChunk(damage: WalkState['damage'][number], chunk: number): void {
  damage.expected += ` (byte ${damage.at} of the unpacked chunk)`
  damage.at = chunk
}

function sum(numbers: Uint32Array, every: number): number {
  let total = 0
  for (let i = every; i < numbers.length; i += 3) total += numbers[i]!
  return total
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

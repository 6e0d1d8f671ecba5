// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Merges the blocks of all CPUs by time into batches. Two blocks of each CPU are held. A block is delivered only when the next
 * one is known, because that may begin with the stack of this block's last event.
 */

import { newBatch } from '../common/batch.ts'
import { HOST_LITTLE_ENDIAN } from '../common/bytes.ts'
import { type Columns, copyRows, layColumns } from '../common/columns.ts'
import { joinGaps, type OpenGap } from '../common/loss-tracker.ts'
import type { StackInterner } from '../common/stacks.ts'
import type { EventBatch, LostEvents } from '../events.ts'
import type { Block } from './block-decoder.ts'
import { interleave, type Places, placeQueues, placeRun, type Run, renumber } from './interleave.ts'
import { CLOSED, type Gap, UNTOUCHED } from './walk-state.ts'

/** Number of events in a full batch. */
export const BATCH_EVENTS = 1 << 16

/** Assigns the recording's stack ids to stacks that decoders found. */
export class StackIds {
  readonly #interner: StackInterner
  readonly #addressWords: number
  readonly #littleEndian: boolean
  /** By decoder, the recording's id for each of its ids. */
  readonly #maps: number[][] = []

  constructor(interner: StackInterner, longSize: number, littleEndian: boolean) {
    this.#interner = interner
    this.#addressWords = longSize === 8 ? 2 : 1
    this.#littleEndian = littleEndian
  }

  /** Maps the stack ids of a block. Must be called for each block of a decoder in the order in which they were made. */
  register(block: Block, decoder: number): number[] {
    const map = (this.#maps[decoder] ??= [0])
    const { first, ends, words } = block.stacks
    let at = 0
    ends.forEach((end, i) => {
      map[first + i] = this.#interner.stack(this.#frames(words.subarray(at, end)))
      at = end
    })
    return map
  }

  #frames(words: Uint32Array): number[] {
    const frames: number[] = []
    for (let i = 0; i < words.length; i += this.#addressWords) {
      const first = this.#word(words[i]!)
      const second = this.#addressWords === 2 ? this.#word(words[i + 1]!) : 0n
      const address =
        this.#addressWords === 2 && !this.#littleEndian ? (first << 32n) | second : (second << 32n) | first
      frames.push(this.#interner.addressFrame(address))
    }
    return frames
  }

  #word(word: number): bigint {
    if (this.#littleEndian === HOST_LITTLE_ENDIAN) return BigInt(word)
    const swapped = ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
    return BigInt(swapped >>> 0)
  }
}

/** A block whose rows are delivered, or wait to be. */
interface HeldBlock {
  buffer: ArrayBuffer
  columns: Columns
  rows: number
  gaps: Gap[]
}

/** An event of an earlier block that waits for its stack. */
interface Waiting {
  block: HeldBlock
  row: number
  pid: number
}

/** A decoded block with the map of its stack ids. */
export interface Arrival {
  block: Block
  stackMap: number[]
}

/** The blocks of one CPU. Joins stacks and gaps that were separated by the boundaries of blocks. */
export class CpuQueue {
  readonly cpu: number
  /** The block being delivered, and the next one. */
  readonly blocks: HeldBlock[] = []
  /** Next row of the first block. */
  row = 0
  ended = false
  readonly #arrive: () => Promise<Arrival | undefined>
  readonly #cutOff: () => boolean
  readonly #waiting: (Waiting | undefined)[] = []
  #lastTime = Number.NEGATIVE_INFINITY
  #gap: OpenGap | undefined

  /**
   * @param arrive returns the next block; undefined after the last one
   * @param cutOff is called after the last block. Returns true if events after it are missing
   */
  constructor(cpu: number, arrive: () => Promise<Arrival | undefined>, cutOff: () => boolean) {
    this.cpu = cpu
    this.#arrive = arrive
    this.#cutOff = cutOff
  }

  /** True if more blocks must arrive before rows can be delivered. */
  get hungry(): boolean {
    return !this.ended && this.blocks.length < 2
  }

  async feed(): Promise<void> {
    while (this.hungry) {
      const arrival = await this.#arrive()
      if (arrival) this.#join(arrival)
      else {
        this.ended = true
        if (this.#cutOff()) this.#gap = joinGaps(this.#gap, undefined)
      }
    }
  }

  /** Returns the gap after the CPU's last event, once. Valid after the CPU has ended. */
  lastGap(): LostEvents | undefined {
    const gap = this.#gap
    this.#gap = undefined
    return gap && { cpu: this.cpu, from: this.#lastTime, to: Number.POSITIVE_INFINITY, count: gap.count }
  }

  #join({ block, stackMap }: Arrival): void {
    const { state } = block
    const held: HeldBlock = {
      buffer: block.buffer,
      columns: layColumns(block.buffer),
      rows: state.row,
      gaps: state.gaps,
    }
    const { stack } = held.columns
    if (stackMap.length > 1) renumber(stack, stackMap, held.rows)
    this.#joinStacks(held, block, stackMap)
    this.#joinGaps(block)
    this.blocks.push(held)
  }

  #joinStacks(held: HeldBlock, { state }: Block, stackMap: number[]): void {
    for (const head of state.heads) {
      const waiting = this.#waiting[head.level]
      if (waiting?.pid === head.pid) waiting.block.columns.stack[waiting.row] = stackMap[head.stack]!
    }
    state.open.forEach((row, level) => {
      if (row === UNTOUCHED) return
      this.#waiting[level] = row === CLOSED ? undefined : { block: held, row, pid: state.openPid[level]! }
    })
  }

  #joinGaps({ state }: Block): void {
    const empty = Number.isNaN(state.lastTime)
    if (this.#gap && !empty) {
      const first = state.gaps[0]
      if (first && Number.isNaN(first.from)) first.count = joinGaps(this.#gap, first.count).count
      else state.gaps.unshift({ row: 0, from: Number.NaN, to: state.firstTime, count: this.#gap.count })
      this.#gap = undefined
    }
    for (const gap of state.gaps) if (Number.isNaN(gap.from)) gap.from = this.#lastTime
    if (!empty) this.#lastTime = state.lastTime
    if (state.gap) this.#gap = joinGaps(state.gap, this.#gap ? this.#gap.count : 0)
  }
}

/** Yields batches merged from queues. It is the same batch object each time. */
export async function* mergeBatches(
  queues: CpuQueue[],
  recycle: (buffer: ArrayBuffer) => void,
  poll: () => Promise<void>,
): AsyncGenerator<EventBatch> {
  const merger = new Merger(queues, recycle)
  for (;;) {
    await poll()
    const batch = await merger.next()
    if (batch.length > 0 || batch.lost.length > 0) yield batch
    if (merger.done) return
  }
}

/** Rows of one block that were selected for a batch. */
interface Taken {
  block: HeldBlock
  from: number
  to: number
}

class Merger {
  done = false
  readonly #queues: CpuQueue[]
  readonly #recycle: (buffer: ArrayBuffer) => void
  readonly #batch: EventBatch
  /** Queues with rows, as a heap ordered by the time of the next row, and then by index in `#queues` (the CPU). */
  readonly #heap: number[] = []
  readonly #heads: Float64Array
  readonly #places: Places
  /** By queue, the number of its rows in the batch. */
  readonly #counts: Uint32Array
  /** By queue, the rows to be copied to the batch. */
  readonly #taken: Taken[][]
  readonly #finished: HeldBlock[] = []
  #started = false

  constructor(queues: CpuQueue[], recycle: (buffer: ArrayBuffer) => void) {
    this.#queues = queues
    this.#recycle = recycle
    this.#heads = new Float64Array(queues.length)
    this.#taken = queues.map(() => [])
    this.#batch = newBatch(BATCH_EVENTS)
    this.#places = { queue: new Uint16Array(BATCH_EVENTS), order: this.#batch.order }
    this.#counts = new Uint32Array(queues.length)
  }

  async next(): Promise<EventBatch> {
    const batch = this.#batch
    batch.length = 0
    batch.lost = []
    if (!this.#started) await this.#start()
    while (batch.length < BATCH_EVENTS && this.#heap.length > 0) {
      const first = this.#heap[0]!
      const place = this.#secondPlace()
      if (place === 0) this.#runOne(first)
      else this.#runTwo(first, this.#heap[place]!)
      if (place !== 0) await this.#replace(place)
      await this.#replace(0)
    }
    this.done = this.#heap.length === 0
    this.#copy()
    return batch
  }

  async #start(): Promise<void> {
    this.#started = true
    for (let queue = 0; queue < this.#queues.length; queue++) {
      if (!(await this.#settle(queue))) continue
      this.#heap.push(queue)
      for (let i = this.#heap.length - 1; i > 0 && this.#before(i, (i - 1) >> 1); i = (i - 1) >> 1) {
        this.#swap(i, (i - 1) >> 1)
      }
    }
  }

  #before(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a]!, this.#heap[b]!]
    const [at, other] = [this.#heads[first]!, this.#heads[second]!]
    return at < other || (at === other && first < second)
  }

  #swap(a: number, b: number): void {
    const queue = this.#heap[a]!
    this.#heap[a] = this.#heap[b]!
    this.#heap[b] = queue
  }

  /** Index in the heap of the queue that comes second; 0 if there is none. */
  #secondPlace(): number {
    if (this.#heap.length < 2) return 0
    return this.#heap.length > 2 && this.#before(2, 1) ? 2 : 1
  }

  /** Restores the heap after the next row of the queue at index `place` has changed. Removes a queue that has ended. */
  async #replace(place: number): Promise<void> {
    const queue = this.#heap[place]!
    const { row, blocks } = this.#queues[queue]!
    const left = row < blocks[0]!.rows ? this.#atRow(queue) : await this.#settle(queue)
    if (!left) {
      const last = this.#heap.pop()!
      if (place === this.#heap.length) return
      this.#heap[place] = last
    }
    for (let i = place; ; ) {
      let least = i
      const child = 2 * i + 1
      if (child < this.#heap.length && this.#before(child, least)) least = child
      if (child + 1 < this.#heap.length && this.#before(child + 1, least)) least = child + 1
      if (least === i) return
      this.#swap(i, least)
      i = least
    }
  }

  /** Moves a queue to its next row, which may be in the next block. Returns false if there is none. */
  async #settle(queue: number): Promise<boolean> {
    const state = this.#queues[queue]!
    for (;;) {
      if (state.hungry) await state.feed()
      const block = state.blocks[0]
      if (!block) {
        const gap = state.lastGap()
        if (gap) this.#batch.lost.push(gap)
        return false
      }
      if (this.#atRow(queue)) return true
      this.#finished.push(block)
      state.blocks.shift()
      state.row = 0
    }
  }

  /** Reports the gaps before a queue's next row, and stores its time. Returns false at the end of the block. */
  #atRow(queue: number): boolean {
    const { cpu, row, blocks } = this.#queues[queue]!
    const { gaps, rows, columns } = blocks[0]!
    while (gaps.length > 0 && gaps[0]!.row <= row) {
      const { from, to, count } = gaps.shift()!
      this.#batch.lost.push({ cpu, from, to, count })
    }
    this.#heads[queue] = columns.time[row]!
    return row < rows
  }

  /** Returns the row at which a queue must stop because of a gap or the end of its block. */
  #stop(queue: number): number {
    const block = this.#queues[queue]!.blocks[0]!
    return block.gaps.length > 0 ? block.gaps[0]!.row : block.rows
  }

  #runOne(queue: number): void {
    const { row } = this.#queues[queue]!
    const length = Math.min(this.#stop(queue) - row, BATCH_EVENTS - this.#batch.length)
    placeRun(queue, this.#counts[queue]!, this.#places, this.#batch.length, length)
    this.#batch.length += length
    this.#take(queue, row + length)
  }

  /** Merges the first two queues, up to the next row of the third or until one of the two must stop. */
  #runTwo(first: number, second: number): void {
    const a = this.#runOf(Math.min(first, second))
    const b = this.#runOf(Math.max(first, second))
    this.#batch.length = interleave(a, b, this.#thirdHead(), this.#places, this.#batch.length, BATCH_EVENTS)
    this.#take(a.queue, a.row)
    this.#take(b.queue, b.row)
  }

  #runOf(queue: number): Run {
    const { blocks, row } = this.#queues[queue]!
    const { time } = blocks[0]!.columns
    return { queue, time, row, stop: this.#stop(queue), taken: this.#counts[queue]! }
  }

  /** Returns the time of the earliest row of all queues except the first two. */
  #thirdHead(): number {
    let least = Number.POSITIVE_INFINITY
    // In the heap, that queue is a sibling of the second place or a child of the first or second.
    for (let i = 1; i < Math.min(7, this.#heap.length); i++) {
      if (i !== this.#secondPlace()) least = Math.min(least, this.#heads[this.#heap[i]!]!)
    }
    return least
  }

  #take(queue: number, to: number): void {
    const state = this.#queues[queue]!
    const from = state.row
    if (from === to) return
    const block = state.blocks[0]!
    const taken = this.#taken[queue]!
    const last = taken[taken.length - 1]
    if (last?.block === block) last.to = to
    else taken.push({ block, from, to })
    this.#counts[queue] = this.#counts[queue]! + to - from
    state.row = to
  }

  /** Copies the selected rows to the batch, queue by queue, and completes their order. */
  #copy(): void {
    const first = new Uint32Array(this.#queues.length)
    let at = 0
    this.#taken.forEach((taken, queue) => {
      first[queue] = at
      for (const { block, from, to } of taken) {
        copyRows(this.#batch, at, block.columns, from, to)
        at += to - from
      }
      taken.length = 0
    })
    placeQueues(this.#places, first, this.#batch.length)
    this.#counts.fill(0)
    for (const block of this.#finished) this.#recycle(block.buffer)
    this.#finished.length = 0
  }
}

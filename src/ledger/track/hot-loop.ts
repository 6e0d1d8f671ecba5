// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The hot loop in WebAssembly (assembly/hot-loop.ts): it takes in ordinary events, and leaves all others to the tracker. In
 * JavaScript, V8 would compile the same loop again and again as it sees more of a recording, for about as long as the loop runs.
 */
import type { EventBatch } from '../../trace/events.ts'
import { wasmModule } from '../../util/wasm.ts'
import type { Arena } from './arena.ts'
import type { CpuOrder } from './cpu-order.ts'
import * as layout from './hot-layout.ts'
import { WASM } from './hot-loop.wasm.ts'
import type { Lifetimes } from './lifetimes.ts'
import type { Tables } from './tables.ts'
import type { UnmapSweep } from './unmap-sweep.ts'

/** Events that the loop takes in at a time: V8 replaces its first, slower code between two calls. */
const RUN = 4096

/** What a tracker counts, and the loop with it. */
export interface Counters {
  events: number
  skipped: number
}

export interface HotLoopParts {
  cpus: CpuOrder
  lifetimes: Lifetimes
  sweep: UnmapSweep
  allPages: boolean
  counters: Counters
  areProbesSeen: () => boolean
  /** Returns the time after which no more events belong to the snapshot that was asked for. */
  snapshotAt: () => number
  /** Takes in an event of a batch. */
  slow: (batch: EventBatch, i: number) => void
}

interface Exports {
  run(from: number, to: number): number
}

let compiled: WebAssembly.Module | null | undefined

/** Returns the module, which is compiled once; null where WebAssembly is not allowed. */
function hotModule(): WebAssembly.Module | null {
  compiled ??= wasmModule(WASM) ?? null
  return compiled
}

export class HotLoop {
  readonly #arena: Arena
  readonly #tables: Tables
  readonly #parts: HotLoopParts
  readonly #exports: Exports
  /** The directory, as integers and as doubles. */
  readonly #ints: Int32Array
  readonly #doubles: Float64Array
  /** The columns of a batch in the memory. */
  #batch: HotBatch
  /** The batch that is being taken in. */
  #current: EventBatch | undefined
  #published = -1

  /** Returns the loop of a tracker; undefined where its columns are not in a memory. */
  static of(tables: Tables, parts: HotLoopParts): HotLoop | undefined {
    const module = tables.arena.isWhole ? hotModule() : null
    return module ? new HotLoop(module, tables, parts) : undefined
  }

  private constructor(module: WebAssembly.Module, tables: Tables, parts: HotLoopParts) {
    this.#tables = tables
    this.#arena = tables.arena
    this.#parts = parts
    const memory = this.#arena.memory!
    this.#ints = new Int32Array(memory.buffer, 0, layout.DIRECTORY_BYTES / 4)
    this.#doubles = new Float64Array(memory.buffer, 0, layout.DIRECTORY_BYTES / 8)
    this.#batch = new HotBatch(this.#arena, 0)
    const own = {
      slow: (i: number) => this.#slow(i),
      faulted: (i: number, row: number, signature: number) => {
        this.#faulted(i, row, signature)
      },
      ended: (row: number) => {
        parts.lifetimes.noteEnd(row)
      },
      sampled: (row: number) => {
        parts.lifetimes.sampleMapcount(row)
      },
    }
    const instance = new WebAssembly.Instance(module, { env: { memory }, 'hot-loop': own })
    this.#exports = instance.exports as unknown as Exports
  }

  /** True while all columns are in the memory. The clock of debug registers is not known to the loop, nor are refusals of a watch. */
  get isUsable(): boolean {
    return this.#arena.isWhole && !this.#tables.order.isImmediate
  }

  /** Takes in a batch, in its order. */
  run(batch: EventBatch): void {
    const { length } = batch
    if (length > this.#batch.order.length) this.#batch = new HotBatch(this.#arena, length)
    if (this.isUsable) this.#batch.fill(batch)
    this.#current = batch
    let k = 0
    while (k < length && this.isUsable) {
      this.#publish()
      k = this.#exports.run(k, Math.min(k + RUN, length))
      this.#settle()
    }
    for (; k < length; k++) this.#parts.slow(batch, batch.order[k]!)
    this.#current = undefined
  }

  /** Leaves an event to the tracker. Returns false if the memory is full now, so that the loop no longer finds the columns. */
  #slow(i: number): boolean {
    this.#settle()
    this.#parts.slow(this.#current!, i)
    this.#publish()
    return this.isUsable
  }

  #faulted(i: number, row: number, signature: number): void {
    const { pid, cpu, stack, time } = this.#current!
    this.#tables.retries.add(row, pid[i]!, cpu[i]!, signature, stack[i]!, time[i]!)
    this.#ints[layout.INT_HAS_ENDINGS >> 2] = 1
  }

  /** Takes over what the loop has counted. */
  #settle(): void {
    const ints = this.#ints
    const { nodes, log, lives, pages, pagemaps } = this.#tables
    const { counters } = this.#parts
    counters.events += ints[layout.INT_NEW_EVENTS >> 2]!
    counters.skipped += ints[layout.INT_NEW_SKIPPED >> 2]!
    lives.complete = ints[layout.INT_COMPLETE >> 2]!
    nodes.free = ints[layout.INT_NODE_FREE >> 2]!
    nodes.next = ints[layout.INT_NODE_NEXT >> 2]!
    log.length = ints[layout.INT_LOG_LENGTH >> 2]!
    log.allEvents = ints[layout.INT_LOG_ALL_EVENTS >> 2]!
    pages.length = ints[layout.INT_PAGES >> 2]!
    const lastPfn = this.#doubles[layout.DOUBLE_RUN_PFN >> 3]!
    if (lastPfn !== pagemaps.run.lastPfn) pagemaps.extendRun(lastPfn)
  }

  /** Tells the loop what it has to know. */
  #publish(): void {
    const ints = this.#ints
    const { nodes, log, lives, gaps, pages, pagemaps, anomalies, retries } = this.#tables
    const { sweep, counters, snapshotAt, areProbesSeen } = this.#parts
    if (this.#published !== this.#arena.allocations) this.#publishColumns()
    ints[layout.INT_NEW_EVENTS >> 2] = 0
    ints[layout.INT_NEW_SKIPPED >> 2] = 0
    ints[layout.INT_ORDINAL >> 2] = counters.events
    ints[layout.INT_COMPLETE >> 2] = lives.complete
    ints[layout.INT_NODE_FREE >> 2] = nodes.free
    ints[layout.INT_NODE_NEXT >> 2] = nodes.next
    ints[layout.INT_NODE_END >> 2] = nodes.end
    ints[layout.INT_LOG_LENGTH >> 2] = log.length
    ints[layout.INT_LOG_ALL_EVENTS >> 2] = log.allEvents
    ints[layout.INT_EPOCH >> 2] = gaps.epoch
    ints[layout.INT_OPEN_GAPS >> 2] = gaps.open
    ints[layout.INT_ANY_DEVICE >> 2] = pagemaps.anyDevice ? 1 : 0
    ints[layout.INT_ALL_PAGES >> 2] = this.#parts.allPages ? 1 : 0
    ints[layout.INT_RAW_MAPCOUNT >> 2] = this.#tables.rawMapcount ? 1 : 0
    ints[layout.INT_SWEEP_PID >> 2] = sweep.last.pid
    ints[layout.INT_HAS_ENDINGS >> 2] = retries.size + anomalies.provisionals
    ints[layout.INT_PAGES >> 2] = pages.length
    ints[layout.INT_ANY_PROBES >> 2] = areProbesSeen() ? 1 : 0
    ints[layout.INT_IS_COARSE >> 2] = this.#tables.order.isCoarse ? 1 : 0
    ints[layout.INT_RUN_PAGEMAP >> 2] = pagemaps.run.pagemap
    ints[layout.INT_RUN_PID >> 2] = pagemaps.run.pid
    this.#doubles[layout.DOUBLE_RUN_PFN >> 3] = pagemaps.run.lastPfn
    this.#doubles[layout.DOUBLE_SNAPSHOT_AT >> 3] = snapshotAt()
    this.#doubles[layout.DOUBLE_NEXT_EDGE >> 3] = gaps.nextEdge
    this.#doubles[layout.DOUBLE_INTERRUPT >> 3] = this.#tables.order.interrupt
    this.#doubles[layout.DOUBLE_SWEEP_PFN >> 3] = sweep.last.pfn
  }

  /** Tells the loop where the columns are, and how long. */
  #publishColumns(): void {
    const { pages, nodes, log, kinds, tasks, sites, pagemaps } = this.#tables
    const { cpus, lifetimes } = this.#parts
    this.#published = this.#arena.allocations
    const ints = this.#ints
    const at = (place: number, column: ArrayBufferView) => {
      ints[place >> 2] = column.byteOffset
    }
    this.#publishBatch(at)
    this.#publishPages(at)
    at(layout.AT_NODES, nodes.ints)
    at(layout.AT_TASK_KEY, tasks.rows.key)
    at(layout.AT_TASK_ROW, tasks.rows.place)
    at(layout.AT_TASK_TICKS, tasks.activity.ticks)
    at(layout.AT_TASK_LAST, tasks.activity.last)
    at(layout.AT_TASK_LAST_OWN, tasks.activity.lastOwn)
    at(layout.AT_TASK_LAST_STACK, tasks.activity.lastStack)
    at(layout.AT_TASK_PAGE, tasks.activity.page)
    at(layout.AT_TASK_ELSEWHERE, tasks.activity.elsewhere)
    at(layout.AT_SIGNATURE_TICKS, tasks.signatures)
    at(layout.AT_CPU_TIME, cpus.time)
    at(layout.AT_CPU_PID, cpus.pid)
    at(layout.AT_SITE_KEY, sites.keyPlusOne)
    at(layout.AT_SITE_TRAITS, sites.traitBits)
    at(layout.AT_PAGEMAPS, pagemaps.numbers)
    at(layout.AT_LOG_ROW, log.row)
    at(layout.AT_LOG_KIND, log.kind)
    at(layout.AT_LOG_STATE, log.state)
    at(layout.AT_LOG_TAIL, log.tail)
    at(layout.AT_LOG_EVENTS, log.events)
    at(layout.AT_LOG_BEFORE, log.before)
    at(layout.AT_KIND_SLOTS, kinds.slots)
    at(layout.AT_KIND_LOW, kinds.low)
    at(layout.AT_KIND_HIGH, kinds.high)
    at(layout.AT_KIND_LIFETIMES, kinds.lifetimes)
    at(layout.AT_WEIGHT_LOW, lifetimes.weights.low)
    at(layout.AT_WEIGHT_HIGH, lifetimes.weights.high)
    ints[layout.INT_PAGE_ROWS >> 2] = pages.pfn.length
    ints[layout.INT_CHUNK_SLOTS >> 2] = pages.index.chunks.place.length
    ints[layout.INT_TASK_SLOTS >> 2] = tasks.rows.place.length
    ints[layout.INT_SIGNATURES >> 2] = tasks.signatures.length
    ints[layout.INT_CPUS >> 2] = cpus.time.length
    ints[layout.INT_SITES >> 2] = sites.keyPlusOne.length
    ints[layout.INT_KIND_SLOT_COUNT >> 2] = kinds.slots.length
    ints[layout.INT_WEIGHTS >> 2] = lifetimes.weights.low.length
  }

  #publishBatch(at: (place: number, column: ArrayBufferView) => void): void {
    const batch = this.#batch
    at(layout.AT_ORDER, batch.order)
    at(layout.AT_TIME, batch.time)
    at(layout.AT_PID, batch.pid)
    at(layout.AT_PFN, batch.pfn)
    at(layout.AT_OP, batch.op)
    at(layout.AT_VAL, batch.val)
    at(layout.AT_RET, batch.ret)
    at(layout.AT_STACK, batch.stack)
    at(layout.AT_CPU, batch.cpu)
    at(layout.AT_COUNT, batch.count)
    at(layout.AT_MAPCOUNT, batch.mapcount)
    at(layout.AT_FLAGS, batch.flagsLow)
  }

  #publishPages(at: (place: number, column: ArrayBufferView) => void): void {
    const { pages } = this.#tables
    at(layout.AT_PAGE_PFN, pages.pfn)
    at(layout.AT_PAGE_ASIDE, pages.aside)
    at(layout.AT_PAGE_COUNT, pages.count)
    at(layout.AT_PAGE_BITS, pages.bits)
    at(layout.AT_PAGE_PAGEMAP, pages.pagemap)
    at(layout.AT_PAGE_EPOCH, pages.epoch)
    at(layout.AT_PAGE_HEAD, pages.head)
    at(layout.AT_PAGE_TAIL, pages.tail)
    at(layout.AT_PAGE_EVENTS, pages.events)
    at(layout.AT_PAGE_BEFORE, pages.before)
    at(layout.AT_PAGE_LAST_SIGNATURE, pages.lastSignature)
    at(layout.AT_PAGE_LAST_PID, pages.lastPid)
    at(layout.AT_PAGE_LAST_MAPCOUNT, pages.lastMapcount)
    at(layout.AT_PAGE_TAIL_MAPCOUNT, pages.tailMapcount)
    at(layout.AT_PAGE_LAST_CLOSED, pages.lastClosed)
    at(layout.AT_PAGE_HASH_LOW, pages.hashLow)
    at(layout.AT_PAGE_HASH_HIGH, pages.hashHigh)
    at(layout.AT_CHUNK_KEY, pages.index.chunks.key)
    at(layout.AT_CHUNK_BASE, pages.index.chunks.place)
    at(layout.AT_CHUNK_ROWS, pages.index.rows)
  }
}

/** The columns of a batch that the loop reads. */
class HotBatch {
  readonly order: Uint32Array
  readonly time: Float64Array
  readonly pfn: Float64Array
  readonly pid: Int32Array
  readonly val: Int32Array
  readonly ret: Int32Array
  readonly count: Int32Array
  readonly mapcount: Int32Array
  readonly flagsLow: Uint32Array
  readonly stack: Uint32Array
  readonly cpu: Uint16Array
  readonly op: Uint8Array

  constructor(arena: Arena, rows: number) {
    this.order = arena.column(Uint32Array, rows)
    this.time = arena.column(Float64Array, rows)
    this.pfn = arena.column(Float64Array, rows)
    this.pid = arena.column(Int32Array, rows)
    this.val = arena.column(Int32Array, rows)
    this.ret = arena.column(Int32Array, rows)
    this.count = arena.column(Int32Array, rows)
    this.mapcount = arena.column(Int32Array, rows)
    this.flagsLow = arena.column(Uint32Array, rows)
    this.stack = arena.column(Uint32Array, rows)
    this.cpu = arena.column(Uint16Array, rows)
    this.op = arena.column(Uint8Array, rows)
  }

  /** Copies a batch. */
  fill(batch: EventBatch): void {
    const { length } = batch
    this.order.set(batch.order.subarray(0, length))
    this.time.set(batch.time.subarray(0, length))
    this.pfn.set(batch.pfn.subarray(0, length))
    this.pid.set(batch.pid.subarray(0, length))
    this.val.set(batch.val.subarray(0, length))
    this.ret.set(batch.ret.subarray(0, length))
    this.count.set(batch.count.subarray(0, length))
    this.mapcount.set(batch.mapcount.subarray(0, length))
    this.flagsLow.set(batch.flagsLow.subarray(0, length))
    this.stack.set(batch.stack.subarray(0, length))
    this.cpu.set(batch.cpu.subarray(0, length))
    this.op.set(batch.op.subarray(0, length))
  }
}

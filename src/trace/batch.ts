// SPDX-License-Identifier: GPL-2.0-or-later
import type { EventBatch } from './events.ts'

/** Columns for up to `capacity` events, with the order of the rows themselves. */
export function newBatch(capacity: number): EventBatch {
  return {
    length: 0,
    order: Uint32Array.from({ length: capacity }, (_, row) => row),
    time: new Float64Array(capacity),
    cpu: new Uint16Array(capacity),
    op: new Uint8Array(capacity),
    pid: new Int32Array(capacity),
    pfn: new Float64Array(capacity),
    flagsLow: new Uint32Array(capacity),
    flagsHigh: new Uint32Array(capacity),
    count: new Int32Array(capacity),
    mapcount: new Int32Array(capacity),
    mappingLow: new Uint32Array(capacity),
    mappingHigh: new Uint32Array(capacity),
    mt: new Int32Array(capacity),
    val: new Int32Array(capacity),
    ret: new Int32Array(capacity),
    stack: new Uint32Array(capacity),
    lost: [],
  }
}

/** Forgets the first `rows` rows: those behind them become the first. */
export function dropRows(batch: EventBatch, rows: number): void {
  const { length } = batch
  batch.length = length - rows
  batch.time.copyWithin(0, rows, length)
  batch.cpu.copyWithin(0, rows, length)
  batch.op.copyWithin(0, rows, length)
  batch.pid.copyWithin(0, rows, length)
  batch.pfn.copyWithin(0, rows, length)
  batch.flagsLow.copyWithin(0, rows, length)
  batch.flagsHigh.copyWithin(0, rows, length)
  batch.count.copyWithin(0, rows, length)
  batch.mapcount.copyWithin(0, rows, length)
  batch.mappingLow.copyWithin(0, rows, length)
  batch.mappingHigh.copyWithin(0, rows, length)
  batch.mt.copyWithin(0, rows, length)
  batch.val.copyWithin(0, rows, length)
  batch.ret.copyWithin(0, rows, length)
  batch.stack.copyWithin(0, rows, length)
}

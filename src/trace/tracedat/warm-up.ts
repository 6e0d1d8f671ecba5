// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Shows a walk each kind of record before it decodes. The engine compiles code for what it has seen; what comes for the
 * first time later makes it throw the code away and compile the walk anew, which takes as long as decoding megabytes.
 */
import { columnBytes, layArrays, layColumns } from '../common/columns.ts'
import { RawStacks } from '../common/raw-stacks.ts'
import type { ColumnPlan, ColumnTarget } from './column-walk.ts'
import type { Walk } from './record-walk.ts'
import { COMMIT_MISSED, COMMIT_MISSED_STORED, TYPE_PADDING, TYPE_TIME_EXTEND, TYPE_TIME_STAMP } from './ring-buffer.ts'
import { newWalkState } from './walk-state.ts'

/** Bytes of a sample, which are those of the smallest page. Records that do not fit are left out. */
const SAMPLE_BYTES = 1 << 12

/** The engine does not take note of what the first few rounds do. */
const ROUNDS = 8

/** High word of times: with less, the engine would take times for small integers. */
const LONG_TIME = 1 << 16

/** Lets a walk, and the table that it looks stacks up in, do once what they will do with a recording. */
export function warmUp(plan: ColumnPlan, walk: Walk<ColumnTarget>): void {
  // Not a kernel's, or a file's without any events.
  if (plan.layout.pageSize < SAMPLE_BYTES) return
  const columns = layColumns(new ArrayBuffer(columnBytes(SAMPLE_BYTES >> 3)))
  const stacks = new RawStacks(plan.layout.longSize)
  const words = Int32Array.from({ length: 16 }, (_, i) => i)
  for (let round = 0; round < ROUNDS; round++) {
    const arrays = layArrays(sampleSubBuffer(plan, round % 2 === 1))
    walk(arrays, 0, 1, newWalkState(), { columns, stacks })
    // Stacks new and known, and others than expected: longer and shorter.
    for (const count of [1, 2, 1, 1, 2, 2]) stacks.find(words, round, count)
  }
}

/**
 * A made-up sub-buffer with all kinds of records, as if events were `missed` before it or not. All but stacks: a recording
 * with stacks has one after its very first event, and one without is decoded faster by code that knows none.
 */
export function sampleSubBuffer(plan: ColumnPlan, missed: boolean): Uint8Array<ArrayBuffer> {
  const { layout, common, records, probes } = plan
  const { littleEndian } = layout
  const bytes = new Uint8Array(SAMPLE_BYTES)
  const view = new DataView(bytes.buffer)
  const room = SAMPLE_BYTES - layout.commitSize
  let at = layout.dataOffset
  const put = (place: number, size: number, value: number) => {
    if (size >= 4) view.setUint32(littleEndian ? place : place + size - 4, value, littleEndian)
    else if (size === 2) view.setUint16(place, value, littleEndian)
    else view.setUint8(place, value)
  }
  /** The two words that records other than short events start with, 1 ns after the last one. */
  const begin = (type: number, word: number) => {
    put(at, 4, littleEndian ? type | (1 << 5) : (type << 27) | 1)
    put(at + 4, 4, word)
    at += 8
  }
  begin(TYPE_TIME_EXTEND, LONG_TIME)
  begin(TYPE_TIME_STAMP, LONG_TIME)
  begin(TYPE_PADDING, 4)
  for (const { id, size } of [...records, ...probes]) {
    const length = Math.ceil(Math.max(size, common.size) / 4) * 4
    if (length > room - at - 8) continue
    begin(0, length + 4)
    put(at + common.type.offset, common.type.size, id)
    at += length
  }
  const used = at - layout.dataOffset
  put(layout.commitOffset, layout.commitSize, missed ? used | COMMIT_MISSED | COMMIT_MISSED_STORED : used)
  return bytes
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Lets a walk process each kind of record before it decodes. The engine optimises code for the cases that it has seen. A case
 * that first occurs later makes it discard the code and optimise the walk again, which takes as long as decoding megabytes.
 */
import { columnBytes, layArrays, layColumns } from '../common/columns.ts'
import { RawStacks } from '../common/raw-stacks.ts'
import type { ColumnPlan, ColumnTarget } from './column-walk.ts'
import type { Walk } from './record-walk.ts'
import { COMMIT_MISSED, COMMIT_MISSED_STORED, TYPE_PADDING, TYPE_TIME_EXTEND, TYPE_TIME_STAMP } from './ring-buffer.ts'
import { newWalkState } from './walk-state.ts'

/** Size in bytes of the sample, that of the smallest page. Records that do not fit are left out. */
const SAMPLE_BYTES = 1 << 12

/** Number of rounds. The engine ignores what the first few do. */
const ROUNDS = 8

/** High word of the sample's times. With a smaller one, the engine would take times for small integers. */
const LONG_TIME = 1 << 16

/** Makes a walk, and the table of stacks that it uses, do everything once that they will do for a recording. */
export function warmUp(plan: ColumnPlan, walk: Walk<ColumnTarget>): void {
  // Not a kernel's, or a file's without any events.
  if (plan.layout.pageSize < SAMPLE_BYTES) return
  const columns = layColumns(new ArrayBuffer(columnBytes(SAMPLE_BYTES >> 3)))
  const stacks = new RawStacks(plan.layout.longSize)
  const words = Int32Array.from({ length: 16 }, (_, i) => i)
  for (let round = 0; round < ROUNDS; round++) {
    const arrays = layArrays(sampleSubBuffer(plan, round % 2 === 1))
    walk(arrays, 0, 1, newWalkState(), { columns, stacks })
    // Covers new and known stacks, and unexpected ones that are longer or shorter.
    for (const count of [1, 2, 1, 1, 2, 2]) stacks.find(words, round, count)
  }
}

/**
 * Returns a synthetic sub-buffer with all kinds of records, with or without events missing before it. Stacks are left out: a
 * recording with stacks has one after its very first event, and one without them is decoded faster by code that has not seen any.
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
  /** Writes the two words that all records except short events begin with, 1 ns after the previous record. */
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

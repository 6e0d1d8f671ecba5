// SPDX-License-Identifier: GPL-2.0-or-later

import type { EventBatch } from '../events.ts'
import { columnBytes, copyRows, layColumns } from './columns.ts'

/** Allocates columns for up to `capacity` events. `order` is initialised to the order of the rows. */
export function newBatch(capacity: number): EventBatch {
  const order = new Uint32Array(capacity)
  for (let row = 0; row < capacity; row++) order[row] = row
  return {
    length: 0,
    order,
    lost: [],
    ...layColumns(new ArrayBuffer(columnBytes(capacity))),
  }
}

/** Removes the first `rows` rows and moves the others to the beginning. */
export function dropRows(batch: EventBatch, rows: number): void {
  copyRows(batch, 0, batch, rows, batch.length)
  batch.length -= rows
}

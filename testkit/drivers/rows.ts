// SPDX-License-Identifier: GPL-2.0-or-later
/** Makes the rows of a recording from the true events: stamps of the recording's clock, counts as they were read. */

import type { Frame } from '../../src/trace/events.ts'
import { PG_RESERVED, type Row, ZONE_DEVICE_HIGH } from '../fake-recording.ts'
import { shown } from './clocks.ts'
import type { Conditions } from './conditions.ts'
import type { Run } from './driver.ts'
import type { TrueEvent } from './kernel.ts'

export interface RecordedRow extends Row {
  event: TrueEvent
  /** Time of the stamp on the simulated machine's clock. */
  stamp: number
}

/** Returns all rows in the order of the recording: by time and CPU; those of one CPU in the order of its buffer. */
export function recordedRows(run: Run, conditions: Conditions): RecordedRow[] {
  const { clock } = conditions
  const perf = clock.kind === 'perf'
  const firstSeen = new Set<number>()
  const nameless = new Map<readonly Frame[], readonly Frame[]>()
  const rows: RecordedRow[] = []
  for (const event of run.kernel.events) {
    const { moments, cpu, page } = event
    // perf fills in the fields first, and takes the time when it outputs the sample.
    const stamp = perf ? moments.read : moments.stamp
    const read = perf ? moments.stamp : moments.read
    const fresh = event.role === 'setup' && !firstSeen.has(page.pfn)
    if (fresh) firstSeen.add(page.pfn)
    if (conditions.end === 'cut' && Math.max(stamp, read) > run.ended) continue
    rows.push({
      time: shown(clock, stamp, cpu),
      cpu,
      op: event.op,
      pid: event.pid,
      pfn: page.pfn,
      val: event.val,
      ret: event.ret,
      count: page.countAt(read),
      mapcount: fresh ? 0 : page.mapcountAt(read),
      flagsHigh: clock.kind === 'text' ? 0 : ZONE_DEVICE_HIGH,
      flagsLow: fresh ? 0 : PG_RESERVED,
      stack: conditions.stacks ? (clock.kind === 'text' ? asText(event.stack, nameless) : event.stack) : undefined,
      event,
      stamp,
    })
  }
  return inOrder(rows, clock.kind === 'counter')
}

function inOrder(rows: RecordedRow[], counter: boolean): RecordedRow[] {
  // Each CPU's buffer is sorted first. Then all are merged, as a reader does.
  rows.sort((a, b) => a.stamp - b.stamp)
  if (counter) {
    for (const [tick, row] of rows.entries()) row.time = tick + 1
    return rows
  }
  const last = new Map<number, number>()
  for (const row of rows) {
    row.time = Math.max(row.time, last.get(row.cpu) ?? 0)
    last.set(row.cpu, row.time)
  }
  return rows
    .map((row, i) => ({ row, i }))
    .sort((a, b) => a.row.time - b.row.time || a.row.cpu - b.row.cpu || a.i - b.i)
    .map(({ row }) => row)
}

/** Reduces a stack to names, as text shows it. */
function asText(stack: readonly Frame[], known: Map<readonly Frame[], readonly Frame[]>): readonly Frame[] {
  let text = known.get(stack)
  if (text === undefined) {
    text = stack.map(({ name }) => ({ address: 0n, name, offset: undefined, module: undefined }))
    known.set(stack, text)
  }
  return text
}

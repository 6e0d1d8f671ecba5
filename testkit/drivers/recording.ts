// SPDX-License-Identifier: GPL-2.0-or-later
/** A recording made of rows in memory, which are delivered in their order. */
import type { EventBatch, LostEvents, Recording, SourceInfo } from '../../src/trace/events.ts'
import { Stacks } from '../stacks.ts'
import type { RecordedRow } from './rows.ts'

function batchOf(rows: readonly RecordedRow[], stacks: Stacks, lost: LostEvents[]): EventBatch {
  const n = rows.length
  const batch = {
    length: n,
    order: new Uint32Array(n),
    time: new Float64Array(n),
    cpu: new Uint16Array(n),
    op: new Uint8Array(n),
    pid: new Int32Array(n),
    pfn: new Float64Array(n),
    flagsLow: new Uint32Array(n),
    flagsHigh: new Uint32Array(n),
    count: new Int32Array(n),
    mapcount: new Int32Array(n),
    mappingLow: new Uint32Array(n),
    mappingHigh: new Uint32Array(n),
    mt: new Int32Array(n),
    val: new Int32Array(n),
    ret: new Int32Array(n),
    stack: new Uint32Array(n),
    lost,
  }
  for (const [i, row] of rows.entries()) {
    batch.order[i] = i
    batch.time[i] = row.time
    batch.cpu[i] = row.cpu
    batch.op[i] = row.op
    batch.pid[i] = row.pid
    batch.pfn[i] = row.pfn
    batch.flagsLow[i] = row.flagsLow!
    batch.flagsHigh[i] = row.flagsHigh!
    batch.count[i] = row.count
    batch.mapcount[i] = row.mapcount!
    batch.val[i] = row.val
    batch.ret[i] = row.ret
    batch.stack[i] = stacks.id(row.stack)
  }
  return batch
}

const BATCH = 4096

/** @param rows in the order of the recording */
export function recordingOf(
  rows: readonly RecordedRow[],
  lost: readonly LostEvents[],
  tasks: ReadonlyMap<number, string>,
  info: Partial<SourceInfo> & { cpus: number },
): Recording {
  const stacks = new Stacks()
  const pending = [...lost].sort((a, b) => a.to - b.to)
  let done = 0
  return {
    info: {
      file: 'simulated',
      format: 'trace.dat v7',
      kernel: undefined,
      clock: 'local',
      unit: 'ns',
      resolution: 1,
      rawFlags: true,
      machine: undefined,
      ...info,
    },
    timeBase: 0n,
    stacks,
    tasks: { name: pid => tasks.get(pid) ?? '<...>' },
    damage: [],
    notes: [],
    async *batches() {
      while (done < rows.length) {
        const now = rows.slice(done, done + BATCH)
        done += now.length
        const gaps: LostEvents[] = []
        const next = rows[done]?.time ?? Number.POSITIVE_INFINITY
        while (pending.length > 0 && (pending[0]!.to <= now.at(-1)!.time || pending[0]!.from < next))
          gaps.push(pending.shift()!)
        yield batchOf(now, stacks, gaps)
      }
    },
    progress: () => ({ done, total: rows.length }),
    close: async () => {},
  }
}

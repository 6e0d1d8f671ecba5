// SPDX-License-Identifier: GPL-2.0-or-later
/** A recording made of rows in memory, for tests that need no file format. */
import type { EventBatch, Frame, LostEvents, Op, Recording, SourceInfo } from '../src/trace/events.ts'
import { Stacks } from './stacks.ts'

/** One event. Omitted fields have the values of an ordinary free device page. */
export interface Row {
  time: number
  cpu: number
  op: Op
  pid: number
  pfn: number
  val: number
  ret: number
  count: number
  /** Frames, innermost first; undefined if the event was recorded without a stack. */
  stack: readonly Frame[] | undefined
  mapcount?: number
  flagsHigh?: number
  flagsLow?: number
}

export interface FakeOptions {
  tasks?: ReadonlyMap<number, string>
  cpus?: number
  /** Largest number of events in a batch. */
  batch?: number
  info?: Partial<SourceInfo>
}

/** ZONE_DEVICE in the top bits of `flags` on x86-64, as in the recordings under shared/data. */
export const ZONE_DEVICE_HIGH = 0x0c000000
export const PG_RESERVED = 0x2000

function fill(rows: readonly Row[], stacks: Stacks, lost: LostEvents[]): EventBatch {
  // Rows of a batch are stored by CPU, as in a file. `order` sorts them by time and keeps the order of each CPU.
  const byCpu = rows.map((row, i) => ({ row, i })).sort((a, b) => a.row.cpu - b.row.cpu || a.i - b.i)
  const n = rows.length
  const order = new Uint32Array(n)
  byCpu.forEach(({ i }, place) => {
    order[i] = place
  })
  const column = <T extends { [i: number]: number }>(array: T, get: (row: Row) => number): T => {
    byCpu.forEach(({ row }, i) => {
      array[i] = get(row)
    })
    return array
  }
  return {
    length: n,
    order,
    time: column(new Float64Array(n), row => row.time),
    cpu: column(new Uint16Array(n), row => row.cpu),
    op: column(new Uint8Array(n), row => row.op),
    pid: column(new Int32Array(n), row => row.pid),
    pfn: column(new Float64Array(n), row => row.pfn),
    flagsLow: column(new Uint32Array(n), row => row.flagsLow ?? PG_RESERVED),
    flagsHigh: column(new Uint32Array(n), row => row.flagsHigh ?? ZONE_DEVICE_HIGH),
    count: column(new Int32Array(n), row => row.count),
    mapcount: column(new Int32Array(n), row => row.mapcount ?? -1),
    mappingLow: new Uint32Array(n),
    mappingHigh: new Uint32Array(n),
    mt: new Int32Array(n),
    val: column(new Int32Array(n), row => row.val),
    ret: column(new Int32Array(n), row => row.ret),
    stack: column(new Uint32Array(n), row => stacks.id(row.stack)),
    lost,
  }
}

/** Delivers rows by time, and at equal times in the given order. The rows of each CPU have to be in the order of its file. */
export function fakeRecording(
  rows: readonly Row[],
  lost: readonly LostEvents[] = [],
  options: FakeOptions = {},
): Recording {
  const sorted = rows.map((row, i) => ({ row, i })).sort((a, b) => a.row.time - b.row.time || a.i - b.i)
  const ordered = sorted.map(({ row }) => row)
  const stacks = new Stacks()
  const size = options.batch ?? Number.POSITIVE_INFINITY
  let done = 0
  return {
    info: {
      file: 'fake',
      format: 'trace.dat v7',
      kernel: undefined,
      cpus: options.cpus ?? 1 + Math.max(0, ...ordered.map(row => row.cpu)),
      clock: 'local',
      unit: 'ns',
      resolution: 1,
      rawFlags: true,
      machine: undefined,
      ...options.info,
    },
    timeBase: 0n,
    stacks,
    tasks: { name: pid => options.tasks?.get(pid) ?? '<...>' },
    damage: [],
    notes: [],
    async *batches() {
      const pending = [...lost].sort((a, b) => a.to - b.to)
      while (done < ordered.length) {
        const rowsNow = ordered.slice(done, Math.min(ordered.length, done + size))
        done += rowsNow.length
        const end = rowsNow.at(-1)!.time
        const now: LostEvents[] = []
        while (pending.length > 0 && (pending[0]!.to <= end || done === ordered.length)) now.push(pending.shift()!)
        yield fill(rowsNow, stacks, now)
      }
    },
    progress: () => ({ done, total: ordered.length }),
    close: async () => {},
  }
}

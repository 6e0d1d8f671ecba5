// SPDX-License-Identifier: GPL-2.0-or-later
/** Real recordings made harder: begun late, ended early, with events lost. Over the columns, so no file format matters. */
import { readFileSync } from 'node:fs'
import { openFile } from '../../src/node/open.ts'
import type { EventBatch, Frame, LostEvents, Op, Recording } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../fake-recording.ts'
import type { Random } from '../random.ts'

export interface Rows {
  rows: Row[]
  lost: LostEvents[]
  tasks: Map<number, string>
  info: Recording['info']
}

function addRows(
  into: Row[],
  batch: EventBatch,
  stackOf: (id: number) => Frame[] | undefined,
  keep: (pfn: number) => boolean,
): void {
  for (const i of batch.order.subarray(0, batch.length)) {
    if (!keep(batch.pfn[i]!)) continue
    into.push({
      time: batch.time[i]!,
      cpu: batch.cpu[i]!,
      op: batch.op[i] as Op,
      pid: batch.pid[i]!,
      pfn: batch.pfn[i]!,
      val: batch.val[i]!,
      ret: batch.ret[i]!,
      count: batch.count[i]!,
      stack: stackOf(batch.stack[i]!),
      mapcount: batch.mapcount[i]!,
      flagsLow: batch.flagsLow[i]!,
      flagsHigh: batch.flagsHigh[i]!,
    })
  }
}

/** All events of a recording, or those of some of its pages, in memory. */
export async function readRows(
  file: string,
  kallsyms: string | undefined,
  keep: (pfn: number) => boolean = () => true,
): Promise<Rows> {
  const recording = await openFile(file, kallsyms ? { kallsyms: [readFileSync(kallsyms, 'utf8')] } : {})
  const stacks = new Map<number, Frame[]>()
  const stackOf = (id: number) => {
    if (id === 0) return undefined
    let frames = stacks.get(id)
    if (frames === undefined) {
      frames = Array.from(recording.stacks.frames(id), frame => recording.stacks.frame(frame))
      stacks.set(id, frames)
    }
    return frames
  }
  const rows: Row[] = []
  const lost: LostEvents[] = []
  for await (const batch of recording.batches()) {
    lost.push(...batch.lost)
    addRows(rows, batch, stackOf, keep)
  }
  const tasks = new Map([...new Set(rows.map(row => row.pid))].map(pid => [pid, recording.tasks.name(pid)]))
  await recording.close()
  return { rows, lost, tasks, info: recording.info }
}

/** The same recording, started after that share of its events, and ended after that share. */
export function cutRows(all: Rows, from: number, to: number): Rows {
  const rows = all.rows.slice(Math.floor(all.rows.length * from), Math.ceil(all.rows.length * to))
  return { ...all, rows, info: { ...all.info, endTime: to < 1 ? rows.at(-1)?.time : all.info.endTime } }
}

/** The same recording without some events of one CPU, from that share of its events on. */
export function loseRows(all: Rows, r: Random, from: number, length: number): Rows {
  const cpus = [...new Set(all.rows.map(row => row.cpu))]
  const cpu = r.pick(cpus)
  const own = all.rows.filter(row => row.cpu === cpu)
  const start = Math.floor(own.length * from)
  const gone = new Set(own.slice(start, start + length))
  const gap: LostEvents = {
    cpu,
    from: own[start - 1]?.time ?? Number.NEGATIVE_INFINITY,
    to: own[start + length]?.time ?? Number.POSITIVE_INFINITY,
    count: r.chance(0.5) ? gone.size : undefined,
  }
  return { ...all, rows: all.rows.filter(row => !gone.has(row)), lost: [...all.lost, gap] }
}

/** As a recording that can be read, again and again. */
export function recordingOf({ rows, lost, tasks, info }: Rows, batch = 4096): Recording {
  return fakeRecording(rows, lost, { tasks, info, batch, cpus: info.cpus })
}

/** Recorded through a filter that lets only some events through, of which the recording says nothing. */
export function filterRows(all: Rows, keep: (row: Row) => boolean): Rows {
  return { ...all, rows: all.rows.filter(keep) }
}

/** The same with the clock of one CPU off by so many ns. */
export function shiftClock(all: Rows, cpu: number, by: number): Rows {
  const rows = all.rows.map(row => (row.cpu === cpu ? { ...row, time: row.time + by } : row))
  return { ...all, rows: rows.sort((a, b) => a.time - b.time) }
}

/** The same with times in microseconds, as text has them, so that many events have one. */
export function roundTimes(all: Rows): Rows {
  const rows = all.rows.map(row => ({ ...row, time: Math.round(row.time / 1000) * 1000 }))
  return { ...all, rows: rows.sort((a, b) => a.time - b.time) }
}

/** The same as recorded without stacks. */
export function withoutStacks(all: Rows): Rows {
  return { ...all, rows: all.rows.map(row => ({ ...row, stack: undefined })) }
}

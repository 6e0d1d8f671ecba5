// SPDX-License-Identifier: GPL-2.0-or-later
import { type LostEvents, OP_NAMES, type Recording } from '../../src/trace/events.ts'

/** One event as a plain object, in the order of the recording. */
export interface PlainEvent {
  time: bigint
  cpu: number
  op: string
  pid: number
  pfn: number
  flags: bigint
  count: number
  mapcount: number
  mapping: bigint
  mt: number
  val: number
  ret: number
  stack: number
}

/** Reads a recording to its end, or up to a batch that begins when `enough` says so. */
export async function collect(
  recording: Recording,
  enough?: (time: bigint) => boolean,
): Promise<{ events: PlainEvent[]; lost: LostEvents[] }> {
  const events: PlainEvent[] = []
  const lost: LostEvents[] = []
  for await (const batch of recording.batches()) {
    lost.push(...batch.lost)
    if (enough && batch.length > 0 && enough(recording.timeBase + BigInt(batch.time[batch.order[0]!]!))) break
    for (let k = 0; k < batch.length; k++) {
      const row = batch.order[k]!
      events.push({
        time: recording.timeBase + BigInt(batch.time[row]!),
        cpu: batch.cpu[row]!,
        op: OP_NAMES[batch.op[row]!]!,
        pid: batch.pid[row]!,
        pfn: batch.pfn[row]!,
        flags: wide(batch.flagsHigh[row]!, batch.flagsLow[row]!),
        count: batch.count[row]!,
        mapcount: batch.mapcount[row]!,
        mapping: wide(batch.mappingHigh[row]!, batch.mappingLow[row]!),
        mt: batch.mt[row]!,
        val: batch.val[row]!,
        ret: batch.ret[row]!,
        stack: batch.stack[row]!,
      })
    }
  }
  return { events, lost }
}

function wide(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Names of a stack's frames, innermost first. */
export function frameNames(recording: Recording, stack: number): string[] {
  return Array.from(recording.stacks.frames(stack), id => recording.stacks.frame(id).name)
}

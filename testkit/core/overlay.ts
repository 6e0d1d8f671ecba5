// SPDX-License-Identifier: GPL-2.0-or-later
/** A dump with modifications: overwritten words and missing frames. */
import { type Dump, FRAME_BYTES, type PhysicalMemory } from '../../src/core/memory/physical.ts'

export interface Changes {
  /** 64-bit words by physical address. */
  words?: ReadonlyMap<number, bigint>
  /** Returns true for frames that are missing. */
  without?: (pfn: number) => boolean
}

export function changed(dump: Dump, { words = new Map(), without = () => false }: Changes): Dump {
  const byFrame = new Map<number, [number, bigint][]>()
  for (const [address, word] of words) {
    const frame = Math.floor(address / FRAME_BYTES)
    byFrame.set(frame, [...(byFrame.get(frame) ?? []), [address % FRAME_BYTES, word]])
  }
  const memory: PhysicalMemory = {
    format: dump.memory.format,
    ranges: dump.memory.ranges,
    frame(pfn) {
      const frame = without(pfn) ? undefined : dump.memory.frame(pfn)
      const changes = byFrame.get(pfn)
      if (!frame || !changes) return frame
      const copy = frame.slice()
      for (const [at, word] of changes) new DataView(copy.buffer).setBigUint64(at, word, true)
      return copy
    },
  }
  return { ...dump, memory }
}

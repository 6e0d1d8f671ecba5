// SPDX-License-Identifier: GPL-2.0-or-later
/** Memory dumps that the fuzzer starts from: one small kernel in every format. */
import { FRAME, type Frames, PACKERS, writeElf, writeFlattened, writeKdump } from '../../testkit/core/dump-writer.ts'
import { syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'
import type { Mark } from '../../testkit/writers/tracedat.ts'
import type { Seed, Transform } from './seeds.ts'

/** Kinds of seeds that are dumps begin so. */
export const DUMP_KIND = 'core-'

const { frames, vmcoreinfo } = syntheticKernel()

/** Every word that is not zero: pointers, entries of page tables, lengths. */
function marksOf(file: Uint8Array): Mark[] {
  const view = new DataView(file.buffer)
  const marks: Mark[] = []
  for (let at = 0; at + 8 <= file.length; at += 8) {
    if (view.getBigUint64(at, true) === 0n) continue
    marks.push({ offset: at, size: 8, what: at < 2 * FRAME ? 'header' : 'word' })
    if (at < 2 * FRAME) marks.push({ offset: at, size: 4, what: 'half' }, { offset: at + 4, size: 2, what: 'quarter' })
  }
  return marks
}

function dump(kind: string, write: (frames: Frames) => Uint8Array): Seed {
  return {
    kind: `${DUMP_KIND}${kind}`,
    parts: true,
    text: false,
    make(transform?: Transform) {
      const bytes = write(transform ? transformed(transform) : frames)
      return { bytes, marks: marksOf(bytes) }
    },
  }
}

/** The frames, each changed before it is packed; they stay frames. */
function transformed(transform: Transform): Frames {
  return new Map(
    [...frames].map(([pfn, frame]) => {
      const changed = new Uint8Array(FRAME)
      changed.set(transform('frame', frame.slice()).subarray(0, FRAME))
      return [pfn, changed]
    }),
  )
}

const flat = (file: Uint8Array) => {
  const pieces: [number, number][] = []
  for (let at = 0; at < file.length; at += 9000) pieces.push([at, Math.min(9000, file.length - at)])
  return writeFlattened(file, pieces)
}

export const DUMP_SEEDS: readonly Seed[] = [
  dump('elf', memory => writeElf(memory, { vmcoreinfo, roots: [0x1001000] })),
  dump('kdump-none', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.none })),
  dump('kdump-zlib', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.zlib })),
  dump('kdump-lzo', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.lzo })),
  dump('kdump-snappy', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.snappy })),
  dump('flattened', memory => flat(writeKdump(memory, { vmcoreinfo, pack: PACKERS.none }))),
]

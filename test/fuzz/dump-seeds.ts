// SPDX-License-Identifier: GPL-2.0-or-later
/** Memory dumps that the fuzzer starts from: one small kernel in every format. */
import { FRAME, type Frames, PACKERS, writeElf, writeFlattened, writeKdump } from '../../testkit/core/dump-writer.ts'
import { syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'
import type { Mark } from '../../testkit/writers/tracedat.ts'
import type { Seed, Transform } from './seeds.ts'

/** Kinds of seeds that are dumps begin so. */
export const DUMP_KIND = 'core-'

const { frames, vmcoreinfo, regions } = syntheticKernel()

/**
 * Every word that is not zero, by what it is: an entry of a page table, types, symbols, a pointer to kernel memory, another word.
 * @param plain whether the frames stand at the end of the file as they are
 */
function marksOf(file: Uint8Array, plain: boolean): Mark[] {
  const view = new DataView(file.buffer)
  const memory = plain ? file.length - frames.size * FRAME : file.length
  const marks: Mark[] = []
  for (let at = 0; at + 8 <= file.length; at += 8) {
    if (view.getBigUint64(at, true) === 0n) continue
    const isHeader = at < Math.min(memory, 2 * FRAME)
    const region = regions.find(({ first, end }) => at - memory >= first && at - memory < end)
    // Addresses of the kernel begin with ones.
    const word = view.getUint16(at + 6, true) === 0xffff ? 'pointer' : 'word'
    marks.push({ offset: at, size: 8, what: isHeader ? 'header' : (region?.what ?? word) })
    if (isHeader) marks.push({ offset: at, size: 4, what: 'half' }, { offset: at + 4, size: 2, what: 'quarter' })
    else if (region && region.what !== 'table') marks.push({ offset: at, size: 4, what: `${region.what}, half` })
  }
  return marks
}

function dump(kind: string, write: (frames: Frames) => Uint8Array, plain = false): Seed {
  const made = (memory: Frames) => {
    const bytes = write(memory)
    return { bytes, marks: marksOf(bytes, plain) }
  }
  let whole: ReturnType<Seed['make']> | undefined
  return {
    kind: `${DUMP_KIND}${kind}`,
    parts: frames.size,
    text: false,
    // Packing takes longer than reading, and what is made is copied before it is damaged.
    make: (transform?: Transform) => (transform ? made(transformed(transform)) : (whole ??= made(frames))),
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
  dump('elf', memory => writeElf(memory, { vmcoreinfo, roots: [0x1001000] }), true),
  dump('kdump-none', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.none }), true),
  dump('kdump-zlib', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.zlib })),
  dump('kdump-lzo', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.lzo })),
  dump('kdump-snappy', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.snappy })),
  dump('kdump-zstd', memory => writeKdump(memory, { vmcoreinfo, pack: PACKERS.zstd })),
  dump('flattened', memory => flat(writeKdump(memory, { vmcoreinfo, pack: PACKERS.none }))),
]

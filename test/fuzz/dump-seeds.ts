// SPDX-License-Identifier: GPL-2.0-or-later
/** Memory dumps that the fuzzer starts from: one small kernel in every format, and on every architecture. */
import {
  FRAME,
  type Frames,
  inBlocks,
  PACKERS,
  writeElf,
  writeFlattened,
  writeKdump,
} from '../../testkit/core/dump-writer.ts'
import { SYNTHETIC_AARCH64, SYNTHETIC_AARCH64_BEFORE_6_11 } from '../../testkit/core/synthetic-arch.ts'
import { type SyntheticKernel, syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'
import type { Mark } from '../../testkit/writers/tracedat.ts'
import type { Seed, Transform } from './seeds.ts'

/** Kinds of seeds that are dumps begin so. */
export const DUMP_KIND = 'core-'

const X86_64 = syntheticKernel()
const AARCH64 = syntheticKernel(SYNTHETIC_AARCH64)
const AARCH64_BEFORE_6_11 = syntheticKernel(SYNTHETIC_AARCH64_BEFORE_6_11)

interface DumpSeed {
  kernel?: SyntheticKernel
  write: (frames: Frames, vmcoreinfo: string) => Uint8Array
  /** True if the frames stand at the end of the file as they are. */
  plain?: boolean
}

/** Every word that is not zero, by what it is: an entry of a page table, types, symbols, a pointer to kernel memory, another word. */
function marksOf(file: Uint8Array, { frames, regions }: SyntheticKernel, plain: boolean): Mark[] {
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

function dump(kind: string, { kernel = X86_64, write, plain = false }: DumpSeed): Seed {
  const { frames, vmcoreinfo } = kernel
  const made = (memory: Frames) => {
    const bytes = write(memory, vmcoreinfo)
    return { bytes, marks: marksOf(bytes, kernel, plain) }
  }
  let whole: ReturnType<Seed['make']> | undefined
  return {
    kind: `${DUMP_KIND}${kind}`,
    parts: frames.size,
    text: false,
    // Packing takes longer than reading, and what is made is copied before it is damaged.
    make: (transform?: Transform) => (transform ? made(transformed(frames, transform)) : (whole ??= made(frames))),
  }
}

/** The frames, each changed before it is packed; they stay frames. */
function transformed(frames: Frames, transform: Transform): Frames {
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

const kdump = (pack: keyof typeof PACKERS) => (memory: Frames, vmcoreinfo: string) =>
  writeKdump(memory, { vmcoreinfo, pack: PACKERS[pack] })
const { machine } = SYNTHETIC_AARCH64

export const DUMP_SEEDS: readonly Seed[] = [
  dump('elf', { write: (memory, vmcoreinfo) => writeElf(memory, { vmcoreinfo, roots: [0x1001000] }), plain: true }),
  dump('kdump-none', { write: kdump('none'), plain: true }),
  dump('kdump-zlib', { write: kdump('zlib') }),
  dump('kdump-lzo', { write: kdump('lzo') }),
  dump('kdump-snappy', { write: kdump('snappy') }),
  dump('kdump-zstd', { write: kdump('zstd') }),
  dump('flattened', { write: (memory, vmcoreinfo) => flat(kdump('none')(memory, vmcoreinfo)) }),
  dump('aarch64', {
    kernel: AARCH64,
    write: (memory, vmcoreinfo) => writeElf(memory, { vmcoreinfo, machine }),
    plain: true,
  }),
  dump('aarch64-before-6.11', {
    kernel: AARCH64_BEFORE_6_11,
    write: (memory, vmcoreinfo) => writeElf(memory, { vmcoreinfo, machine }),
    plain: true,
  }),
  // As QEMU writes it for arm64: blocks of 64 KiB, of a machine without a name.
  dump('aarch64-blocks', {
    kernel: AARCH64,
    write: (memory, vmcoreinfo) =>
      writeKdump(inBlocks(memory, 65536), {
        vmcoreinfo,
        pack: PACKERS.zlib,
        blockBytes: 65536,
        machineName: 'Unknown',
      }),
  }),
]

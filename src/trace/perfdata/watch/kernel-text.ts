// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads the kernel's code as it ran, from the ELF file that `perf record --kcore` copies from /proc/kcore. */
import { ByteReader, readExactly } from '../../common/bytes.ts'
import { type ByteSource, TraceError } from '../../events.ts'

const HEADER_BYTES = 64
const ENTRY_BYTES = 56
const PT_LOAD = 1
const ET_CORE = 4
/** Maximum number of segments. perf writes one for the kernel and one for each module. */
const MOST_SEGMENTS = 1 << 14
/**
 * Maximum size of the text in bytes. A large kernel with all modules has 60 MB. All of memory, as in /proc/kcore itself, is not
 * loaded.
 */
const MOST_TEXT = 1 << 28

interface Segment {
  start: bigint
  bytes: Uint8Array
}

/** The kernel's code by address. */
export class KernelText {
  /** `e_machine` of ELF: 62 for x86-64, 183 for arm64. */
  readonly machine: number
  /** Number of segments left out because they are too large or not in the file. */
  readonly left: number
  readonly #segments: readonly Segment[]

  constructor(machine: number, segments: readonly Segment[], left = 0) {
    this.machine = machine
    this.#segments = segments
    this.left = left
  }

  /** Returns up to `length` bytes from `address` on; none if the address is unknown. */
  read(address: bigint, length: number): Uint8Array {
    for (const { start, bytes } of this.#segments) {
      if (address < start || address - start >= BigInt(bytes.length)) continue
      const at = Number(address - start)
      return bytes.subarray(at, at + length)
    }
    return new Uint8Array(0)
  }
}

/**
 * Reads a kcore file.
 * @throws TraceError if it is not one
 */
export async function readKernelText(source: ByteSource): Promise<KernelText> {
  const header = new ByteReader(await readExactly(source, 0, HEADER_BYTES, 'the header of an ELF file'), {
    file: source.name,
  })
  const { view } = header
  if (view.getUint32(0) !== 0x7f454c46 || view.getUint8(4) !== 2 || view.getUint16(16, true) !== ET_CORE) {
    throw new TraceError(source.name, 0, 'expected a 64-bit ELF core file, as perf record --kcore makes it')
  }
  if (view.getUint8(5) !== 1) throw new TraceError(source.name, 5, 'expected a little-endian kernel')
  const count = view.getUint16(56, true)
  if (view.getUint16(54, true) !== ENTRY_BYTES || count > MOST_SEGMENTS) {
    throw new TraceError(source.name, 54, `expected at most ${MOST_SEGMENTS} program headers of ${ENTRY_BYTES} bytes`)
  }
  const at = Number(view.getBigUint64(32, true))
  const table = await readExactly(source, at, count * ENTRY_BYTES, 'program headers')
  const { segments, left } = await readSegments(source, table)
  return new KernelText(view.getUint16(18, true), segments, left)
}

async function readSegments(source: ByteSource, table: Uint8Array): Promise<{ segments: Segment[]; left: number }> {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const segments: Segment[] = []
  let left = 0
  let room = MOST_TEXT
  for (let at = 0; at + ENTRY_BYTES <= table.length; at += ENTRY_BYTES) {
    if (view.getUint32(at, true) !== PT_LOAD) continue
    const offset = Number(view.getBigUint64(at + 8, true))
    const size = Number(view.getBigUint64(at + 32, true))
    if (size > room || offset + size > source.size) {
      left++
      continue
    }
    room -= size
    segments.push({ start: view.getBigUint64(at + 16, true), bytes: await source.read(offset, size) })
  }
  return { segments, left }
}

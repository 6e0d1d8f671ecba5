// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes the ELF core file that `perf record --kcore` copies from /proc/kcore. Layout: elf(5). */

const HEADER = 64
const ENTRY = 56
const ET_CORE = 4
const PT_LOAD = 1
/** Readable, writable, executable. */
const RWX = 7

export const EM_X86_64 = 62

/** Writes a kcore that contains parts of the kernel's code. */
export function kcoreFile(machine: number, parts: readonly { start: bigint; bytes: Uint8Array }[]): Uint8Array {
  const start = HEADER + ENTRY * parts.length
  const file = new Uint8Array(start + parts.reduce((sum, { bytes }) => sum + bytes.length, 0))
  const view = new DataView(file.buffer)
  // ELF, 64 bits, little endian, version 1
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, ET_CORE, true)
  view.setUint16(18, machine, true)
  view.setUint32(20, 1, true)
  view.setBigUint64(32, BigInt(HEADER), true)
  view.setUint16(52, HEADER, true)
  view.setUint16(54, ENTRY, true)
  view.setUint16(56, parts.length, true)
  let offset = start
  for (const [i, { start: address, bytes }] of parts.entries()) {
    const at = HEADER + ENTRY * i
    view.setUint32(at, PT_LOAD, true)
    view.setUint32(at + 4, RWX, true)
    view.setBigUint64(at + 8, BigInt(offset), true)
    view.setBigUint64(at + 16, address, true)
    view.setBigUint64(at + 32, BigInt(bytes.length), true)
    view.setBigUint64(at + 40, BigInt(bytes.length), true)
    file.set(bytes, offset)
    offset += bytes.length
  }
  return file
}

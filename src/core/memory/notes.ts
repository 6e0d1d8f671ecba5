// SPDX-License-Identifier: GPL-2.0-or-later
/** Notes of a dump (ELF's PT_NOTE, which kdump files carry as well). */
import { viewOf } from './source.ts'

export interface Notes {
  vmcoreinfo: string | undefined
  roots: number[]
}

/** More than any machine has CPUs. */
const MOST_NOTES = 1 << 16
const MOST_VMCOREINFO = 1 << 16

/** Offset of CR3 in QEMU's QEMUCPUState (version 1 of include/standard; target/i386/arch_dump.c): cr[] follows the registers. */
const QEMU_CR3 = 0x8 + 18 * 8 + 10 * 24 + 3 * 8

/** Reads what is of use in notes; stops at the first that does not fit. */
export function parseNotes(bytes: Uint8Array): Notes {
  const found: Notes = { vmcoreinfo: undefined, roots: [] }
  const view = viewOf(bytes)
  for (let at = 0, n = 0; at + 12 <= bytes.length && n < MOST_NOTES; n++) {
    const nameBytes = view.getUint32(at, true)
    const descBytes = view.getUint32(at + 4, true)
    const desc = at + 12 + aligned(nameBytes)
    const end = desc + aligned(descBytes)
    if (nameBytes > 64 || desc + descBytes > bytes.length) break
    const name = textOf(bytes.subarray(at + 12, at + 12 + nameBytes))
    if (name === 'VMCOREINFO' && descBytes <= MOST_VMCOREINFO) {
      found.vmcoreinfo ??= textOf(bytes.subarray(desc, desc + descBytes))
    }
    if (name === 'QEMU' && descBytes >= QEMU_CR3 + 8) {
      const low = view.getUint32(desc + QEMU_CR3, true)
      const high = view.getUint32(desc + QEMU_CR3 + 4, true)
      found.roots.push((high & 0xfffff) * 2 ** 32 + (low >>> 0))
    }
    at = end
  }
  return found
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 4) * 4
}

/** Text up to the first NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder('latin1').decode(end < 0 ? bytes : bytes.subarray(0, end))
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Notes of a dump (ELF's PT_NOTE, which kdump files carry as well). */
import { viewOf } from './source.ts'

export interface Notes {
  vmcoreinfo: string | undefined
}

/** More than any machine has CPUs. */
const MOST_NOTES = 1 << 16
const MOST_VMCOREINFO = 1 << 16
const MOST_NAME = 64

/** Reads what is of use in notes; stops at the first that does not fit. @param damage is told of what does not */
export function parseNotes(bytes: Uint8Array, damage: string[]): Notes {
  const found: Notes = { vmcoreinfo: undefined }
  const view = viewOf(bytes)
  for (let at = 0, n = 0; at + 12 <= bytes.length && n < MOST_NOTES; n++) {
    const nameBytes = view.getUint32(at, true)
    const descBytes = view.getUint32(at + 4, true)
    const desc = at + 12 + aligned(nameBytes)
    const end = desc + aligned(descBytes)
    if (nameBytes > MOST_NAME || desc + descBytes > bytes.length) {
      damage.push(
        `the note ${at} bytes into the notes should have ${nameBytes} bytes of name and ${descBytes} of content, but ${bytes.length - at - 12} are left: it and those behind it are not read`,
      )
      break
    }
    const name = textOf(bytes.subarray(at + 12, at + 12 + nameBytes))
    if (name === 'VMCOREINFO' && descBytes <= MOST_VMCOREINFO) {
      found.vmcoreinfo ??= textOf(bytes.subarray(desc, desc + descBytes))
    } else if (name === 'VMCOREINFO') {
      damage.push(`the note VMCOREINFO has ${descBytes} bytes, more than any kernel writes, and is not read`)
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

// SPDX-License-Identifier: GPL-2.0-or-later
/** Parses the notes of a dump (ELF's PT_NOTE, also contained in kdump files). */
import { decodeLatin1 } from '../../util/latin1.ts'
import { viewOf } from './source.ts'

export interface Notes {
  vmcoreinfo: string | undefined
}

/** Limit of the number of notes. There is one for each CPU, and no machine has that many. */
const MOST_NOTES = 1 << 16
const MOST_VMCOREINFO = 1 << 16
const MOST_NAME = 64

/**
 * Parses the notes that are needed. Stops at the first malformed one.
 * @param damage receives a sentence about it
 */
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

/** Returns the text up to the first NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return decodeLatin1(end < 0 ? bytes : bytes.subarray(0, end))
}

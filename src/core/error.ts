// SPDX-License-Identifier: GPL-2.0-or-later
/** The two errors of reading a dump: the file is malformed, or a piece of memory is not in it. */

/** A file that cannot be used as a dump. The message says where, what was expected there, and what to do. */
export class CoreError extends Error {
  readonly file: string
  /** Byte offset in the file; undefined if the problem is not at one place. */
  readonly offset: number | undefined
  readonly expected: string

  constructor(file: string, offset: number | undefined, expected: string) {
    super(`${file}: ${offset === undefined ? '' : `at byte ${offset}: `}${expected}`)
    this.name = 'CoreError'
    this.file = file
    this.offset = offset
    this.expected = expected
  }
}

/**
 * Why memory cannot be read. `excluded`: the dump left out the frame, or a frame of a page table on the way to it. `unmapped`:
 * the kernel's page tables do not map the address, so the structure that contained the pointer is damaged.
 */
export type Absence = 'excluded' | 'unmapped'

/** Thrown where memory is not in the dump. Missing memory is never read as zero. */
export class NotInDump extends Error {
  readonly address: bigint
  readonly why: Absence

  constructor(address: bigint, why: Absence) {
    super(`${why === 'excluded' ? 'not in the dump' : 'not mapped'}: 0x${address.toString(16)}`)
    this.name = 'NotInDump'
    this.address = address
    this.why = why
  }
}

/**
 * Runs `work`, which may meet memory that is not in the dump. In that case it passes the error to `gap` and returns undefined.
 */
export function unlessAbsent<T>(work: () => T, gap?: (absent: NotInDump) => void): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof NotInDump)) throw error
    gap?.(error)
    return undefined
  }
}

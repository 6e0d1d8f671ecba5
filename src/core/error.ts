// SPDX-License-Identifier: GPL-2.0-or-later
/** The two ways in which a dump can disappoint: the file is not what it should be, or it lacks a piece of memory. */

/** A file that cannot be used as a dump: says where, what was expected there, and what to do. */
export class CoreError extends Error {
  readonly file: string
  /** Byte offset in the file; undefined where it is no place in it that is wrong. */
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
 * Why memory cannot be read: `excluded` is a frame (of the page itself or of a page table on the way to it) that the dump left
 * out; `unmapped` is an address that the kernel's page tables do not map, so that whatever held it is damaged.
 */
export type Absence = 'excluded' | 'unmapped'

/** Memory that the dump does not have. It is never read as zero. */
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

/** Runs a piece of work that may meet memory which is not there; `gap` is told, and undefined returned. */
export function unlessAbsent<T>(work: () => T, gap?: (absent: NotInDump) => void): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof NotInDump)) throw error
    gap?.(error)
    return undefined
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Pages as a user names them, on the command line and in the viewer: `0x10,0x20-0x2f`. */
import type { PageRange } from '../ledger/track/page-range.ts'

/** Reads the number of a page: hex, with or without 0x. Returns undefined for anything else. */
export function readPfn(text: string): number | undefined {
  const digits = /^(?:0x)?([0-9a-f]{1,13})$/i.exec(text)
  return digits ? Number.parseInt(digits[1]!, 16) : undefined
}

/** Reads pages and ranges of them, separated by commas. Returns undefined for anything else. */
export function readPages(text: string): PageRange[] | undefined {
  const ranges = text.split(',').map(part => {
    const [first, last = first, ...more] = part.split('-').map(each => readPfn(each.trim()))
    if (first === undefined || last === undefined || more.length > 0 || last < first) return undefined
    return { first, last }
  })
  return ranges.every(range => range !== undefined) ? ranges : undefined
}

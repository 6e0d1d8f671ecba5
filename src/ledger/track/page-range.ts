// SPDX-License-Identifier: GPL-2.0-or-later
/** Pages that somebody asks about. */

/** A range of pages, both ends included. */
export interface PageRange {
  first: number
  last: number
}

export function isInRanges(pfn: number, ranges: readonly PageRange[]): boolean {
  return ranges.some(({ first, last }) => pfn >= first && pfn <= last)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds pages with more pointers of one kind than references. A pointer need not hold a reference. So such a page is reported
 * only if other pages with pointers of the same kind (at the same offset in objects of the same slab cache), including some with
 * several pointers, have exactly one reference for each pointer.
 */
import { type Balance, balanceOf } from './balance.ts'
import type { HolderSearch } from './holders/find.ts'
import type { DevicePages } from './mm/device-pages.ts'

/** Number of pages that must confirm the rule for each page that violates it. */
const SUPPORT = 2

interface Kind {
  /** Number of pages with exactly as many references as pointers, and how many of those have several. */
  agree: number
  agreeSeveral: number
  /** Pages with more pointers than references. */
  broken: { row: number; pointers: number; count: number }[]
}

/** @returns the reason for each page found, by its row */
export function doubleRecorded(pages: DevicePages, holders: HolderSearch): Map<number, string> {
  const kinds = new Map<string, Kind>()
  for (let row = 0; row < pages.inUse.length; row++) {
    if (holders.of(pages.inUse.pfn[row]!) === undefined) continue
    const balance = balanceOf(pages, row, holders)
    const words = balance && kindOf(balance)
    if (!words) continue
    const kind = kinds.get(words) ?? { agree: 0, agreeSeveral: 0, broken: [] }
    kinds.set(words, kind)
    const references = referencesLeft(balance)
    const pointers = balance.pointers.length
    if (pointers === references) {
      kind.agree++
      if (pointers > 1) kind.agreeSeveral++
    } else if (pointers > references) kind.broken.push({ row, pointers, count: pages.inUse.count[row]! })
  }
  const found = new Map<number, string>()
  for (const [words, { agree, agreeSeveral, broken }] of kinds) {
    if (broken.length === 0 || agree < SUPPORT * broken.length || agreeSeveral < broken.length) continue
    for (const { row, pointers, count } of broken) {
      found.set(
        row,
        `${pointers} objects point to it at ${words}, but its count is ${count}; ${agree} other pages have one reference for each such pointer`,
      )
    }
  }
  return found
}

/** References that pointers must account for, since nothing else does. */
function referencesLeft({ explained, missing, base, certain }: Balance): number {
  return explained + missing - base - certain
}

/** Describes the kind of a page's pointers; undefined unless all are of one kind and in different objects. */
function kindOf({ pointers }: Balance): string | undefined {
  const [first] = pointers
  if (first?.kind !== 'slab') return undefined
  const alike = pointers.every(
    ({ kind, cache, offset }) => kind === 'slab' && cache === first.cache && offset === first.offset,
  )
  const objects = new Set(pointers.map(({ object }) => object))
  return alike && objects.size === pointers.length ? `offset ${first.offset} of slab cache ${first.cache}` : undefined
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Pages to which more pointers of one kind lead than they have references. A pointer need not hold a reference, so this is said
 * only where the other pages with pointers of that kind (the same offset in objects of the same cache) have exactly one
 * reference for each, also those with several.
 */
import { type Balance, balanceOf } from './balance.ts'
import type { HolderSearch } from './holders/find.ts'
import type { DevicePages } from './mm/device-pages.ts'

/** Pages that bear the rule out, for each that breaks it. */
const SUPPORT = 2

interface Kind {
  /** Pages with exactly as many references as pointers, and those among them with several. */
  agree: number
  agreeSeveral: number
  /** Pages with more pointers than references. */
  broken: { row: number; pointers: number; count: number }[]
}

/** @returns why, by row */
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

/** References that are for pointers to stand for. */
function referencesLeft({ explained, missing, base, certain }: Balance): number {
  return explained + missing - base - certain
}

/** The kind of a page's pointers, where all of them are alike and in different objects. */
function kindOf({ pointers }: Balance): string | undefined {
  const [first] = pointers
  if (first?.kind !== 'slab') return undefined
  const alike = pointers.every(
    ({ kind, cache, offset }) => kind === 'slab' && cache === first.cache && offset === first.offset,
  )
  const objects = new Set(pointers.map(({ object }) => object))
  return alike && objects.size === pointers.length ? `offset ${first.offset} of slab cache ${first.cache}` : undefined
}

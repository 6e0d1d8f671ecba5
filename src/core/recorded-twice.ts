// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Pages to which more pointers of one kind lead than they have references. A pointer need not hold a reference, so this is said
 * only where the other pages with pointers of that kind (the same offset in objects of the same cache) have exactly one
 * reference for each, also those with several.
 */
import type { Balance } from './balance.ts'

/** Pages that bear the rule out, for each that breaks it. */
const SUPPORT = 2

interface Kind {
  words: string
  /** Pages with exactly as many references as pointers, and those among them with several. */
  agree: number
  agreeSeveral: number
  /** Rows with more pointers than references. */
  broken: number[]
}

/** @param balances by row. @returns why, by row */
export function doubleRecorded(balances: readonly (Balance | undefined)[]): Map<number, string> {
  const kinds = new Map<string, Kind>()
  balances.forEach((balance, row) => {
    const kind = balance && kindOf(balance)
    if (!kind) return
    const known = kinds.get(kind) ?? { words: kind, agree: 0, agreeSeveral: 0, broken: [] }
    kinds.set(kind, known)
    const references = balance.explained + balance.missing - balance.base - balance.certain
    const pointers = balance.pointers.length
    if (pointers === references) {
      known.agree++
      if (pointers > 1) known.agreeSeveral++
    } else if (pointers > references) known.broken.push(row)
  })
  const found = new Map<number, string>()
  for (const { words, agree, agreeSeveral, broken } of kinds.values()) {
    if (broken.length === 0 || agree < SUPPORT * broken.length || agreeSeveral < broken.length) continue
    for (const row of broken) {
      const { pointers, explained, missing } = balances[row]!
      found.set(
        row,
        `${pointers.length} objects point to it at ${words}, but its count is ${explained + missing}; ${agree} other pages have one reference for each such pointer`,
      )
    }
  }
  return found
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

// SPDX-License-Identifier: GPL-2.0-or-later
/** Compares the references of a page that holders explain with the page's count. */

import type { Holder } from './finding.ts'
import type { HolderSearch } from './holders/find.ts'
import type { DevicePages, PagesInUse } from './mm/device-pages.ts'
import { GUP_PIN_COUNTING_BIAS } from './pins.ts'

export interface Balance {
  /** References that an idle page of this kind already has, and that remain while the page is in use. */
  readonly base: number
  /** References that certainly exist: one for each page-table entry and pipe buffer that holds one. */
  readonly certain: number
  /** Pointers found in memory that is in use. Each can stand for one reference or one pin. */
  readonly pointers: readonly Holder[]
  /** References that the count has beyond the explained ones. Negative if the certain references alone exceed the count. */
  readonly missing: number
  /** References that are explained, including those of an idle page. */
  readonly explained: number
  /** Why missing references of this page need not be leaked. */
  readonly doubt: string | undefined
  /** Doubtful holders that are counted anyway, because without them references would be unexplained. */
  readonly counted: readonly Holder[]
}

/** @returns undefined where no rule says what the count means, or if holders were not searched for */
export function balanceOf(
  { inUse, pagemaps }: DevicePages,
  row: number,
  holders: HolderSearch | undefined,
): Balance | undefined {
  const { rule } = pagemaps[inUse.pagemap[row]!]!
  if (!rule || !holders) return undefined
  const found = holders.of(inUse.pfn[row]!)
  const base = rule.handOut === 'get' ? rule.idle : 0
  const certain = found?.certain ?? 0
  const pointers = (found?.holders ?? []).filter(({ references }) => references === undefined)
  const rest = inUse.count[row]! - base - certain
  const single = inUse.order[row] === 0
  const byPointers = rest <= 0 ? 0 : explainable(rest, pointers.length, single)
  const counted: Holder[] = []
  let missing = rest - byPointers
  if (missing > 0) {
    const telling = found?.doubtful ?? []
    const more = explainable(rest, pointers.length + telling.length, single)
    if (more > byPointers) counted.push(...telling)
    missing = rest - more
  }
  return {
    base,
    certain,
    pointers,
    missing,
    explained: inUse.count[row]! - missing,
    doubt: missing > 0 ? doubtOf(inUse, row, found) : undefined,
    counted,
  }
}

/**
 * Returns how many of `rest` references `pointers` pointers can explain. A pointer explains one reference or, on a page that is
 * not part of a large folio, one pin.
 */
export function explainable(rest: number, pointers: number, single: boolean): number {
  if (!single || rest < GUP_PIN_COUNTING_BIAS) return Math.min(rest, pointers)
  const pins = Math.min(Math.floor(rest / GUP_PIN_COUNTING_BIAS), pointers)
  return pins * GUP_PIN_COUNTING_BIAS + Math.min(rest % GUP_PIN_COUNTING_BIAS, pointers - pins)
}

/** Mask of PG_locked, which is bit 0 of the flags in all kernels. */
const LOCKED = 1

function doubtOf(inUse: PagesInUse, row: number, found: ReturnType<HolderSearch['of']>): string | undefined {
  // Migration locks its pages and records them in the driver's arrays as shifted frame numbers, which the search does not find.
  if (inUse.flagsLow[row]! & LOCKED) return 'it is locked, so somebody is at work on it'
  if ((found?.unclear ?? 0) > 0) return 'page tables have entries for it whose meaning is not known'
  const entries = (found?.holders ?? []).filter(({ kind }) => kind === 'mapping').length
  const mapcount = inUse.mapcount[row]! + 1
  if (inUse.order[row] === 0 && mapcount > entries) {
    return `it is mapped ${mapcount} times by its own count, but ${entries} entries were found`
  }
  // A large folio keeps its mapcount elsewhere. An unmapped one has no `mapping`.
  if (inUse.order[row]! > 0 && inUse.mapping[row] && entries === 0) {
    return 'it belongs to a mapping, but no page table was found that maps it'
  }
  return undefined
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** What is found to hold a page against what its count says. */

import type { Holder } from './finding.ts'
import type { HolderSearch } from './holders/find.ts'
import type { DevicePages, PagesInUse } from './mm/device-pages.ts'
import { GUP_PIN_COUNTING_BIAS } from './pins.ts'

export interface Balance {
  /** References of an idle page that stay while it is in use. */
  readonly base: number
  /** References that are certain: of page tables and pipes. */
  readonly certain: number
  /** Pointers at places that are in use, each of which can stand for a reference, or for a pin. */
  readonly pointers: readonly Holder[]
  /** References that the count has beyond those explained; negative where the certain ones are more than it says. */
  readonly missing: number
  /** References explained, with those of an idle page. */
  readonly explained: number
  /** Why references that are missing need not be leaked, as far as this page goes. */
  readonly doubt: string | undefined
  /** Doubtful holders that are taken to hold it all the same, because nothing else does. */
  readonly counted: readonly Holder[]
}

/** @returns undefined where no rule says what the count means, or holders were not looked for */
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

/** How many of `rest` references so many pointers can stand for: each for one, or for a pin of a single page. */
export function explainable(rest: number, pointers: number, single: boolean): number {
  if (!single || rest < GUP_PIN_COUNTING_BIAS) return Math.min(rest, pointers)
  const pins = Math.min(Math.floor(rest / GUP_PIN_COUNTING_BIAS), pointers)
  return pins * GUP_PIN_COUNTING_BIAS + Math.min(rest % GUP_PIN_COUNTING_BIAS, pointers - pins)
}

/** Bit of PG_locked, the first of all flags since there are any. */
const LOCKED = 1

function doubtOf(inUse: PagesInUse, row: number, found: ReturnType<HolderSearch['of']>): string | undefined {
  // Migration keeps its pages locked, and knows them by shifted frame numbers in arrays of the driver's.
  if (inUse.flagsLow[row]! & LOCKED) return 'it is locked, so somebody is at work on it'
  if ((found?.unclear ?? 0) > 0) return 'page tables have entries for it whose meaning is not known'
  const entries = (found?.holders ?? []).filter(({ kind }) => kind === 'mapping').length
  const mapcount = inUse.mapcount[row]! + 1
  if (inUse.order[row] === 0 && mapcount > entries) {
    return `it is mapped ${mapcount} times by its own count, but ${entries} entries were found`
  }
  // How often a large folio is mapped stands elsewhere; one that is not has no mapping.
  if (inUse.order[row]! > 0 && inUse.mapping[row] && entries === 0) {
    return 'it belongs to a mapping, but no page table was found that maps it'
  }
  return undefined
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The laws of a recording: which call sites give back what which others take. A call site starts as its acting function's
 * return address; callers are added where that splits a law into finer ones, as it does for a helper that several parts of
 * a driver share.
 */
import type { CallSiteDepths } from '../callsites/depths.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isPut, type LifetimeCounts, signatureOf, type UnitKey } from '../track/unit-key.ts'
import { affinity, preferredLaws } from './ambiguity.ts'
import { findLaws, type Law } from './find-laws.ts'
import { MatrixBuilder, type UnitMatrix } from './unit-matrix.ts'

/** A call site at the number of frames that matters: all keys that are equal in these frames. */
export interface SiteGroup {
  /** Value of `CallSiteDepths.at` for each of these keys. */
  at: number
  depth: number
  isPut: boolean
}

export interface CallSiteLaw {
  /** The call sites, one for each of `sites`. */
  groups: SiteGroup[]
  /** Every key that belongs to the law, and those that stand for its call sites: one for each. */
  keys: UnitKey[]
  sites: UnitKey[]
  touched: number
  held: number
  over: number
  under: number
  /** True if the lifetimes allow other laws equally well, so that the partner of a reference is not known for sure. */
  isAmbiguous: boolean
  /** Other call sites that may take or give back references of this law if one of those other laws is the right one. */
  rivals: SiteGroup[]
}

/** Number of lifetimes that must have references of each part before a law is split into parts. */
const MIN_PART = 8

/** What went wrong in the recording, as far as no law is needed to see it. */
export interface Troubles {
  /** Number of pages on which something impossible happened; Infinity: not known. */
  pages: number
  /** Call sites that are in no law, because their puts free pages early (see `spoilers`). */
  spoilers: ReadonlySet<number>
}

/**
 * Returns the laws of all lifetimes counted.
 *
 * @param samples some lifetimes whole, for what order alone can tell
 */
export function learnLaws(
  counts: LifetimeCounts,
  sites: CallSiteDepths,
  samples: readonly (readonly LifetimeEvent[])[],
  troubles: Troubles,
): CallSiteLaw[] {
  const learning = new Learning(counts, sites, troubles)
  const laws = learning.laws()
  const keysOf = (column: number) => learning.keysOf(column)
  const affinityOf = (get: number, put: number) => affinity(keysOf(get), keysOf(put), sites, samples)
  const preferred = preferredLaws(laws, keysOf, affinityOf)
  const more = preferredLaws(learning.lawsOfRest(preferred.map(({ law }) => law)), keysOf, affinityOf)
  return [...preferred, ...more].map(({ law, isAmbiguous, rivals }) => ({
    groups: law.columns.map(column => learning.groupOf(column)),
    keys: law.columns.flatMap(keysOf),
    sites: law.columns.map(column => keysOf(column)[0]!),
    touched: law.touched,
    held: law.held,
    over: law.over,
    under: law.under,
    isAmbiguous,
    rivals: rivals.map(column => learning.groupOf(column)),
  }))
}

/** Columns of a matrix are groups of keys: those of one call site at the depth that was found to matter. */
class Learning {
  readonly #counts: LifetimeCounts
  readonly #sites: CallSiteDepths
  readonly #groups: UnitKey[][] = []
  /** Per group, the number of frames in which its keys are equal. */
  readonly #depths: number[] = []
  readonly #troubles: Troubles

  constructor(counts: LifetimeCounts, sites: CallSiteDepths, troubles: Troubles) {
    this.#counts = counts
    this.#sites = sites
    this.#troubles = troubles
  }

  keysOf(column: number): UnitKey[] {
    return this.#groups[column]!
  }

  groupOf(column: number): SiteGroup {
    const [key] = this.#groups[column] as [UnitKey]
    const depth = this.#depths[column]!
    return { at: this.#sites.at(signatureOf(key), depth), depth, isPut: isPut(key) }
  }

  laws(): Law[] {
    const keys = new Set<UnitKey>()
    this.#counts.forEach(units => {
      for (const key of units.keys()) keys.add(key)
    })
    const { spoilers } = this.#troubles
    const lawful = [...keys].filter(key => !(isPut(key) && spoilers.has(this.#sites.at(signatureOf(key), 1))))
    this.#addGroups(this.#grouped(lawful, 1), 1)
    const laws = this.#lawsOf(this.#groups)
    const left = this.#uncovered(laws)
    const deeper = this.#split(left, 2)
    return [...laws.flatMap(law => this.#refine(law, 2)), ...deeper]
  }

  /**
   * Returns the laws of call sites that none of the chosen laws has. A law that is the union of two others may have hidden one of
   * these.
   */
  lawsOfRest(chosen: readonly Law[]): Law[] {
    const covered = new Set(chosen.flatMap(law => law.columns.flatMap(column => this.#groups[column]!)))
    const left = this.#groups.flatMap((keys, column) =>
      this.#depths[column] === 1 && keys.every(key => !covered.has(key)) ? [column] : [],
    )
    if (left.length < 2) return []
    const laws = this.#lawsOf(left.map(column => this.#groups[column]!))
    return laws.map(law => ({ ...law, columns: law.columns.map(c => left[c]!) }))
  }

  #lawsOf(groups: readonly (readonly UnitKey[])[]): Law[] {
    return findLaws(this.#matrixOf(groups), this.#troubles.pages)
  }

  /** Groups that no law has. */
  #uncovered(laws: readonly Law[]): number[] {
    const covered = new Set(laws.flatMap(law => law.columns))
    return this.#groups.flatMap((_, column) => (covered.has(column) ? [] : [column]))
  }

  /** The law, or the finer ones that it falls into when more callers are looked at. */
  #refine(law: Law, from: number): Law[] {
    for (let depth = from; depth <= this.#sites.depth; depth++) {
      const parts = this.#split(law.columns, depth)
      if (parts.length > 1 && this.#areParts(parts, law)) return parts.flatMap(part => this.#refine(part, depth + 1))
    }
    return [law]
  }

  /**
   * Returns the laws of the columns' call sites at a greater depth of callers; none if the callers do not tell the calls apart.
   */
  #split(columns: readonly number[], depth: number): Law[] {
    const children = columns.flatMap(column => this.#grouped(this.#groups[column]!, depth))
    if (children.length <= columns.length) return []
    const first = this.#addGroups(children, depth)
    return this.#lawsOf(children).map(law => ({ ...law, columns: law.columns.map(c => first + c) }))
  }

  /** Adds groups, and returns the number of the first. */
  #addGroups(groups: readonly UnitKey[][], depth: number): number {
    for (const _ of groups) this.#depths.push(depth)
    return this.#groups.push(...groups) - groups.length
  }

  /** True if the parts have no call site in common, have enough lifetimes each, and hold as well as the whole. */
  #areParts(parts: readonly Law[], whole: Law): boolean {
    const columns = parts.flatMap(part => part.columns)
    if (new Set(columns).size !== columns.length || parts.some(part => part.touched < MIN_PART)) return false
    const covered = new Set(columns.flatMap(column => this.#groups[column]!))
    const all = whole.columns.flatMap(column => this.#groups[column]!)
    const failures = parts.reduce((sum, part) => sum + part.touched - part.held, 0)
    return failures <= whole.touched - whole.held + whole.touched / 50 && covered.size >= 0.9 * all.length
  }

  #grouped(keys: readonly UnitKey[], depth: number): UnitKey[][] {
    const groups = new Map<number, UnitKey[]>()
    for (const key of keys) {
      const group = this.#sites.at(signatureOf(key), depth) * 2 + (key & 1)
      const known = groups.get(group)
      if (known) known.push(key)
      else groups.set(group, [key])
    }
    return [...groups.values()]
  }

  #matrixOf(groups: readonly (readonly UnitKey[])[]): UnitMatrix {
    const columnOf = new Map<UnitKey, number>()
    groups.forEach((keys, column) => {
      for (const key of keys) columnOf.set(key, column)
    })
    const builder = new MatrixBuilder(groups.length)
    this.#counts.forEach((units, lifetimes) => {
      const row = new Map<number, number>()
      for (const [key, n] of units) {
        const column = columnOf.get(key)
        if (column !== undefined) row.set(column, (row.get(column) ?? 0) + n)
      }
      builder.add(row, lifetimes)
    })
    return builder.build()
  }
}

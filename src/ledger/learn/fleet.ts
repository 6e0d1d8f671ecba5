// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Shares lifetimes between recordings of one kernel. To learn a law takes lifetimes, of which a small recording has few. In other
 * recordings the lifetimes of the same driver obey the same laws, with the same call sites by name and offset.
 */
import { type Frame, OP_NAMES } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { isPut, type LifetimeCounts, signatureOf, type UnitKey } from '../track/unit-key.ts'

/** Most kinds of lifetimes kept, of all recordings together. */
const MAX_KINDS = 1 << 16

/** A call site in a form that does not depend on the recording: its frames or, without stacks, its operation. */
type NamedSite = readonly Frame[] | number

/** A kind of lifetime. */
interface NamedKind {
  /** Name of its recording. */
  recording: string
  units: { site: NamedSite; isPut: boolean; units: number }[]
  lifetimes: number
}

/** The kinds of lifetimes of one recording, and what identifies its kernel. */
interface Contribution {
  kernel: string | undefined
  layout: Layout
  kinds: NamedKind[]
}

/** Where functions begin, by module ("" is the kernel proper) and name. */
type Layout = Map<string, Map<string, bigint>>

/** Lifetimes of other recordings. */
export type Others = readonly NamedKind[]

/** Recordings that are judged together. */
export class Fleet {
  readonly #contributions = new Map<string, Contribution>()
  #kinds = 0

  /** Takes in the lifetimes of a recording that a tracker has read to its end. @param name of the recording */
  add(name: string, kernel: string | undefined, { kinds, sites }: { kinds: LifetimeCounts; sites: CallSites }): void {
    const kept: NamedKind[] = []
    kinds.forEach((units, lifetimes) => {
      const named = namedUnits(units, sites)
      if (named && this.#kinds++ < MAX_KINDS) kept.push({ recording: name, units: named, lifetimes })
    })
    this.#contributions.set(name, { kernel, layout: layoutOf(sites), kinds: kept })
  }

  /** Returns the lifetimes of other recordings of the same kernel; undefined if there are none. */
  others(name: string): Others | undefined {
    const own = this.#contributions.get(name)
    const kinds = [...this.#contributions]
      .filter(([other, its]) => own && other !== name && isSameBuild(own, its))
      .flatMap(([, its]) => its.kinds)
    return kinds.length === 0 ? undefined : kinds
  }
}

function layoutOf(sites: CallSites): Layout {
  const layout: Layout = new Map()
  for (let signature = 0; signature < sites.size; signature++)
    for (const { name, offset, module = '', address } of sites.keyFrames(signature)) {
      if (offset === undefined || address === 0n) continue
      const functions = layout.get(module) ?? new Map<string, bigint>()
      layout.set(module, functions.set(name, address - BigInt(offset)))
    }
  return layout
}

/**
 * True if two recordings are of the same build of the kernel and its modules, as far as they show. The release does not tell,
 * because several builds may have it, in which the same offset is another call site. But in one build, address randomisation
 * (KASLR) moves all functions of a module by the same distance.
 */
function isSameBuild(a: Contribution, b: Contribution): boolean {
  if (a.kernel !== b.kernel) return false
  const distances = [...a.layout].map(([module, functions]) => distancesOf(functions, b.layout.get(module)))
  return distances.some(({ size }) => size > 0) && distances.every(({ size }) => size <= 1)
}

/** Returns the distances by which functions that both have are moved. */
function distancesOf(a: ReadonlyMap<string, bigint>, b: ReadonlyMap<string, bigint> | undefined): Set<bigint> {
  const distances = new Set<bigint>()
  for (const [name, start] of a) {
    const other = b?.get(name)
    if (other !== undefined) distances.add(other - start)
  }
  return distances
}

/** Returns the units of a kind by names; undefined if an acting frame has no name, so that other recordings cannot match it. */
function namedUnits(units: ReadonlyMap<UnitKey, number>, sites: CallSites): NamedKind['units'] | undefined {
  const named: NamedKind['units'] = []
  for (const [key, n] of units) {
    const signature = signatureOf(key)
    const frames = sites.keyFrames(signature)
    const site = frames.length > 0 ? frames : signature
    if (typeof site === 'number' ? site > OP_NAMES.length : isNameless(site[0]!)) return undefined
    named.push({ site, isPut: isPut(key), units: n })
  }
  return named
}

const isNameless = ({ name, offset }: Frame) => offset === undefined && name.startsWith('0x')

/** A recording's own kinds, and those of other recordings with a call site in common, in the keys of this recording. */
export class JointKinds implements LifetimeCounts {
  readonly #own: LifetimeCounts
  readonly #sites: CallSites
  readonly #foreign: { recording: string; units: Map<UnitKey, number>; lifetimes: number }[]

  constructor(own: LifetimeCounts, others: Others, sites: CallSites) {
    this.#own = own
    this.#sites = sites
    this.#foreign = others.map(kind => ({ ...kind, units: keyed(kind.units, sites) }))
  }

  get size(): number {
    return this.#own.size + this.#foreign.length
  }

  forEach(each: (units: ReadonlyMap<UnitKey, number>, lifetimes: number) => void): void {
    this.#own.forEach(each)
    for (const { units, lifetimes } of this.#shared()) each(units, lifetimes)
  }

  /** Numbers of recordings and of their lifetimes that are added to the recording's own. */
  get added(): { recordings: number; lifetimes: number } {
    const shared = this.#shared()
    return {
      recordings: new Set(shared.map(({ recording }) => recording)).size,
      lifetimes: shared.reduce((sum, { lifetimes }) => sum + lifetimes, 0),
    }
  }

  #shared() {
    return this.#foreign.filter(({ units }) => [...units.keys()].some(key => !this.#sites.isForeign(signatureOf(key))))
  }
}

function keyed(named: NamedKind['units'], sites: CallSites): Map<UnitKey, number> {
  const units = new Map<UnitKey, number>()
  for (const { site, isPut, units: n } of named) {
    const signature = typeof site === 'number' ? site : sites.foreignKey(site)
    const key = signature * 2 + (isPut ? 1 : 0)
    units.set(key, (units.get(key) ?? 0) + n)
  }
  return units
}

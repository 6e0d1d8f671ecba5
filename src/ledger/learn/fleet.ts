// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What recordings of one kernel learn from each other. A law needs lifetimes, and a small recording has few: the same driver's
 * lifetimes in other recordings obey the same laws, with the same call sites by name and offset.
 */
import { type Frame, OP_NAMES } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { isPut, type LifetimeCounts, signatureOf, type UnitKey } from '../track/unit-key.ts'

/** Kinds of lifetimes that are kept of all recordings together. */
const MAX_KINDS = 1 << 16

/** A call site as every recording of the kernel has it: its frames, or the operation where no stacks were recorded. */
type NamedSite = readonly Frame[] | number

/** A kind of lifetime. */
interface NamedKind {
  /** Name of its recording. */
  recording: string
  units: { site: NamedSite; isPut: boolean; units: number }[]
  lifetimes: number
}

/** What one recording adds. */
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

  /** What the other recordings of that kernel have; undefined if there are none. */
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
 * Whether two recordings are of the same kernel and the same modules, as far as they show: the release is often that of several
 * builds, in which one offset stands for two call sites. The functions of one build are all moved by the same distance.
 */
function isSameBuild(a: Contribution, b: Contribution): boolean {
  if (a.kernel !== b.kernel) return false
  const distances = [...a.layout].map(([module, functions]) => distancesOf(functions, b.layout.get(module)))
  return distances.some(({ size }) => size > 0) && distances.every(({ size }) => size <= 1)
}

/** By how far functions that both have are moved. */
function distancesOf(a: ReadonlyMap<string, bigint>, b: ReadonlyMap<string, bigint> | undefined): Set<bigint> {
  const distances = new Set<bigint>()
  for (const [name, start] of a) {
    const other = b?.get(name)
    if (other !== undefined) distances.add(other - start)
  }
  return distances
}

/** The units of a kind by names; undefined if a frame that acted has none, for such a call site means nothing elsewhere. */
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

/** A recording's own kinds, and those of others that have a call site of it, in its terms. */
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

  /** How much others add to what the recording itself has. */
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

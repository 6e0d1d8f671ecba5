// SPDX-License-Identifier: GPL-2.0-or-later
/** Faults: each is a mutation of one transition of the random state machine, and strikes at some of its executions. */
import type { Random } from '../random.ts'
import { type Act, type Driver, type Edge, END, gives, type Kind } from './machine.ts'
import type { Names, Site } from './names.ts'

export const CAUSES = [
  /** A put is forgotten. */
  'drop-put',
  /** A put is done twice in succession. */
  'double-put',
  /** A put is repeated later and from another call site. */
  'late-put',
  /** One more reference is taken than the object records. */
  'unrecorded-take',
  /** The error path puts references that the normal path then puts again. */
  'both-paths',
  /** The object puts its references before it lends its pages to others. */
  'free-early',
  /** A page is looked up and a reference taken without a check that the page is in use. */
  'stale-get',
  /** get_page_unless_zero() fails, and its result is ignored. */
  'ignored-failure',
  /** A page is allocated without setting its count. */
  'no-init',
] as const
export type Cause = (typeof CAUSES)[number]

export interface Fault {
  cause: Cause
  edge: Edge
  /** The act that the fault changes. */
  act: Act
  /** Call site of the wrong operation; undefined: that of the right one. */
  site: Site | undefined
  /** True if all of the object's pages are affected, and not only one. */
  wide: boolean
  /** Probability at each execution; below, the remaining strikes, and the fraction of the recording before the first one. */
  rate: number
  left: number
  from: number
}

export class Faults {
  /** Fraction of the recording that is over. */
  progress = 0
  readonly list: Fault[] = []
  readonly #random: Random

  constructor(driver: Driver, names: Names, count: number, random: Random) {
    this.#random = random
    for (let tries = 0; this.list.length < count && tries < 50; tries++) {
      const fault = this.#mutate(driver, names)
      if (fault) this.list.push(fault)
    }
  }

  /** Returns the fault of the act, of one of these causes, that strikes now, if any. */
  fires(act: Act, ...causes: Cause[]): Fault | undefined {
    for (const fault of this.list) {
      if (fault.act !== act || !causes.includes(fault.cause)) continue
      if (fault.left <= 0 || this.progress < fault.from || !this.#random.chance(fault.rate)) continue
      fault.left--
      return fault
    }
    return undefined
  }

  #mutate(driver: Driver, names: Names): Fault | undefined {
    const r = this.#random
    const cause = r.pick(CAUSES)
    if (cause === 'no-init' && driver.protocol !== 'private') return undefined
    const places = driver.kinds.flatMap(kind =>
      kind.edges.flatMap(edge => edge.acts.filter(act => fits(cause, kind, edge, act)).map(act => ({ edge, act }))),
    )
    if (places.length === 0) return undefined
    const { edge, act } = r.pick(places)
    const own = r.chance(0.35) && cause !== 'drop-put' && cause !== 'no-init'
    const site = own ? names.site(names.function(), [names.function()]) : undefined
    return { cause, edge, act, site, wide: r.chance(0.3), ...this.#often() }
  }

  #often(): Pick<Fault, 'rate' | 'left' | 'from'> {
    const r = this.#random
    switch (r.pick(['once', 'few', 'often', 'often'] as const)) {
      case 'once':
        return { rate: 0.4, left: 1, from: 0.1 + 0.6 * r() }
      case 'few':
        return { rate: 0.2, left: r.int(2, 5), from: 0.1 }
      case 'often':
        return { rate: 0.05 + 0.15 * r(), left: Number.POSITIVE_INFINITY, from: 0 }
    }
  }
}

function fits(cause: Cause, kind: Kind, edge: Edge, act: Act): boolean {
  switch (cause) {
    case 'drop-put':
    case 'double-put':
    case 'late-put':
      return act.act === 'give' && act.part === 'all'
    case 'unrecorded-take':
      return act.act === 'take' && act.how !== 'out'
    case 'both-paths': {
      const others = kind.edges.some(other => other !== edge && other.from === edge.from)
      return edge.to === END && others && act === edge.acts.find(({ act: what }) => what === 'give')
    }
    case 'free-early':
      return act.act === 'spawn' && act.carry === undefined && kind.origin === 'fresh' && kind.edges.some(gives)
    case 'stale-get':
    case 'ignored-failure':
      return act.act === 'take' && act.how === 'try'
    case 'no-init':
      return act.act === 'take' && act.how === 'out'
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Decides when a driver's bugs strike, and records the faults that result: the truth that findings are compared with. */
import type { FindingKind } from '../../src/ledger/findings/registry.ts'
import type { TrueEvent } from './kernel.ts'
import type { Page, Reference } from './pages.ts'
import type { Culprit, Site } from './stacks.ts'

export const FAULT_KINDS = ['leak', 'surplus-put', 'get-on-free-page', 'no-init'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** One bug of the driver. */
export interface Bug {
  /** Name of the subsystem with the bug. */
  owner: string
  mode: string
  /** Fraction of the traffic after which the bug first strikes; below, the fraction between two strikes. */
  at: number
  every: number
  /** Number of strikes that remain. */
  left: number
}

export interface Planted {
  kind: FaultKind
  accepted: FindingKind[]
  owner: string
  mode: string
  page: Page
  /** Number of the page's lifetime that the fault belongs to. */
  life: number
  units: number
  /** On the simulated machine's clock. */
  at: number
  culprits: Culprit[]
  /** The reference concerned: a leaked one, one that was put too often, or that of an allocation without initialisation. */
  reference: Reference | undefined
  /** The wrong operation. A leak and a missing initialisation have none. */
  event: TrueEvent | undefined
}

const SURPLUS: FindingKind[] = ['surplus-put', 'put-on-free-page']

export class Faults {
  readonly planted: Planted[] = []
  readonly bugs: Bug[]
  /** Returns the fraction of the traffic that is over. */
  readonly #progress: () => number

  constructor(bugs: Bug[], progress: () => number) {
    this.bugs = bugs
    this.#progress = progress
  }

  /** True if the subsystem's bug strikes now. Never on a page with an earlier fault, since the two could not be told apart. */
  strikes(owner: string, mode: string, page: Page): boolean {
    if (page.taintedAt !== undefined) return false
    for (const bug of this.bugs) {
      if (bug.owner !== owner || bug.mode !== mode || bug.left === 0 || this.#progress() < bug.at) continue
      bug.left--
      bug.at += bug.every
      return true
    }
    return false
  }

  /** Records a leak: the remaining units of the reference will never be put. */
  leak(reference: Reference, mode: string, at: number): void {
    reference.leaked = true
    this.planted.push({
      kind: 'leak',
      accepted: ['leak'],
      owner: reference.owner,
      mode,
      page: reference.page,
      life: reference.life,
      units: reference.left,
      at,
      culprits: [...reference.site.culprits],
      reference,
      event: undefined,
    })
  }

  /** Records a surplus put. @param sites call sites that may be accused: the last put is surplus, but several may be equal */
  surplus(event: TrueEvent, reference: Reference, mode: string, units: number, sites: readonly Site[]): void {
    this.planted.push({
      kind: 'surplus-put',
      accepted: SURPLUS,
      owner: reference.owner,
      mode,
      page: event.page,
      life: reference.life,
      units,
      at: event.moments.opTime,
      culprits: sites.flatMap(site => site.culprits),
      reference,
      event,
    })
  }

  /** Records a put by code that never took a reference. */
  surplusOn(event: TrueEvent, owner: string, mode: string, site: Site): void {
    this.planted.push({
      kind: 'surplus-put',
      accepted: SURPLUS,
      owner,
      mode,
      page: event.page,
      life: event.page.lives,
      units: 1,
      at: event.moments.opTime,
      culprits: [...site.culprits],
      reference: undefined,
      event,
    })
  }

  /** Records a get on a free page. Unless it is put again (`returned`), it also leaks. */
  staleGet(event: TrueEvent, owner: string, mode: string, site: Site, returned: boolean): void {
    event.page.taint(event.moments.opTime)
    this.planted.push({
      kind: 'get-on-free-page',
      accepted: returned ? ['get-on-free-page'] : ['get-on-free-page', 'leak'],
      owner,
      mode,
      page: event.page,
      life: event.page.lives,
      units: 1,
      at: event.moments.opTime,
      culprits: [...site.culprits],
      reference: undefined,
      event,
    })
  }

  /** Records an allocation without initialisation. It makes no event, so that the next event on the page is the first sign. */
  noInit(root: Reference, at: number): void {
    root.page.taint(at)
    this.planted.push({
      kind: 'no-init',
      accepted: ['get-on-free-page', ...SURPLUS],
      owner: 'root',
      mode: 'no-init',
      page: root.page,
      life: root.life,
      units: 1,
      at,
      culprits: [...root.site.culprits],
      reference: root,
      event: undefined,
    })
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Which faults a driver shall have, when they strike, and what really happened: the truth that findings are held against. */
import type { FindingKind } from '../../src/ledger/findings/registry.ts'
import type { TrueEvent } from './kernel.ts'
import type { Page, Reference } from './pages.ts'
import type { Culprit, Site } from './stacks.ts'

export const FAULT_KINDS = ['leak', 'surplus-put', 'get-on-free-page', 'no-init'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** One bug of the driver. */
export interface Bug {
  /** The subsystem that has it. */
  owner: string
  mode: string
  /** Share of the traffic after which it first strikes, and between two strikes. */
  at: number
  every: number
  /** How often it still strikes. */
  left: number
}

export interface Planted {
  kind: FaultKind
  accepted: FindingKind[]
  owner: string
  mode: string
  page: Page
  /** Number of the page's lifetime that it belongs to. */
  life: number
  units: number
  /** On the simulated machine's clock. */
  at: number
  culprits: Culprit[]
  /** Of a leak. */
  reference: Reference | undefined
  /** Of all others but a missing initialisation. */
  event: TrueEvent | undefined
}

const SURPLUS: FindingKind[] = ['surplus-put', 'put-on-free-page']

export class Faults {
  readonly planted: Planted[] = []
  readonly bugs: Bug[]
  /** Share of the traffic that has happened. */
  readonly #progress: () => number

  constructor(bugs: Bug[], progress: () => number) {
    this.bugs = bugs
    this.#progress = progress
  }

  /** True if the subsystem's bug strikes now. Never on a page that an earlier fault has spoilt: nobody could tell the two. */
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

  /** The rest of the reference will never be given back. */
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

  /** `sites`: where the surplus put may rightly be seen; the one that came last is surplus, but two may be equal. */
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

  /** A put by somebody who never took a reference. */
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

  /** A get on a page that is free; without a put it also leaks. */
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

  /** A hand-out without initialisation makes no event: what is seen is whatever comes first on the page. */
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

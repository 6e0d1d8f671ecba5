// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent, LifetimeEvent, PageState } from '../track/lifetime-event.ts'
import type { Tables } from '../track/tables.ts'

/** The tables that probes are compared with. The code of the probes changes nothing in them but its own state bits of pages. */
export type ProbedTables = Pick<Tables, 'pages' | 'gaps' | 'pagemaps' | 'sites' | 'tasks' | 'order'>

/** Questions that probes have about a page; see `PageQueries`. */
export interface PageView {
  idleCount(row: number): number | undefined
  isCounted(row: number): boolean
  isMapped(row: number): boolean
  stateOf(row: number): PageState
  waiting(row: number): readonly LedgerEvent[]
  lifeEvents(row: number): LifetimeEvent[]
  lastLives(row: number): LifetimeEvent[][]
}

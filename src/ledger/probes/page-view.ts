// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent, LifetimeEvent, PageState } from '../track/lifetime-event.ts'
import type { Tables } from '../track/tables.ts'

/** The data that what probes say is held against. Of it, probes change only their own state bits of a page. */
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

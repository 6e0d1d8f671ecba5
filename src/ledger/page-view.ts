// SPDX-License-Identifier: GPL-2.0-or-later
import type { Gaps } from './gaps.ts'
import type { LedgerEvent, LifeEvent, PageState } from './life.ts'
import type { Pagemaps } from './pagemaps.ts'
import type { PageTable } from './pages.ts'
import type { Sites } from './sites.ts'
import type { TaskClock } from './task-clock.ts'

/** The ledger, as far as probes are judged by it. */
export interface PageView {
  readonly pages: PageTable
  readonly gaps: Gaps
  readonly pagemaps: Pagemaps
  readonly sites: Sites
  readonly tasks: TaskClock
  isCounted(row: number): boolean
  idleCount(row: number): number | undefined
  /** Whether a page table maps the page, by its last event. */
  isMapped(row: number): boolean
  stateOf(row: number): PageState
  /** Events of a page that wait for others which explain them. */
  waiting(row: number): readonly LedgerEvent[]
  lifeEvents(row: number): LifeEvent[]
  /** Lives of a page that ended last, the latest first. */
  lastLives(row: number): LifeEvent[][]
  /** Functions of a stack, innermost first. */
  functions(stack: number): string[]
}

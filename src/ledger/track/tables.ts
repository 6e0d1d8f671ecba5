// SPDX-License-Identifier: GPL-2.0-or-later
import type { CallSites } from '../callsites/call-sites.ts'
import { Anomalies } from './anomalies.ts'
import type { Arena } from './arena.ts'
import { EventPool } from './event-pool.ts'
import { FaultRetries } from './fault-retries.ts'
import type { RestDrop } from './lifetime-event.ts'
import { LifetimeKinds } from './lifetime-kinds.ts'
import { LifetimeLog } from './lifetime-log.ts'
import { Gaps } from './lost-events.ts'
import type { OrderLimits } from './order-limits.ts'
import { PageTable } from './page-table.ts'
import type { PagemapTable } from './pagemap-table.ts'
import { SetAside } from './set-aside.ts'
import { TaskActivity } from './task-activity.ts'

/** Numbers of closed lifetimes, by how they ended. */
export interface LifetimeTotals {
  /** From idle to idle, with every reference returned. */
  complete: number
  /** Begun before the recording, or with events lost: closed, but nothing is learned from them. */
  partial: number
  /** Closed after an anomaly was found on their page. */
  broken: number
}

/** The data that the stages of tracking read and write. It never calls a stage. */
export class Tables {
  readonly pages: PageTable
  readonly nodes: EventPool
  readonly log: LifetimeLog
  readonly aside = new SetAside()
  readonly kinds: LifetimeKinds
  readonly anomalies = new Anomalies()
  readonly gaps = new Gaps()
  readonly tasks: TaskActivity
  readonly retries = new FaultRetries()
  readonly lives: LifetimeTotals = { complete: 0, partial: 0, broken: 0 }
  readonly sites: CallSites
  readonly pagemaps: PagemapTable
  readonly order: OrderLimits
  /** Puts that gave back references taken before the recording, of pages with a rest level. */
  readonly restDrops: RestDrop[] = []
  /** True once the mapcount field was seen to be the raw `_mapcount`, which is -1 for unmapped pages (newer kernels). */
  rawMapcount = false

  /** Where the columns of these tables are. */
  readonly arena: Arena

  constructor(sites: CallSites, pagemaps: PagemapTable, order: OrderLimits, arena: Arena) {
    this.arena = arena
    this.pages = new PageTable(arena)
    this.nodes = new EventPool(arena)
    this.log = new LifetimeLog(arena)
    this.kinds = new LifetimeKinds(arena)
    this.tasks = new TaskActivity(arena)
    this.sites = sites
    this.pagemaps = pagemaps
    this.order = order
  }
}

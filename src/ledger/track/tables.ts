// SPDX-License-Identifier: GPL-2.0-or-later
import type { CallSites } from '../callsites/call-sites.ts'
import { Anomalies } from './anomalies.ts'
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
  readonly pages = new PageTable()
  readonly nodes = new EventPool()
  readonly log = new LifetimeLog()
  readonly aside = new SetAside()
  readonly kinds = new LifetimeKinds()
  readonly anomalies = new Anomalies()
  readonly gaps = new Gaps()
  readonly tasks = new TaskActivity()
  readonly retries = new FaultRetries()
  readonly lives: LifetimeTotals = { complete: 0, partial: 0, broken: 0 }
  readonly sites: CallSites
  readonly pagemaps: PagemapTable
  readonly order: OrderLimits
  /** Puts that gave back references taken before the recording, of pages with a rest level. */
  readonly restDrops: RestDrop[] = []
  /** True once the mapcount field was seen to be the raw `_mapcount`, which is -1 for unmapped pages (newer kernels). */
  rawMapcount = false

  constructor(sites: CallSites, pagemaps: PagemapTable, order: OrderLimits) {
    this.sites = sites
    this.pagemaps = pagemaps
    this.order = order
  }
}

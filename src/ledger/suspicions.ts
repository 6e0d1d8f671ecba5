// SPDX-License-Identifier: GPL-2.0-or-later
import type { ProbeKind } from './findings/registry.ts'
import type { LedgerEvent, LifeEvent } from './life.ts'
import type { Stamp } from './stamps.ts'

/** Something that probes show and no order allows, if the probes are where they belong. */
export interface Suspicion {
  kind: ProbeKind | 'get-on-free-page'
  row: number
  /** What gave it away. */
  event: LedgerEvent
  /** Since when all events must be known. */
  since: number
  /** When the page was given back before. */
  freed: Stamp
  /** When it was handed out since then, to another task. */
  handedOut: Stamp | undefined
  /** Count and events of the open life at that moment, and those of the life before; the count of an idle page. */
  count: number
  idle: number | undefined
  life: LifeEvent[]
  lastLife: LifeEvent[]
  /** Whether it would be nothing if a hand-out had come without a probe. */
  restsOnAllocs: boolean
  /** Whether the order is beyond doubt; otherwise the counts read speak for it. */
  isOrdered: boolean
  /** A later probe explained it. */
  isWithdrawn: boolean
}

/** What was seen of the probes of one pagemap. */
export interface ProbeCounts {
  /** Hand-outs that were announced, and that seem to have come without. */
  allocs: number
  unannounced: number
  frees: number
  uses: number
}

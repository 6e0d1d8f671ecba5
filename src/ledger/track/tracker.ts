// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Follows the count of every page through a recording: applies each event, opens and closes lifetimes, and notes what no protocol
 * allows. This file has the hot loop and the public interface; the stages are in files of their own.
 */
import type { StampInfo } from '../../trace/common/clock.ts'
import { type EventBatch, isProbe, type LostEvents, Op, type SourceInfo, type StackTable } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { ProbeTracker } from '../probes/probe-tracker.ts'
import { Arena } from './arena.ts'
import { Contradictions } from './contradiction.ts'
import { CpuOrder } from './cpu-order.ts'
import { ErrorReports } from './error-reports.ts'
import { EventApplier } from './event-applier.ts'
import { EventPipeline } from './event-pipeline.ts'
import { FastPath } from './fast-path.ts'
import { FirstSight } from './first-sight.ts'
import { HotLoop } from './hot-loop.ts'
import { eventOf, type LedgerEvent, type LifetimeEvent, type PageState } from './lifetime-event.ts'
import { type Compact, Lifetimes, type MakeRoom } from './lifetimes.ts'
import { hitsZero } from './op-semantics.ts'
import { OrderLimits } from './order-limits.ts'
import { PageInit } from './page-init.ts'
import { PageQueries } from './page-queries.ts'
import { PageRules } from './page-rules.ts'
import { PageSnapshot, type SnapshotRequest } from './page-snapshot.ts'
import { hasAllEvents, isOrdinary, PageBit } from './page-state.ts'
import { type PagemapOptions, PagemapTable } from './pagemap-table.ts'
import { ReorderBuffer } from './reorder-buffer.ts'
import { RestLevels } from './rest-levels.ts'
import { Tables } from './tables.ts'
import { UnmapSweep } from './unmap-sweep.ts'

export interface TrackerOptions extends PagemapOptions {
  /** Account for ordinary pages too, not only for those of pagemaps. */
  allPages?: boolean | undefined
  /** Take in every event in JavaScript: the answers are the same. */
  isPlain?: boolean | undefined
  /** Remember the states of some pages at a time. */
  snapshot?: SnapshotRequest | undefined
}

/** What a tracker has to know of a recording beside its events. */
export type RecordingInfo = StampInfo & Partial<Pick<SourceInfo, 'kernel'>>

/** What a tracker gets from its caller. */
export interface TrackerParts {
  sites: CallSites
  /** Called to shorten a lifetime that has become long. */
  compact?: Compact | undefined
  /** Called when the log of lifetimes is full. */
  makeRoom?: MakeRoom | undefined
  /** Properties of the recording's clock, which the reader may update while the recording is read, and the kernel's release. */
  info?: RecordingInfo | undefined
  /** A tracker that has seen the recording's beginning: the rules that it recognised hold from the start. */
  hints?: Tracker | undefined
}

export class Tracker {
  /** Number of page_ref events accounted for, and of those skipped because their pages are not accounted for. */
  events = 0
  skipped = 0
  firstTime = Infinity
  lastTime = -Infinity
  readonly reports: ErrorReports
  readonly probes: ProbeTracker
  /** The snapshot that was asked for; undefined until its time has come. */
  snapshot: PageSnapshot | undefined
  readonly #tables: Tables
  readonly #buffer: ReorderBuffer
  readonly #pageInit: PageInit
  readonly #fastPath: FastPath
  readonly #lifetimes: Lifetimes
  readonly #pipeline: EventPipeline
  readonly #queries: PageQueries
  readonly #cpus: CpuOrder
  /** Takes in ordinary events; undefined where the tracker does that itself. */
  readonly #hotLoop: HotLoop | undefined
  readonly #allPages: boolean
  readonly #request: SnapshotRequest | undefined
  #snapshotAt = Infinity

  constructor(stacks: StackTable, options: TrackerOptions, { sites, compact, makeRoom, hints, info }: TrackerParts) {
    const arena = new Arena(!options.isPlain)
    const pagemaps = new PagemapTable(options, hints?.pagemaps, info?.kernel, arena)
    sites.moveTo(arena)
    const tables = new Tables(sites, pagemaps, new OrderLimits(info), arena)
    if (hints) tables.rawMapcount = hints.#tables.rawMapcount
    this.#tables = tables
    this.#allPages = options.allPages ?? false
    this.#request = options.snapshot
    this.#snapshotAt = options.snapshot?.at ?? Infinity
    this.#cpus = new CpuOrder(tables.tasks, tables.order, arena)
    this.reports = new ErrorReports(stacks, tables.tasks)
    const rules = new PageRules(tables.pages, pagemaps, this.#allPages)
    const lifetimes = new Lifetimes(tables, rules, compact, makeRoom)
    const buffer = new ReorderBuffer(tables, rules, lifetimes)
    this.#queries = new PageQueries(tables, rules, lifetimes, buffer)
    this.probes = new ProbeTracker(tables, this.#queries)
    const applier = new EventApplier(tables, lifetimes)
    const rests = new RestLevels(tables, lifetimes)
    const firstSight = new FirstSight(tables, rules, lifetimes, info?.isWatch ? rests : undefined)
    const owners = this.probes.pages
    const contradictions = new Contradictions(tables, { rules, lifetimes, applier, firstSight, owners, rests })
    const sweep = new UnmapSweep(tables, lifetimes, contradictions)
    this.#lifetimes = lifetimes
    this.#buffer = buffer
    this.#pageInit = new PageInit(tables, lifetimes)
    this.#fastPath = new FastPath(tables, sweep)
    this.#pipeline = new EventPipeline(tables, {
      firstSight,
      sweep,
      buffer,
      applier,
      contradictions,
      lifetimes,
      rests,
    })
    this.#hotLoop = HotLoop.of(tables, {
      cpus: this.#cpus,
      lifetimes,
      sweep,
      allPages: this.#allPages,
      counters: this,
      areProbesSeen: () => this.probes.areSeen,
      snapshotAt: () => this.#snapshotAt,
      slow: (batch, i) => {
        this.#take(batch, i)
      },
    })
  }

  /** Takes in a batch of events, in its order. */
  add(batch: EventBatch): void {
    this.#tables.order.update()
    for (const gap of batch.lost) this.#addGap(gap)
    const { order, time, length } = batch
    if (length > 0) this.firstTime = Math.min(this.firstTime, time[order[0]!]!)
    if (this.#hotLoop?.isUsable) this.#hotLoop.run(batch)
    else for (let k = 0; k < length; k++) this.#take(batch, order[k]!)
    if (length > 0) this.lastTime = Math.max(this.lastTime, time[order[length - 1]!]!)
    this.#pipeline.giveUpBefore(this.lastTime - this.#tables.order.window)
  }

  /** Takes in an event of a batch. */
  #take(batch: EventBatch, i: number): void {
    const { pages, gaps } = this.#tables
    const time = batch.time[i]!
    const stack = batch.stack[i]!
    const kind = batch.op[i]!
    const since = this.#cpus.since(batch.cpu[i]!, batch.pid[i]!, time)
    if (time > this.#snapshotAt) this.#takeSnapshot()
    if (time >= gaps.nextEdge) gaps.pass(time)
    if (isProbe(kind)) {
      this.#takeProbe(batch, i, since)
      return
    }
    let row = pages.find(batch.pfn[i]!)
    if (kind === Op.MOD_UNLESS && batch.ret[i] === 0) {
      this.#takeRefused(row, stack, since, time)
      return
    }
    if (kind === Op.SET && batch.mapcount[i]! < 0) this.#tables.rawMapcount = true
    if (kind === Op.SET && this.#pageInit.isInitialisation(row, batch, i)) {
      this.#initialise(row, batch, i, since)
      return
    }
    if (row < 0) row = this.#addPage(batch, i)
    if (this.#isSkipped(row, stack)) {
      this.skipped++
      if (kind !== Op.SET) pages.bits[row]! |= PageBit.skipped
      return
    }
    this.events++
    this.#takeChange(row, batch, i, since)
  }

  /** Takes in a set that initialises a page. It may be the one that assigns the page to a pagemap. */
  #initialise(known: number, batch: EventBatch, i: number, since: number): void {
    this.events++
    let row = known
    if (this.probes.areSeen) {
      if (row < 0) row = this.#addPage(batch, i)
      const event = eventOf(batch, i, this.sites.keyOf(batch.stack[i]!, Op.SET), since, this.events)
      this.probes.seen(row, event)
      this.probes.initialised(row, event.time)
    }
    this.#pageInit.initialise(row, batch, i)
  }

  /** Takes in an event that may change the count of its page. */
  #takeChange(row: number, batch: EventBatch, i: number, since: number): void {
    const { pages, gaps, sites } = this.#tables
    const kind = batch.op[i]!
    const signature = sites.keyOf(batch.stack[i]!, kind)
    const val = batch.val[i]!
    const isFollowed = pages.epoch[row] === gaps.epoch && gaps.open === 0
    // Only events that the fast path cannot apply become objects; all others stay in columns.
    if (!isFollowed || kind >= Op.FREEZE || !isOrdinary(pages.bits[row]!))
      this.#takeSlowly(row, eventOf(batch, i, signature, since, this.events))
    else if (kind === Op.SET && this.#fastPath.takeSet(row, val))
      this.#lifetimes.applyRow(row, val - pages.count[row]!, batch, i, signature, since, this.events)
    else if (kind !== Op.SET && this.#fastPath.isPlain(row, kind, val, batch.ret[i]!, batch.stack[i]!, batch.pid[i]!))
      this.#lifetimes.applyRow(row, val, batch, i, signature, since, this.events)
    else this.#takeSlowly(row, eventOf(batch, i, signature, since, this.events))
  }

  /** Takes in a get that was refused: it changed nothing, but it found the count at zero. */
  #takeRefused(row: number, stack: number, since: number, time: number): void {
    if (row >= 0 && this.#isSkipped(row, stack)) {
      this.skipped++
      return
    }
    this.events++
    if (row >= 0 && this.pages.count[row]! > 0) this.#pipeline.refused(row, since, time)
  }

  /** Settles what is still open at the end of the recording. */
  finish(): void {
    this.#pipeline.giveUpBefore(Infinity)
    this.#pipeline.finishRefused(this.lastTime, true)
    this.gaps.pass(Infinity)
    for (const pfn of this.probes.lifetimes.pfns()) if (this.pages.find(pfn) < 0) this.pagemaps.addProbed(pfn)
    if (this.#request && !this.snapshot) this.#takeSnapshot()
    this.pagemaps.list.forEach((_, index) => {
      this.pagemaps.decide(index)
    })
  }

  /** Takes in an event that needs a closer look. */
  #takeSlowly(row: number, event: LedgerEvent): void {
    if (this.probes.areSeen) this.probes.seen(row, event)
    if (event.mapcount < 0) this.#tables.rawMapcount = true
    this.#pipeline.take(row, event)
    this.#pipeline.confirm(row, event)
  }

  /** Takes in a probe. */
  #takeProbe(batch: EventBatch, i: number, since: number): void {
    const event = () => eventOf(batch, i, this.sites.keyOf(batch.stack[i]!, batch.op[i]!), since, this.events)
    if (batch.op[i] === Op.PAGE_FREE) this.#learnFree(batch.pfn[i]!, batch.pid[i]!)
    this.probes.take(batch, i, event)
    if (batch.op[i] === Op.REPORT) this.reports.add(batch, i)
  }

  /** Learns that the core resets counts, from a page that its task has put to zero and now gives back to its driver. */
  #learnFree(pfn: number, pid: number): void {
    const row = this.pages.find(pfn)
    if (row < 0) return
    const put = this.#buffer.waiting(row).at(-1)
    if (put && put.pid === pid && put.val < 0 && hitsZero(put)) this.pagemaps.learnReset(this.pages.pagemap[row]!)
  }

  /**
   * Takes in a gap. Some readers report one only at its end, so anomalies found inside it are withdrawn: lost events may explain
   * them.
   */
  #addGap(gap: LostEvents): void {
    const { pages, gaps, anomalies } = this.#tables
    gaps.add(gap)
    if (gap.from >= this.lastTime) return
    for (const row of anomalies.withdrawSince(gap.from)) {
      pages.clear(row, PageBit.anomalous)
      if (pages.has(row, PageBit.open)) pages.set(row, PageBit.lossy)
    }
  }

  /** Adds a page that is seen for the first time, and returns its row. */
  #addPage(batch: EventBatch, i: number): number {
    const { pages, pagemaps, sites, gaps } = this.#tables
    const index = pagemaps.covering(batch.pfn[i]!)
    const pagemap = pagemaps.list[index]!
    pagemap.pages++
    if (!pagemap.device && sites.traits(batch.stack[i]!) & StackTrait.DEVICE) pagemaps.markDevice(index)
    const row = pages.add(batch.pfn[i]!, index, gaps.epoch)
    if (this.probes.areSeen) pages.bits[row] = this.probes.unmaps.bitsOf(batch.pfn[i]!)
    return row
  }

  /**
   * True if the page is not accounted for. A stack with code that runs for device pages only marks the pagemap as device memory.
   */
  #isSkipped(row: number, stack: number): boolean {
    const { pages, pagemaps, sites } = this.#tables
    const index = pages.pagemap[row]!
    if (pagemaps.list[index]!.device) return false
    if ((sites.traits(stack) & StackTrait.DEVICE) === 0) return pagemaps.anyDevice && !this.#allPages
    pagemaps.markDevice(index)
    return false
  }

  /** Takes the snapshot: keeps the states of the pages that were asked for. */
  #takeSnapshot(): void {
    this.#snapshotAt = Infinity
    this.snapshot = new PageSnapshot(this.#request!.pages, this.pages, row => {
      this.#pipeline.giveUp(row)
      return this.stateOf(row)
    })
  }

  // --- what was tracked; nothing here changes it ----------------------------------------------------------------------

  /** Pages that were seen, as columns. */
  get pages(): Tables['pages'] {
    return this.#tables.pages
  }

  /** Events of open lifetimes, and of those that closed last. */
  get nodes(): Tables['nodes'] {
    return this.#tables.nodes
  }

  /** Complete lifetimes by kind. */
  get kinds(): Tables['kinds'] {
    return this.#tables.kinds
  }

  /** Closed lifetimes, as far as they are kept. */
  get log(): Tables['log'] {
    return this.#tables.log
  }

  /** References of long lifetimes that came back and are no longer among their events. */
  get aside(): Tables['aside'] {
    return this.#tables.aside
  }

  /** Bounds on how much the order of stamps may differ from that of operations. */
  get order(): Tables['order'] {
    return this.#tables.order
  }

  /** Number of closed lifetimes, by how they ended. */
  get lives(): Tables['lives'] {
    return this.#tables.lives
  }

  /** Call sites, as keys. */
  get sites(): Tables['sites'] {
    return this.#tables.sites
  }

  /** Pagemaps, each with the rule that its pages follow. */
  get pagemaps(): Tables['pagemaps'] {
    return this.#tables.pagemaps
  }

  /** Events that the rules do not allow, in the order in which they were met. */
  get anomalies(): Tables['anomalies'] {
    return this.#tables.anomalies
  }

  /** Gaps in the recording. */
  get gaps(): Tables['gaps'] {
    return this.#tables.gaps
  }

  /** Last actions of each task, and the number of its events. */
  get tasks(): Tables['tasks'] {
    return this.#tables.tasks
  }

  /** Puts that gave back references taken before the recording. */
  get restDrops(): Tables['restDrops'] {
    return this.#tables.restDrops
  }

  /** Faults that are tried again and again. */
  get retries(): Tables['retries'] {
    return this.#tables.retries
  }

  /** Returns the state of a page now. */
  stateOf(row: number): PageState {
    return this.#queries.stateOf(row)
  }

  /** Returns the count of a page while idle; undefined where the rule is not known. */
  idleCount(row: number): number | undefined {
    return this.#queries.idleCount(row)
  }

  /** True if the page belongs to the account: it is device memory, or all pages are asked for. */
  isCounted(row: number): boolean {
    return this.#queries.isCounted(row)
  }

  /** True if all events of the page's open lifetime are known, as far as the recording can tell. */
  mayClaim(row: number): boolean {
    return hasAllEvents(this.pages.bits[row]!) && this.pages.epoch[row] === this.gaps.epoch
  }

  /** True if a page table maps the page, by the map count of its last event; see `PageQueries.isMapped`. */
  isMapped(row: number): boolean {
    return this.#queries.isMapped(row)
  }

  /** True if no page table maps the page, by the map count of its last event; see `PageQueries.isUnmapped`. */
  isUnmapped(row: number): boolean {
    return this.#queries.isUnmapped(row)
  }

  /** Returns the page's events in the reorder buffer: they wait for others that explain them. */
  waiting(row: number): readonly LedgerEvent[] {
    return this.#queries.waiting(row)
  }

  /**
   * Returns the events of the open lifetime, oldest first. Where the core resets counts to 1, the reference of the reset comes
   * first.
   */
  lifeEvents(row: number): LifetimeEvent[] {
    return this.#queries.lifeEvents(row)
  }

  /** Returns the events of the page's last closed lifetimes, the latest lifetime first. */
  lastLives(row: number): LifetimeEvent[][] {
    return this.#queries.lastLives(row)
  }

  /** Returns the names of the functions on a stack, innermost first. */
  functions(stack: number): string[] {
    return this.sites.functions(stack)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Follows the count of every page through a recording: what each event did to it, where a life begins and ends, and what
 * no protocol allows. Closed lives are counted by shape; open ones keep their events.
 */

import type { ProtocolId } from '../linux/protocols/rules.ts'
import type { EventBatch, LostEvents, StackTable } from '../trace/events.ts'
import { isProbe, Op } from '../trace/events.ts'
import { CpuClock } from './cpu-clock.ts'
import { countAfter, countBefore, countRead, hitsZero, isExact, isReset } from './effects.ts'
import { ErrorReports } from './error-reports.ts'
import { FaultRetries } from './fault-retries.ts'
import { baseName, StackTrait, typeByInitialiser } from './frames.ts'
import { Gaps } from './gaps.ts'
import { type Incident, type IncidentKind, Incidents } from './incidents.ts'
import type { LedgerEvent, LifeEvent, PageState } from './life.ts'
import { NodePool } from './nodes.ts'
import {
  after,
  CLOCK_SLACK,
  IMPOSSIBLE,
  type Limits,
  MAX_PENDING,
  MAX_RECENT,
  ORDER_WINDOW,
  settle,
  settleInterrupted,
} from './order.ts'
import { LAWLESS, NEVER_CLOSES, Pagemaps, UNMAPPED_LIMITS } from './pagemaps.ts'
import { PageBit, PageTable } from './pages.ts'
import { Probes } from './probes.ts'
import { unitKey } from './learn/call-site-laws.ts'
import { LawBook } from './learn/law-book.ts'
import { keyWeight, LifetimeCounts, NO_KIND } from './track/lifetime-counts.ts'
import { LifetimeLog, LifetimeState } from './track/lifetime-log.ts'
import { shorten } from './shorten.ts'
import { Sites } from './sites.ts'
import { TaskClock } from './task-clock.ts'

export interface LedgerOptions {
  /** Account for ordinary pages too, not only for those of pagemaps. */
  allPages?: boolean | undefined
  /** Judge every page by this protocol instead of the one recognised. */
  protocol?: ProtocolId | undefined
  /** Remember the state of this page at a time (as `EventBatch.time`; Infinity: at the end). */
  watch?: { pfn: number; at: number } | undefined
}

export interface LifeCounts {
  /** From idle to idle, with every reference returned. */
  complete: number
  /** Begun before the recording, or with events lost: closed, but nothing is learned from them. */
  partial: number
  /** Closed after something was found on their page. */
  broken: number
}

/** Events of one life after which references that surely belong together are set aside. */
const LONG_LIFE = 64

/** Neighbours are mostly stamped within this, in ns; after it the past is put into question, too. */
const SOON = 100_000

/** Events in a row that must read the expected count before a doubtful one is trusted. */
const CONFIRMATIONS = 4

/** Hand-outs after which one more says nothing new about the rule. */
const OFTEN = 64

/** Neighbouring pages put in a row that make a sweep. */
const SWEEP = 8

/**
 * Lives that are looked at again when something is wrong, and their events: a put too many can end one before its time, and
 * each reference that is taken then looks like a life of its own.
 */
const EARLIER_LIVES = 32
const EARLIER_EVENTS = 96

/** Lives after which an event on a free page that another order explained is forgotten. */
const SUSPECT_LIVES = 2

/** Page flags proper; above them stand zone, node and section. */
const PAGE_FLAGS = (1 << 24) - 1

/** State bits in which a get or put needs a closer look; KNOWN is wanted, the others are not. */
const ORDINARY =
  PageBit.KNOWN |
  PageBit.PENDING |
  PageBit.ACCUSED |
  PageBit.FROZEN |
  PageBit.UNMAPPED |
  PageBit.DOUBT |
  PageBit.SETTLING |
  PageBit.FREED |
  PageBit.KILLED |
  PageBit.GONE

/** State bits of a life of which nothing is claimed. */
const UNSURE = PageBit.LOSSY | PageBit.HEADLESS | PageBit.DOUBT

/** State bits of a page at which no set waits for the put before it. */
const NO_WAIT = PageBit.ACCUSED | PageBit.FROZEN | PageBit.UNMAPPED | PageBit.DOUBT

/** Events of such a page that are held back at most: less depends on their order. */
const MAX_UNSURE = 256

/** In place of a last signature: the page was set up and nothing has happened since. */
const INITIALISED = -2

export class Ledger {
  readonly pages = new PageTable()
  readonly nodes = new NodePool()
  readonly counts = new LifetimeCounts()
  readonly log = new LifetimeLog(this.nodes)
  readonly book: LawBook
  readonly sites: Sites
  readonly pagemaps: Pagemaps
  readonly incidents = new Incidents()
  readonly gaps = new Gaps()
  readonly tasks = new TaskClock()
  readonly lives: LifeCounts = { complete: 0, partial: 0, broken: 0 }
  /** page_ref events taken into account, and those of pages that are none of ours. */
  events = 0
  skipped = 0
  firstTime = Infinity
  lastTime = -Infinity
  readonly probes = new Probes(this)
  readonly reports: ErrorReports
  readonly retries = new FaultRetries()
  /** State of the watched page; undefined if it was never seen until then. */
  watched: PageState | undefined
  readonly #watch: LedgerOptions['watch']
  #watchAt = Infinity
  readonly #stacks: StackTable
  readonly #allPages: boolean
  readonly #pending = new Map<number, LedgerEvent[]>()
  readonly #suspects = new Map<number, { incident: Incident; lives: number }>()
  #weightLow = new Int32Array(0)
  #weightHigh = new Int32Array(0)
  /** Puts of neighbouring pages by one task: memunmap_pages() puts all pages of a pagemap. */
  #sweep = { pfn: -2, pid: -1, rows: [] as number[], begun: false }
  readonly #cpus = new CpuClock(this.tasks)
  /** Whether the mapcount field is the raw one, -1 for unmapped (newer kernels). */
  #rawMapcount = false

  constructor(stacks: StackTable, options: LedgerOptions = {}, hints?: Ledger) {
    this.#stacks = stacks
    this.sites = hints?.sites ?? new Sites(stacks)
    this.reports = new ErrorReports(stacks, this.tasks)
    this.pagemaps = new Pagemaps(options.protocol, hints?.pagemaps)
    this.book = hints?.book ?? new LawBook()
    this.#allPages = options.allPages ?? false
    this.#watch = options.watch
    this.#watchAt = options.watch?.at ?? Infinity
    if (hints) this.#rawMapcount = hints.#rawMapcount
  }

  /** Takes in a batch of events, in its order. */
  add(batch: EventBatch): void {
    for (const gap of batch.lost) this.#addGap(gap)
    const { order, time, pid, pfn, op, val, ret, stack, mapcount, count, cpu } = batch
    const { pages, gaps, sites } = this
    const skips = !this.#allPages
    const cpus = this.#cpus
    if (batch.length > 0) this.firstTime = Math.min(this.firstTime, time[order[0]!]!)
    for (let k = 0; k < batch.length; k++) {
      const i = order[k]!
      const since = cpus.since(cpu[i]!, pid[i]!, time[i]!)
      if (time[i]! > this.#watchAt) this.#takeWatched()
      if (time[i]! >= gaps.nextEdge) gaps.pass(time[i]!)
      const kind = op[i]!
      if (isProbe(kind)) {
        this.#takeProbe(batch, i, since)
        continue
      }
      let row = pages.find(pfn[i]!)
      if (kind === Op.MOD_UNLESS && ret[i] === 0) {
        // An attempt that failed changed nothing.
        if (skips && row >= 0 && this.#isSkipped(row, stack[i]!)) this.skipped++
        else this.events++
        continue
      }
      if (row < 0) row = this.#newPage(batch, i)
      // A set may be the initialisation that makes its page one of a pagemap.
      if (skips && kind !== Op.SET && this.#isSkipped(row, stack[i]!)) {
        this.skipped++
        continue
      }
      this.events++
      const bits = pages.bits[row]!
      const signature = sites.signature(stack[i]!, kind)
      // Whatever is out of the ordinary goes through an event object; the rest stays in columns.
      if (
        (bits & ORDINARY) !== PageBit.KNOWN ||
        kind >= Op.FREEZE ||
        pages.epoch[row] !== gaps.epoch ||
        gaps.open > 0 ||
        !(kind === Op.SET
          ? this.#plainSet(row, val[i]!, stack[i]!)
          : this.#plain(row, kind, val[i]!, ret[i]!, stack[i]!, pid[i]!))
      ) {
        this.#slow(row, eventOf(batch, i, signature, since))
        continue
      }
      this.#apply(
        row,
        val[i]!,
        time[i]!,
        since,
        signature,
        stack[i]!,
        pid[i]!,
        cpu[i]!,
        kind,
        val[i]!,
        ret[i]!,
        mapcount[i]!,
        count[i]!,
      )
    }
    if (batch.length > 0) this.lastTime = Math.max(this.lastTime, time[order[batch.length - 1]!]!)
    this.#flushOverdue(this.lastTime - ORDER_WINDOW)
  }

  #takeProbe(batch: EventBatch, i: number, since: number): void {
    const event = () => eventOf(batch, i, this.sites.signature(batch.stack[i]!, batch.op[i]!), since)
    if (batch.op[i] === Op.PAGE_FREE) this.#learnFree(batch.pfn[i]!, batch.pid[i]!)
    this.probes.take(batch, i, event)
    if (batch.op[i] === Op.REPORT) this.reports.add(batch, i)
  }

  /** A page that its task has put to zero is given back to its driver: then the core will set its count to 1 again. */
  #learnFree(pfn: number, pid: number): void {
    const row = this.pages.find(pfn)
    if (row < 0) return
    const put = this.#pending.get(row)?.at(-1)
    if (put && put.pid === pid && put.val < 0 && hitsZero(put)) this.#learnReset(row)
  }

  /** Some readers learn of a gap only at its end: what was found meanwhile may have another reason. */
  #addGap(gap: LostEvents): void {
    this.gaps.add(gap)
    if (gap.from >= this.lastTime) return
    for (const row of this.incidents.withdrawSince(gap.from)) {
      this.pages.bits[row]! &= ~PageBit.ACCUSED
      if (this.pages.bits[row]! & PageBit.OPEN) this.pages.bits[row]! |= PageBit.LOSSY
    }
  }

  /** Settles what is still open at the end of the recording. */
  finish(): void {
    this.#flushOverdue(Infinity)
    this.gaps.pass(Infinity)
    if (this.#watch && this.#watchAt === this.#watch.at) this.#takeWatched()
    this.#learnLaws()
    this.pagemaps.list.forEach((_, index) => {
      this.pagemaps.decide(index)
    })
  }

  #takeWatched(): void {
    this.#watchAt = Infinity
    const row = this.pages.find(this.#watch!.pfn)
    if (row < 0) return
    const pending = this.#pending.get(row)
    if (pending) this.#giveUp(row, pending)
    this.watched = this.stateOf(row)
  }

  /** State of a page now. */
  stateOf(row: number): PageState {
    const { pages, gaps } = this
    const bits = pages.bits[row]!
    const idle = this.idleCount(row)
    const headless = (bits & PageBit.HEADLESS) !== 0
    return {
      row,
      count: pages.count[row]!,
      idle,
      events: this.lifeEvents(row),
      heldBefore: headless ? Math.max(0, pages.before[row]! - this.#keptBack(row)) : 0,
      lossy: (bits & PageBit.LOSSY) !== 0 || ((bits & PageBit.OPEN) !== 0 && pages.epoch[row] !== gaps.epoch),
    }
  }

  /** References of an idle page that are none of its users': the core's own, where it does not hand it on. */
  #keptBack(row: number): number {
    return this.#closesAt(row) === NEVER_CLOSES ? 0 : (this.idleCount(row) ?? 0)
  }

  /** Count of that page while idle; undefined where the rule is not known. */
  idleCount(row: number): number | undefined {
    if (this.pages.bits[row]! & PageBit.UNMAPPED) return 0
    return this.pagemaps.list[this.pages.pagemap[row]!]!.rule?.idle
  }

  /** Whether the page belongs to the account (it is device memory, or all pages are asked for). */
  isCounted(row: number): boolean {
    return this.#allPages || !this.pagemaps.anyDevice || this.pagemaps.list[this.pages.pagemap[row]!]!.device
  }

  /** True if everything that happened to the page is known, as far as the recording can tell. */
  mayClaim(row: number): boolean {
    const bits = this.pages.bits[row]!
    return !(bits & (PageBit.LOSSY | PageBit.DOUBT)) && this.pages.epoch[row] === this.gaps.epoch
  }

  /** Events that wait for others which explain them. */
  waiting(row: number): readonly LedgerEvent[] {
    return this.#pending.get(row) ?? []
  }

  /** Whether a page table maps that page, by its last event, where the map count says so plainly. */
  isMapped(row: number): boolean {
    const { lastMapcount, lastSignature } = this.pages
    return this.#rawMapcount && lastSignature[row] !== INITIALISED && lastMapcount[row]! >= 0
  }

  #isSkipped(row: number, stack: number): boolean {
    if (this.isCounted(row)) return false
    if (!(this.sites.traits(stack) & StackTrait.DEVICE)) return true
    this.pagemaps.markDevice(this.pages.pagemap[row]!)
    return false
  }

  /** Whether a set hands out an idle page as the rule has it, and as it was seen often before. */
  #plainSet(row: number, val: number, stack: number): boolean {
    const { votes, rule } = this.pagemaps.list[this.pages.pagemap[row]!]!
    if (val <= 0 || rule?.handOut !== 'set' || this.pages.count[row] !== 0 || votes.setAtZero < OFTEN) return false
    if (this.sites.traits(stack) & StackTrait.INIT) return false
    votes.setAtZero++
    return true
  }

  /** Whether a get or put is one that the rule and its own result allow at the present count. */
  #plain(row: number, op: number, val: number, ret: number, stack: number, pid: number): boolean {
    const count = this.pages.count[row]!
    const { limits, rule } = this.pagemaps.list[this.pages.pagemap[row]!]!
    if (!rule || (val === -1 && rule.idle === 1 && this.#mayBeTeardown(row, stack, pid))) return false
    switch (op) {
      case Op.MOD_AND_TEST:
        if ((ret !== 0) !== (count + val === 0)) return false
        break
      case Op.MOD_AND_RETURN:
        if (count + val !== ret) return false
        break
      case Op.MOD_UNLESS:
        if (count <= 0) return false
    }
    // A get from zero and a put to zero say something about the rule, so they are looked at.
    if (val > 0) return count >= limits.getFrom && count > 0
    return count + val >= limits.putTo && (count + val > 0 || limits.putTo === 0) && val < 0
  }

  #newPage(batch: EventBatch, i: number): number {
    const index = this.pagemaps.covering(batch.pfn[i]!)
    const pagemap = this.pagemaps.list[index]!
    pagemap.pages++
    if (!pagemap.device && this.sites.traits(batch.stack[i]!) & StackTrait.DEVICE) this.pagemaps.markDevice(index)
    const row = this.pages.add(batch.pfn[i]!, index, this.gaps.epoch)
    if (this.probes.areSeen) this.pages.bits[row] = this.probes.teardowns.bitsOf(batch.pfn[i]!)
    return row
  }

  // --- the slow paths ---------------------------------------------------------------------------------------------

  #slow(row: number, event: LedgerEvent): void {
    if (this.probes.areSeen) this.probes.seen(row, event)
    this.#take(row, event)
    if (this.pages.bits[row]! & PageBit.DOUBT) this.#confirm(row, event)
  }

  /** Trusts a doubtful count once an event told it exactly, or several in a row read the same. */
  #confirm(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (this.gaps.open > 0 || pages.bits[row]! & PageBit.PENDING) return
    const off = event.count - pages.count[row]!
    if (off === 0) {
      pages.confirmed[row]!++
      if (isExact(event) || pages.confirmed[row]! >= CONFIRMATIONS) pages.bits[row]! &= ~PageBit.DOUBT
      return
    }
    pages.confirmed[row] = 0
    if (!(pages.bits[row]! & PageBit.OPEN)) {
      this.#openLife(row)
      pages.bits[row]! |= PageBit.LOSSY
    }
    pages.before[row]! += off
    pages.count[row]! += off
    if (pages.count[row] === this.#closesAt(row)) this.#closeLife(row)
  }

  #take(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (event.mapcount < 0) this.#rawMapcount = true
    if (event.op === Op.SET) {
      if (this.#isInitialisation(row, event)) {
        this.#initialise(row, event)
        return
      }
      if (this.#isSkipped(row, event.stack)) {
        this.events--
        this.skipped++
        return
      }
    }
    if (!(pages.bits[row]! & PageBit.KNOWN)) this.#firstSight(row, event)
    else if (pages.epoch[row] !== this.gaps.epoch || this.gaps.open > 0) this.#resume(row, event)
    pages.epoch[row] = this.gaps.epoch
    if (pages.bits[row]! & PageBit.SETTLING) this.#settleIn(row, event)
    if (event.op === Op.FREEZE && event.ret === 0) return
    if (this.#isTeardown(row, event)) {
      const waiting = this.#pending.get(row)
      if (waiting) this.#giveUp(row, waiting)
      this.#teardownPut(row, event)
      return
    }
    this.#place(row, event)
  }

  /** Applies an event that is possible after those before it, or lets it wait. */
  #place(row: number, event: LedgerEvent): void {
    const pending = this.#pending.get(row)
    if (pending && this.#isSetAgain(row, pending[0]!)) this.#awaitPut(row, pending, event)
    else if (pending) this.#defer(row, pending, event)
    else if (this.#isSetAgain(row, event)) this.#wait(row, [event])
    else if (this.#isPossible(row, event)) this.#accept(row, event)
    else if (this.pages.bits[row]! & PageBit.ACCUSED) this.#contradict(row, event)
    else this.#defer(row, [], event)
  }

  #limits(row: number): Limits {
    const bits = this.pages.bits[row]!
    if (bits & PageBit.UNMAPPED) return UNMAPPED_LIMITS
    return this.pagemaps.list[this.pages.pagemap[row]!]!.limits
  }

  #isPossible(row: number, event: LedgerEvent): boolean {
    if (this.pages.bits[row]! & PageBit.FROZEN && event.op !== Op.SET && event.op !== Op.UNFREEZE) return false
    return after(this.pages.count[row]!, event.op, event.val, event.ret, this.#limits(row)) !== IMPOSSIBLE
  }

  /** Applies an event that is possible at the present count. */
  #accept(row: number, event: LedgerEvent): void {
    switch (event.op) {
      case Op.SET:
        this.#set(row, event)
        return
      case Op.FREEZE:
        this.#freeze(row, event)
        return
      case Op.UNFREEZE:
        this.#unfreeze(row, event)
        return
      default:
        this.#vote(row, event)
        this.#applyEvent(row, event.val, event)
    }
  }

  #vote(row: number, event: LedgerEvent): void {
    const index = this.pages.pagemap[row]!
    const { votes, rule } = this.pagemaps.list[index]!
    const count = this.pages.count[row]!
    let telling = false
    if (event.op === Op.MOD_AND_RETURN && event.ret === 1) telling = votes.returnedOne++ === 0
    if (event.val > 0 && count === 0) {
      telling = isFew(votes.getAtZero++)
      if (this.sites.traits(event.stack) & StackTrait.DAX_FAULT) telling = votes.daxFault++ === 0 || telling
    }
    if (telling || (!rule && event.val < 0)) this.pagemaps.decide(index)
  }

  #set(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (pages.bits[row]! & PageBit.FROZEN) this.#freedWhileFrozen(row, event)
    const count = pages.count[row]!
    const index = pages.pagemap[row]!
    const { votes, initialCount, rule } = this.pagemaps.list[index]!
    const isReset = initialCount === 1 || this.#isOwnReset(row, event)
    if (count === 0 && event.val === 1 && isReset && this.pagemaps.mayReset(index)) {
      if (votes.coreReset++ === 0) this.pagemaps.decide(index)
      this.#coreReset(row)
      return
    }
    if (count === 0 && event.val > 0 && isFew(votes.setAtZero++)) {
      this.#guessType(index, event.stack)
      this.pagemaps.decide(index)
    }
    if (rule && pages.bits[row]! & PageBit.ACCUSED) pages.bits[row]! |= PageBit.HANDED_OUT
    if (event.val !== count) this.#applyEvent(row, event.val - count, event)
  }

  /** The core counts the page as its driver's again: the put before gave back the reference of the last reset. */
  #coreReset(row: number): void {
    const { pages } = this
    pages.count[row] = 1
    const head = pages.head[row]!
    if (!(pages.bits[row]! & PageBit.OPEN) || head < 0) return
    pages.head[row] = this.#baseNode(head)
    pages.events[row]!++
    this.#hash(row, Op.SET, 1)
    this.#closeLife(row)
  }

  /** The reference that a page was set back with, as if taken when its life's first event came. */
  #baseNode(first: number): number {
    const { nodes } = this
    const base = nodes.take()
    nodes.put(base, {
      ...nodes.event(first),
      op: Op.SET,
      val: 1,
      ret: 0,
      signature: Op.SET,
      stack: 0,
      delta: 1,
      mapped: false,
    })
    nodes.next[base] = first
    return base
  }

  /** Whether the function that put the last reference sets the count again. */
  #isOwnReset(row: number, event: LedgerEvent): boolean {
    return (
      event.stack !== 0 &&
      this.pages.lastPid[row] === event.pid &&
      this.sites.site(this.pages.lastSignature[row]!) === this.sites.site(event.signature)
    )
  }

  #freeze(row: number, event: LedgerEvent): void {
    const { pages } = this
    this.pagemaps.list[pages.pagemap[row]!]!.votes.frozen++
    pages.bits[row]! |= PageBit.FROZEN
    pages.frozen[row] = event.val
    pages.count[row] = 0
    pages.lastSignature[row] = event.signature
  }

  #unfreeze(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (!(pages.bits[row]! & PageBit.FROZEN)) {
      this.#applyEvent(row, event.val, event)
      return
    }
    pages.bits[row]! &= ~PageBit.FROZEN
    pages.count[row] = pages.frozen[row]!
    if (event.val !== pages.frozen[row]) this.#applyEvent(row, event.val - pages.frozen[row]!, event)
  }

  /** A frozen page that is handed out anew was freed by whoever froze it. */
  #freedWhileFrozen(row: number, event: LedgerEvent): void {
    const { pages } = this
    pages.bits[row]! &= ~PageBit.FROZEN
    pages.count[row] = pages.frozen[row]!
    const signature = pages.lastSignature[row]!
    this.#applyEvent(row, -pages.frozen[row]!, {
      ...event,
      op: Op.FREEZE,
      signature,
      stack: this.sites.exampleStack(signature),
    })
  }

  #applyEvent(row: number, delta: number, event: LedgerEvent): void {
    if (this.pages.bits[row]! & PageBit.ACCUSED) this.#noteAfter(row, event)
    const { time, since, signature, stack, pid, cpu, op, val, ret, mapcount, count } = event
    this.#apply(row, delta, time, since, signature, stack, pid, cpu, op, val, ret, mapcount, count)
  }

  /** Changes the count, adds the event to the page's life, and closes the life where the page is idle again. */
  #apply(
    row: number,
    delta: number,
    time: number,
    since: number,
    signature: number,
    stack: number,
    pid: number,
    cpu: number,
    op: number,
    val: number,
    ret: number,
    mapcount: number,
    read: number,
  ): void {
    const { pages, nodes } = this
    if (mapcount < 0) this.#rawMapcount = true
    if (!(pages.bits[row]! & PageBit.OPEN)) this.#openLife(row)
    const node = nodes.take()
    nodes.time[node] = time
    nodes.since[node] = since
    nodes.signature[node] = signature
    nodes.stack[node] = stack
    nodes.delta[node] = delta
    nodes.pid[node] = pid
    nodes.cpu[node] = cpu
    nodes.op[node] = op
    nodes.val[node] = val
    nodes.ret[node] = ret
    nodes.mapcount[node] = mapcount
    nodes.count[node] = read
    nodes.taskSeq[node] = this.tasks.tick(pid, time, stack, row)
    nodes.signatureSeq[node] = this.tasks.tickSignature(signature)
    nodes.ordinal[node] = this.events
    nodes.next[node] = -1
    const last = pages.tail[row]!
    if (last < 0) {
      pages.head[row] = node
      nodes.mapped[node] = 0
    } else {
      nodes.next[last] = node
      // A mapping raises the map count after its get and lowers it before its put.
      nodes.mapped[node] = delta < 0 && mapcount < nodes.mapcount[last]! ? 1 : 0
      if (nodes.delta[last]! > 0 && mapcount > nodes.mapcount[last]!) nodes.mapped[last] = 1
    }
    pages.tail[row] = node
    pages.events[row]!++
    pages.lastSignature[row] = signature
    pages.lastPid[row] = pid
    pages.lastMapcount[row] = mapcount
    if (delta > 0 && this.sites.traits(stack) & StackTrait.FAULT)
      this.retries.add(row, pid, cpu, signature, stack, time)
    const key = signature * 2 + (delta < 0 ? 1 : 0)
    if (key >= this.#weightLow.length) this.#growWeights(key)
    pages.hashLow[row]! += Math.imul(this.#weightLow[key]!, delta)
    pages.hashHigh[row]! += Math.imul(this.#weightHigh[key]!, delta)
    const count = pages.count[row]! + delta
    pages.count[row] = count
    if (count === this.#closesAt(row)) this.#closeLife(row)
    else if (pages.events[row]! % LONG_LIFE === 0 && isTime(pages.events[row]!)) {
      if (this.book.isStale(this.lives.complete)) this.#learnLaws()
      shorten(row, pages, nodes, this.book, node => this.#hash(row, nodes.signature[node]!, -nodes.delta[node]!))
    }
  }

  /** Adds units to the hash of a page's open lifetime. */
  #hash(row: number, signature: number, units: number): void {
    const key = unitKey(signature, units)
    if (key >= this.#weightLow.length) this.#growWeights(key)
    this.pages.hashLow[row]! += Math.imul(this.#weightLow[key]!, units)
    this.pages.hashHigh[row]! += Math.imul(this.#weightHigh[key]!, units)
  }

  #growWeights(key: number): void {
    const size = Math.max(key + 1, 2 * this.#weightLow.length, 256)
    this.#weightLow = Int32Array.from({ length: size }, (_, each) => keyWeight(each, 0x2545f491))
    this.#weightHigh = Int32Array.from({ length: size }, (_, each) => keyWeight(each, 0x1b873593))
  }

  /** Count at which the page's life ends. */
  #closesAt(row: number): number {
    if (this.pages.bits[row]! & PageBit.UNMAPPED) return 0
    return this.pagemaps.list[this.pages.pagemap[row]!]!.closesAt
  }

  /** Count of a page that nobody uses. */
  #idleAt(row: number): number {
    return this.idleCount(row) ?? 0
  }

  #openLife(row: number): void {
    const { pages } = this
    pages.bits[row]! |= PageBit.OPEN
    pages.before[row] = pages.count[row]!
    pages.head[row] = pages.tail[row] = -1
    pages.events[row] = 0
    pages.hashLow[row] = pages.hashHigh[row] = 0
  }

  #closeLife(row: number): void {
    const { pages, lives } = this
    this.retries.end(row)
    if (this.#suspects.size > 0) this.#acquit(row)
    const bits = pages.bits[row]!
    const head = pages.head[row]!
    const tail = pages.tail[row]!
    let state: LifetimeState = LifetimeState.PARTIAL
    let kind = NO_KIND
    if (bits & PageBit.ACCUSED) {
      this.#closeBroken(row)
      state = LifetimeState.BROKEN
    } else if (bits & (PageBit.LOSSY | PageBit.HEADLESS | PageBit.DOUBT)) lives.partial++
    else {
      lives.complete++
      this.pagemaps.list[pages.pagemap[row]!]!.lives++
      state = LifetimeState.COMPLETE
      kind = this.#count(row)
    }
    if (head >= 0) {
      if (this.log.isFull) this.#compact()
      pages.lastLife[row] = this.log.add(row, kind, state, head, tail, pages.events[row]!, pages.lastLife[row]!)
    }
    pages.head[row] = pages.tail[row] = -1
    pages.bits[row] = bits & ~(PageBit.OPEN | PageBit.LOSSY | PageBit.HEADLESS)
  }

  /** Counts a complete lifetime by its kind. */
  #count(row: number): number {
    const { pages, nodes } = this
    const low = pages.hashLow[row]!
    const high = pages.hashHigh[row]!
    this.#noteIdleMapcount(row)
    const known = this.counts.count(low, high)
    if (known >= 0) return known
    const units = new Map<number, number>()
    for (let node = pages.head[row]!; node >= 0; node = nodes.next[node]!) {
      const key = unitKey(nodes.signature[node]!, nodes.delta[node]!)
      units.set(key, (units.get(key) ?? 0) + nodes.delta[node]!)
    }
    return this.counts.add(low, high, units)
  }

  #noteIdleMapcount(row: number): void {
    const { pages } = this
    const pagemap = this.pagemaps.list[pages.pagemap[row]!]!
    if (this.lives.complete % 16 === 0 && pagemap.idleMapcounts.size < 8) {
      const mapcount = pages.lastMapcount[row]!
      pagemap.idleMapcounts.set(mapcount, (pagemap.idleMapcounts.get(mapcount) ?? 0) + 1)
    }
  }

  #learnLaws(): void {
    const samples = this.sampleLifetimes()
    if (this.log.isCompacted) this.book.extend(this.counts, this.lives.complete, this.sites, samples)
    else this.book.learn(this.counts, this.lives.complete, this.sites, samples)
  }

  /** Some complete lifetimes with their events. */
  sampleLifetimes(most = 400): LifeEvent[][] {
    const { log, nodes } = this
    const samples: LifeEvent[][] = []
    const step = Math.max(1, Math.floor(log.length / most))
    for (let entry = 0; entry < log.length; entry += step)
      if (log.state[entry] === LifetimeState.COMPLETE) samples.push(nodes.chain(log.head[entry]!))
    return samples
  }

  /** Makes room in the log of lifetimes. */
  #compact(): void {
    const { log, pages, counts, book } = this
    if (!log.isCompacted && book.isStale(this.lives.complete)) this.#learnLaws()
    const lawful = new Int8Array(counts.size).fill(-1)
    const isLawful = (entry: number) => {
      const kind = log.kind[entry]!
      if (kind < 0) return false
      if (lawful[kind]! < 0) lawful[kind] = book.balanceOf(counts.unitsOf(kind)).size === 0 ? 1 : 0
      return lawful[kind] === 1
    }
    const moved = log.compact(isLawful)
    for (let row = 0; row < pages.length; row++) {
      const last = pages.lastLife[row]!
      if (last >= 0) pages.lastLife[row] = moved[last]!
    }
  }

  /** Lives that end well after an explanation confirm it. */
  #acquit(row: number): void {
    const suspect = this.#suspects.get(row)
    if (suspect && ++suspect.lives > SUSPECT_LIVES) this.#suspects.delete(row)
  }

  /** A page that was got while free, and is put to idle without having been handed out, is filed as free twice. */
  #closeBroken(row: number): void {
    const { pages, incidents } = this
    this.lives.broken++
    const cause = incidents.of(row)
    if (cause?.kind !== 'get-on-free-page' || pages.bits[row]! & PageBit.HANDED_OUT) return
    incidents.markFreedTwice(cause, pages.pagemap[row]!)
  }

  // --- first and last things --------------------------------------------------------------------------------------

  #isInitialisation(row: number, event: LedgerEvent): boolean {
    if (this.sites.isTelling(event.stack)) return (this.sites.traits(event.stack) & StackTrait.INIT) !== 0
    const { bits, count, pagemap } = this.pages
    if (bits[row]! & PageBit.KNOWN) {
      // The second set follows the first at once, on the only page that stands at 1 with nothing else known of it.
      return event.val === 0 && count[row] === 1 && !(bits[row]! & PageBit.OPEN) && this.#isInitialising(row, event)
    }
    const zeroed = this.#rawMapcount ? event.mapcount === 0 : event.mapcount === 1
    return event.val === 1 && zeroed && event.flags === 0 && pagemap[row] !== undefined
  }

  /** Whether this page's initialisation is what its task did last. */
  #isInitialising(row: number, event: LedgerEvent): boolean {
    return this.pages.lastSignature[row] === INITIALISED && this.pages.lastPid[row] === event.pid
  }

  #initialise(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (this.probes.areSeen) this.probes.initialised(row, event.time)
    const pfn = pages.pfn[row]!
    const again = (pages.bits[row]! & PageBit.KNOWN) !== 0 && this.#isInitialising(row, event)
    if (again && event.val === 0) {
      pages.count[row] = 0
      this.pagemaps.zeroInitialised(pages.pagemap[row]!, pfn)
      this.pagemaps.decide(pages.pagemap[row]!)
    } else {
      this.#dropLife(row)
      const traits = this.sites.traits(event.stack)
      const index = this.pagemaps.initialise(
        pfn,
        event.pid,
        !this.sites.isTelling(event.stack) || (traits & StackTrait.INIT_DEVICE) !== 0,
      )
      this.#guessType(index, event.stack)
      if (index !== pages.pagemap[row]) this.pagemaps.move(pages.pagemap[row]!, index)
      pages.pagemap[row] = index
      pages.count[row] = event.val
      pages.bits[row] = PageBit.KNOWN
      // A recording may begin between a page's two sets.
      if (event.val === 0) this.pagemaps.zeroInitialised(index, pfn)
    }
    pages.epoch[row] = this.gaps.epoch
    pages.lastSignature[row] = INITIALISED
    pages.lastPid[row] = event.pid
    pages.lastMapcount[row] = event.mapcount
  }

  /** Forgets an open life: its page was set up anew. */
  #dropLife(row: number): void {
    const { pages, nodes } = this
    if (!(pages.bits[row]! & PageBit.OPEN)) return
    this.lives.partial++
    this.retries.end(row)
    if (pages.head[row]! >= 0) nodes.giveChain(pages.head[row]!, pages.tail[row]!)
    pages.head[row] = pages.tail[row] = -1
  }

  #guessType(index: number, stack: number): void {
    const pagemap = this.pagemaps.list[index]!
    if (pagemap.type !== undefined || stack === 0) return
    for (const id of this.#stacks.frames(stack)) {
      const { name } = this.#stacks.frame(id)
      const type =
        typeByInitialiser(name) ?? (baseName(name) === 'zone_device_page_init' ? 'PRIVATE or COHERENT' : undefined)
      if (type) {
        pagemap.type = type
        return
      }
    }
  }

  /**
   * Deduces the count of a page that was there before the recording. A count that was read after the operation may
   * include what others did, so the page's first life is not to be relied on.
   */
  #firstSight(row: number, event: LedgerEvent): void {
    const { pages } = this
    pages.bits[row]! |= PageBit.KNOWN
    pages.count[row] = countBefore(event)
    this.#takeUp(row, event)
    if (pages.count[row] === this.#closesAt(row) && isExact(event)) return
    this.#openLife(row)
    pages.bits[row]! |= PageBit.HEADLESS
  }

  /** The count was read off this event. */
  #takeUp(row: number, event: LedgerEvent): void {
    this.pages.takenUp[row] = event.time
    this.pages.bits[row]! |= PageBit.SETTLING
    if (!isExact(event) || this.gaps.open > 0) this.#doubt(row)
  }

  /** An operation that may have come before the count was read makes it doubtful. */
  #settleIn(row: number, event: LedgerEvent): void {
    const { pages } = this
    const age = event.time - pages.takenUp[row]!
    if (age > ORDER_WINDOW) pages.bits[row]! &= ~PageBit.SETTLING
    else if (age > 0 && event.since - CLOCK_SLACK < pages.takenUp[row]!) this.#doubt(row)
  }

  #doubt(row: number): void {
    this.pages.bits[row]! |= PageBit.DOUBT
    this.pages.confirmed[row] = 0
  }

  /** Takes up a page again behind a gap in the recording. */
  #resume(row: number, event: LedgerEvent): void {
    const { pages } = this
    this.#pending.delete(row)
    pages.bits[row]! &= ~(PageBit.PENDING | PageBit.FROZEN)
    const count = countBefore(event)
    this.#suspects.delete(row)
    this.#takeUp(row, event)
    if (pages.bits[row]! & PageBit.OPEN) {
      pages.before[row]! += count - pages.count[row]!
      pages.bits[row]! |= PageBit.LOSSY
      pages.count[row] = count
      if (count === this.#closesAt(row)) this.#closeLife(row)
    } else {
      pages.count[row] = count
      if (count === this.#closesAt(row) && isExact(event) && this.gaps.open === 0) return
      this.#openLife(row)
      pages.bits[row]! |= PageBit.LOSSY
    }
  }

  /** Whether a put of one reference, of a page that is idle at 1, may be that of memunmap_pages(). */
  #mayBeTeardown(row: number, stack: number, pid: number): boolean {
    if (this.sites.isTelling(stack)) return (this.sites.traits(stack) & StackTrait.TEARDOWN) !== 0
    return this.#sweep.pid === pid && this.#sweep.pfn + 1 === this.pages.pfn[row]
  }

  #isTeardown(row: number, event: LedgerEvent): boolean {
    if (event.val !== -1 || event.op === Op.SET || event.op >= Op.FREEZE) return false
    const rule = this.pagemaps.list[this.pages.pagemap[row]!]!.rule
    if (rule?.idle !== 1 || rule.coreResets) return false
    if (this.pages.bits[row]! & PageBit.UNMAPPED) return false
    if (this.sites.isTelling(event.stack)) return this.#mayBeTeardown(row, event.stack, event.pid)
    return this.#isSweep(row, event)
  }

  /** Without stacks, memunmap_pages() is known by putting page after page, nearly all of them to zero. */
  #isSweep(row: number, event: LedgerEvent): boolean {
    const pfn = this.pages.pfn[row]!
    const isZero = hitsZero(event)
    if (!this.#mayBeTeardown(row, event.stack, event.pid)) {
      this.#sweep = { pfn: isZero ? pfn : -2, pid: event.pid, rows: [row], begun: false }
      return false
    }
    const sweep = this.#sweep
    sweep.pfn = pfn
    if (sweep.begun) return true
    if (!isZero) return false
    sweep.rows.push(row)
    if (sweep.rows.length < SWEEP) return false
    sweep.begun = true
    for (const earlier of sweep.rows.splice(0)) if (earlier !== row) this.#wasTeardown(earlier)
    return true
  }

  /** A put that is held back as one of an idle page was part of a sweep. */
  #wasTeardown(row: number): void {
    const pending = this.#pending.get(row)
    if (pending?.length !== 1) return
    this.#pending.delete(row)
    this.#suspects.delete(row)
    this.pages.bits[row]! &= ~PageBit.PENDING
    this.#teardownPut(row, pending[0]!)
  }

  #teardownPut(row: number, event: LedgerEvent): void {
    const { pages } = this
    const { votes } = this.pagemaps.list[pages.pagemap[row]!]!
    if (votes.teardown++ === 0) this.pagemaps.decide(pages.pagemap[row]!)
    if (isExact(event) && countBefore(event) !== pages.count[row] && !(pages.bits[row]! & PageBit.ACCUSED)) {
      if (!(pages.bits[row]! & (PageBit.LOSSY | PageBit.HEADLESS | PageBit.DOUBT)))
        this.incidents.addUnrecorded(row, event.time)
      if (pages.bits[row]! & PageBit.OPEN) pages.bits[row]! |= PageBit.LOSSY
      pages.count[row] = countBefore(event)
    }
    pages.bits[row]! |= PageBit.UNMAPPED
    pages.lastMapcount[row] = event.mapcount
    if (pages.bits[row]! & PageBit.OPEN) {
      // The base reference was never one of the life's own.
      pages.before[row]!--
      pages.count[row]!--
      if (pages.count[row] === 0) this.#closeLife(row)
      return
    }
    if (pages.bits[row]! & PageBit.ACCUSED && pages.count[row]! < 1) this.#consequence(row, event, 'put-on-free-page')
    pages.count[row]!--
  }

  // --- events out of order, and events that no order explains --------------------------------------------------------

  #wait(row: number, pending: LedgerEvent[]): void {
    this.#pending.set(row, pending)
    this.pages.bits[row]! |= PageBit.PENDING
  }

  /** Whether a hand-out finds the count that it sets: the last put before it may be stamped later, by another CPU. */
  #isSetAgain(row: number, { op, val }: LedgerEvent): boolean {
    const { bits, count } = this.pages
    if (op !== Op.SET || val <= 0 || val !== count[row]) return false
    return (bits[row]! & NO_WAIT) === 0 && this.#isSetOut(row)
  }

  /** Whether a set hands out pages of that kind. */
  #isSetOut(row: number): boolean {
    return this.pagemaps.list[this.pages.pagemap[row]!]!.rule?.handOut === 'set'
  }

  /** Such a set waits for that put as long as clocks differ; after that it is what it looks like, and changed nothing. */
  #awaitPut(row: number, pending: LedgerEvent[], event: LedgerEvent): void {
    const first = pending[0]!
    if (event.time > first.time + CLOCK_SLACK || pending.length >= MAX_UNSURE) {
      this.#stopWaiting(row, pending)
      this.#place(row, event)
      return
    }
    pending.push(event)
    if (event.cpu !== first.cpu) this.#settleAlone(row, pending)
  }

  #stopWaiting(row: number, [set, ...later]: LedgerEvent[]): void {
    this.#pending.delete(row)
    this.pages.bits[row]! &= ~PageBit.PENDING
    this.#accept(row, set!)
    for (const event of later) this.#place(row, event)
  }

  #defer(row: number, pending: LedgerEvent[], event: LedgerEvent): void {
    if (pending.length === 0) this.#suspect(row, event)
    pending.push(event)
    this.#wait(row, pending)
    const first = pending[0]!
    if (isReset(first, event)) this.#learnReset(row)
    // What the same task did later cannot explain what it did before.
    const telling = pending.length === 1 || isReset(first, event) || (event.pid !== first.pid && isTime(pending.length))
    if (telling && this.#settleAlone(row, pending)) return
    const late = event.time - first.time
    if (telling && late > SOON && this.#settleWithPast(row, pending, settle)) return
    const most = this.pages.bits[row]! & UNSURE ? MAX_UNSURE : MAX_PENDING
    if (pending.length >= most || late > ORDER_WINDOW) this.#giveUp(row, pending)
  }

  /**
   * An event on a free page may be explained by a later stamp that came before it in truth, and wrongly so: it is
   * remembered for as long as that explanation can fail.
   */
  #suspect(row: number, event: LedgerEvent): void {
    const kind = this.#kindOf(row, event)
    if (kind !== 'get-on-free-page' && kind !== 'put-on-free-page') return
    this.#suspects.set(row, { incident: this.#incident(row, event, kind), lives: 0 })
  }

  /** The core sets the count of these pages to 1 after their last put: seen for the first time. */
  #learnReset(row: number): void {
    const index = this.pages.pagemap[row]!
    const pagemap = this.pagemaps.list[index]!
    if (pagemap.rule?.idle !== 1 || pagemap.rule.coreResets || !this.pagemaps.mayReset(index)) return
    pagemap.votes.coreReset++
    this.pagemaps.decide(index)
  }

  /** Applies the events that wait, if some order of them contradicts nothing. */
  #settleAlone(row: number, pending: LedgerEvent[]): boolean {
    if (this.pages.bits[row]! & PageBit.FROZEN) return false
    const young = this.#isSetOut(row) ? pending.at(-1)!.time - CLOCK_SLACK : Infinity
    return this.#acceptInOrder(row, settle(this.pages.count[row]!, pending, this.#limits(row), young), 0)
  }

  /** The same with the life's last events put into question again. */
  #settleWithPast(row: number, pending: LedgerEvent[], search: typeof settle): boolean {
    if (this.pages.bits[row]! & PageBit.FROZEN) return false
    const recent = this.#recent(row, pending[0]!.time - ORDER_WINDOW, MAX_RECENT)
    if (recent.length === 0 && search === settle) return false
    const events = [...recent.map(step => step.event), ...pending].sort((a, b) => a.time - b.time)
    const before = recent.reduce((sum, step) => sum - step.delta, this.pages.count[row]!)
    return this.#acceptInOrder(row, search(before, events, this.#limits(row)), recent.length)
  }

  #acceptInOrder(row: number, order: LedgerEvent[] | undefined, undone: number): boolean {
    if (!order) return false
    this.#pending.delete(row)
    this.pages.bits[row]! &= ~PageBit.PENDING
    this.#undo(row, undone)
    for (const event of order) this.#accept(row, event)
    return true
  }

  /** The last events of the open life, oldest first, no older than `since`. */
  #recent(row: number, since: number, most: number): { event: LedgerEvent; delta: number }[] {
    const { pages, nodes } = this
    const recent: { event: LedgerEvent; delta: number }[] = []
    if (!(pages.bits[row]! & PageBit.OPEN)) return recent
    for (let node = pages.head[row]!; node >= 0; node = nodes.next[node]!) {
      if (nodes.op[node]! >= Op.FREEZE || nodes.op[node] === Op.SET) recent.length = 0
      else if (nodes.time[node]! >= since) recent.push({ event: nodes.event(node), delta: nodes.delta[node]! })
      if (recent.length > most) recent.shift()
    }
    return recent
  }

  #undo(row: number, events: number): void {
    const { pages, nodes } = this
    for (let left = events; left > 0; left--) {
      const last = pages.tail[row]!
      pages.count[row]! -= nodes.delta[last]!
      this.#hash(row, nodes.signature[last]!, -nodes.delta[last]!)
      let before = -1
      for (let node = pages.head[row]!; node !== last; node = nodes.next[node]!) before = node
      if (before < 0) pages.head[row] = -1
      else nodes.next[before] = -1
      pages.tail[row] = before
      pages.events[row]!--
      nodes.give(last)
    }
  }

  /** No order explains the oldest event that waits: it is what it looks like. The others may still be explained. */
  #giveUp(row: number, pending: LedgerEvent[]): void {
    if (this.#isSetAgain(row, pending[0]!)) {
      this.#stopWaiting(row, pending)
      const left = this.#pending.get(row)
      if (left) this.#giveUp(row, left)
      return
    }
    this.#pending.delete(row)
    this.pages.bits[row]! &= ~PageBit.PENDING
    if (this.#settleWithPast(row, pending, settle) || this.#settleWithPast(row, pending, settleInterrupted)) return
    // What the operations returned still says in which order they were, where one of them broke the rule.
    const order = settle(this.pages.count[row]!, pending, LAWLESS) ?? pending
    for (let done = 0; done < order.length; done++) {
      const event = order[done]!
      if (this.#isPossible(row, event)) {
        this.#accept(row, event)
        continue
      }
      const rest = order.slice(done + 1)
      this.#contradict(row, event, rest)
      if (rest.length > 0 && rest.length < MAX_RECENT && this.#settleAlone(row, rest)) return
    }
  }

  #flushOverdue(before: number): void {
    if (this.#pending.size === 0) return
    for (const [row, pending] of [...this.#pending]) if (pending[0]!.time < before) this.#giveUp(row, pending)
  }

  /** @param later what came after it at this page and waits */
  #contradict(row: number, event: LedgerEvent, later: readonly LedgerEvent[] = []): void {
    const { pages } = this
    const pagemap = pages.pagemap[row]!
    this.#vote(row, event)
    if (pages.bits[row]! & UNSURE && isExact(event) && event.op !== Op.SET) {
      this.#adopt(row, event)
      return
    }
    if (this.pagemaps.list[pagemap]!.rule && !(pages.bits[row]! & UNSURE)) {
      const kind = this.#kindOf(row, event)
      const cause = this.incidents.cause(row, pagemap)
      if (!cause && this.#isUnrecorded(row, event, later)) {
        this.#loseTrack(row, event)
        return
      }
      if (cause) this.#consequence(row, event, kind)
      else this.#accuse(row, event, kind)
    }
    this.#force(row, event)
  }

  /**
   * Whether an event read another count than its own operation leaves, though nobody else was at the page who would be
   * the reason: then a change of the count was not recorded, and nobody did anything wrong.
   */
  #isUnrecorded(row: number, event: LedgerEvent, later: readonly LedgerEvent[]): boolean {
    const suspect = this.#suspects.get(row)?.incident
    if (suspect && suspect.event !== event)
      return this.#readsAnother(row, suspect.event, suspect.count, [event, ...later])
    return this.#readsAnother(row, event, this.pages.count[row]!, later)
  }

  #readsAnother(row: number, event: LedgerEvent, before: number, later: readonly LedgerEvent[]): boolean {
    if (event.op === Op.SET) return false
    const contradicts = isExact(event) && countBefore(event) !== before
    const off = contradicts ? countBefore(event) - before : event.count - countRead(before, event)
    if (off === 0) return false
    const last = this.pages.tail[row]!
    const earlier = this.pages.bits[row]! & PageBit.OPEN && last >= 0 ? [this.nodes.event(last)] : []
    const isNear = (other: LedgerEvent) => other.pid !== event.pid && Math.abs(other.time - event.time) < SOON
    // One that came before by its stamp may have come after the count was read, and the other way round.
    const changes = [
      ...earlier.filter(isNear).map(other => -other.val),
      ...later.filter(isNear).map(other => (other.op === Op.SET ? off : other.val)),
    ]
    const most = changes.reduce((sum, change) => (change * off > 0 ? sum + change : sum), 0)
    return Math.abs(most) < Math.abs(off)
  }

  /** Goes on from what an event says of the count before it: so many references were held before the life's first event. */
  #adopt(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (event.op === Op.FREEZE) {
      this.#force(row, event)
      return
    }
    const off = countBefore(event) - pages.count[row]!
    if (!(pages.bits[row]! & PageBit.OPEN)) this.#openLife(row)
    pages.bits[row]! = (pages.bits[row]! & ~PageBit.FROZEN) | PageBit.LOSSY
    pages.before[row]! += off
    pages.count[row]! += off
    this.#applyEvent(row, event.val, event)
  }

  /** Goes on from the count that an event read, and claims nothing of the page's life. */
  #loseTrack(row: number, event: LedgerEvent): void {
    const { pages } = this
    this.incidents.addUnrecorded(row, event.time)
    if (!(pages.bits[row]! & PageBit.OPEN)) this.#openLife(row)
    const count = countBefore(event)
    pages.before[row]! += count - pages.count[row]!
    pages.count[row] = count
    pages.bits[row]! |= PageBit.LOSSY
    this.#takeUp(row, event)
    this.#doubt(row)
    this.#force(row, event)
  }

  #consequence(row: number, event: LedgerEvent, kind: string): void {
    const cause = this.incidents.cause(row, this.pages.pagemap[row]!)!
    this.incidents.addConsequence(cause, { kind, row, event, count: this.pages.count[row]! })
    this.pages.bits[row]! |= PageBit.ACCUSED
  }

  #accuse(row: number, event: LedgerEvent, kind: IncidentKind): void {
    const suspect = this.#suspects.get(row)?.incident
    this.#suspects.delete(row)
    const other = suspect && suspect.event !== event
    this.incidents.add(other ? suspect : this.#incident(row, event, kind))
    this.pages.bits[row]! |= PageBit.ACCUSED
    if (other) this.#consequence(row, event, kind)
  }

  /** What a page does after something was found on it may explain it, until it is handed out anew. */
  #noteAfter(row: number, event: LedgerEvent): void {
    const incident = this.incidents.of(row)
    if (!incident || incident.event === event || this.pages.bits[row]! & PageBit.HANDED_OUT) return
    if (event.op === Op.SET || event.op >= Op.FREEZE) return
    this.incidents.addAfter(incident, { ...event, delta: event.val, mapped: false, taskSeq: 0, signatureSeq: 0, ordinal: this.events })
  }

  #incident(row: number, event: LedgerEvent, kind: IncidentKind): Incident {
    return {
      kind,
      row,
      event,
      count: this.pages.count[row]!,
      idle: this.#idleAt(row),
      life: this.lifeEvents(row),
      lastLives: this.lastLives(row),
      after: [],
      consequences: [],
      moreConsequences: 0,
      isOwners: this.probes.isOwner(row, event),
      freedTwice: false,
    }
  }

  /** Lives of a page that ended last, the latest first. */
  lastLives(row: number): LifeEvent[][] {
    const lives: LifeEvent[][] = []
    let events = 0
    for (let entry = this.pages.lastLife[row]!; entry >= 0; entry = this.log.before[entry]!) {
      if (lives.length >= EARLIER_LIVES || events >= EARLIER_EVENTS) break
      const life = this.nodes.chain(this.log.head[entry]!)
      lives.push(life)
      events += life.length
    }
    return lives
  }

  #kindOf(row: number, event: LedgerEvent): IncidentKind {
    const count = this.pages.count[row]!
    const limits = this.#limits(row)
    if (event.op === Op.SET || event.op >= Op.FREEZE) return 'count-mismatch'
    if (event.val > 0) return count < limits.getFrom ? 'get-on-free-page' : 'count-mismatch'
    if (count <= this.#idleAt(row)) return 'put-on-free-page'
    return count + event.val < limits.putTo ? 'surplus-put' : 'count-mismatch'
  }

  /** Takes over what an event says of the count, whatever the ledger had. */
  #force(row: number, event: LedgerEvent): void {
    const { pages } = this
    if (event.op === Op.FREEZE) {
      this.#freeze(row, { ...event })
      return
    }
    pages.bits[row]! &= ~PageBit.FROZEN
    const count = pages.count[row]!
    const next = countAfter(count, event)
    if (event.op === Op.SET && pages.bits[row]! & PageBit.ACCUSED) pages.bits[row]! |= PageBit.HANDED_OUT
    if (next !== count) this.#applyEvent(row, next - count, event)
  }

  /** Functions of a stack, innermost first. */
  functions(stack: number): string[] {
    return Array.from(this.#stacks.frames(stack), id => baseName(this.#stacks.frame(id).name))
  }

  /** Events of the open life, oldest first. Where the core counts idle pages, the core's reference comes first. */
  lifeEvents(row: number): LifeEvent[] {
    const { pages, nodes } = this
    const head = pages.head[row]!
    if (!(pages.bits[row]! & PageBit.OPEN) || head < 0) return []
    if (this.#closesAt(row) !== NEVER_CLOSES || pages.bits[row]! & PageBit.HEADLESS) return nodes.chain(head)
    const base = this.#baseNode(head)
    const events = nodes.chain(base)
    nodes.give(base)
    return events
  }
}

/** Whether so many events are worth another search: one costs as many steps, so the times grow apart with their number. */
function isTime(events: number): boolean {
  const octave = 31 - Math.clz32(events)
  return octave < 5 || events % (1 << (octave - 3)) === 0
}

function isFew(n: number): boolean {
  // Votes are counted again at powers of two, so that a rule follows what is seen without being decided at each event.
  return (n & (n + 1)) === 0
}

function eventOf(batch: EventBatch, i: number, signature: number, since: number): LedgerEvent {
  return {
    time: batch.time[i]!,
    since,
    pid: batch.pid[i]!,
    cpu: batch.cpu[i]!,
    op: batch.op[i]!,
    val: batch.val[i]!,
    ret: batch.ret[i]!,
    signature,
    stack: batch.stack[i]!,
    mapcount: batch.mapcount[i]!,
    count: batch.count[i]!,
    flags: batch.flagsLow[i]! & PAGE_FLAGS,
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Turns the candidates that probes raised into findings, if the whole recording supports them. */
import { Op } from '../../trace/events.ts'
import { baseName, StackTrait } from '../callsites/symbol-lists.ts'
import type { Actor, Certainty, Finding } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Candidate as Suspicion } from '../probes/candidates.ts'
import type { Stamp } from '../probes/stamps.ts'
import type { HeldPage, UnmapCall as Teardown } from '../probes/unmap-tracker.ts'
import type { LedgerEvent, LifetimeEvent as LifeEvent } from '../track/lifetime-event.ts'
import { NEVER_CLOSES } from '../track/rule-recognition.ts'
import { ALWAYS } from './leak.ts'
import type { Naming } from './naming.ts'
import { newFinding } from './new-finding.ts'
import type { Holder, OpenFindings } from './open-findings.ts'
import { pairReferences } from './references.ts'

/** Most times that the same candidate may occur in one recording and still be taken for faults. */
const FEW = 2
/** If it occurs more often than once in this many times, it is no fault: a probe is missing or misplaced. */
const MANY = 8

/** Most events of a lifetime that is shown. */
const MAX_SHOWN = 4096

/** Most holders named of one page, and most pages that get a finding of their own. */
const SHOWN_HOLDERS = 8
const SINGLE_PAGES = 4

/** A finding with what merging it with other findings needs. */
export interface ProbeFinding {
  finding: Finding
  row: number
  time: number
  /** The put that freed the page while it was in use. If another put follows, this one was surplus. */
  put?: Actor | undefined
}

export class ProbeFindings {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #open: OpenFindings
  readonly #end: number
  readonly #gaps: { from: number; to: number }[]

  constructor(ledger: LearningTracker, naming: Naming, open: OpenFindings, end: number) {
    this.#ledger = ledger
    this.#naming = naming
    this.#open = open
    this.#end = end
    this.#gaps = merged(ledger.gaps.list)
  }

  /** Accusations by time. */
  accusations(): ProbeFinding[] {
    const { probes } = this.#ledger
    probes.unmaps.finish(this.#end)
    const standing = probes.candidates.filter(suspicion => this.#stands(suspicion))
    const repeated = this.#repeated(standing)
    const suspected = standing
      .filter(suspicion => !repeated.has(suspicion))
      .map(suspicion => ({
        finding: this.#of(suspicion),
        row: suspicion.row,
        // Faults that the new owner meets after the hand-out are consequences of this one.
        time: suspicion.handedOut?.time ?? suspicion.event.time,
        put: this.#freeingPut(suspicion),
      }))
    const gone = probes.unmaps.list.flatMap(teardown => this.#gone(teardown))
    return [...suspected, ...gone].sort((a, b) => a.time - b.time)
  }

  /**
   * Returns findings of calls of memunmap_pages() that wait although no page is known to be in use. Pages in use have findings of
   * their own.
   */
  waiting(held: ReadonlySet<number>): Finding[] {
    return this.#ledger.probes.unmaps.waiting().flatMap(teardown => {
      const { firstPfn, pages } = teardown
      if (pages === 0 || this.#isGap(teardown.entered.time, this.#end)) return []
      const isIn = (pfn: number) => pfn >= firstPfn && pfn < firstPfn + pages
      return [...held].some(isIn) ? [] : [this.#waits(teardown)]
    })
  }

  /** Returns the pagemaps in which pages seem to be handed out without a probe. */
  untrusted(): number[] {
    const { pagemaps, probes } = this.#ledger
    return pagemaps.list.flatMap((_, index) => {
      const { allocs } = probes.countsOf(index)
      return allocs > 0 && !this.#areAllocsTrusted(index) ? [index] : []
    })
  }

  // --- which suspicions stand -----------------------------------------------------------------------------------------

  #stands({ kind, row, event, since, freed, restsOnAllocs, isWithdrawn }: Suspicion): boolean {
    const { pages, pagemaps, probes } = this.#ledger
    if (isWithdrawn || this.#isGap(since - this.#ledger.order.slack, event.time + this.#ledger.order.slack))
      return false
    const index = pages.pagemap[row]!
    const { votes } = pagemaps.list[index]!
    const isSplit = votes.frozen > 0 && (restsOnAllocs || kind === 'free-twice')
    if (isSplit || (restsOnAllocs && (freed.time < probes.firstAlloc || !this.#areAllocsTrusted(index)))) return false
    // A second hand-out may be one that was too late to be seen.
    return kind !== 'get-on-free-page' || probes.countsOf(index).allocs > 0
  }

  #areAllocsTrusted(index: number): boolean {
    const { allocs, unannounced } = this.#ledger.probes.countsOf(index)
    return allocs > 0 && (unannounced < FEW || unannounced * MANY <= allocs)
  }

  /** Returns the candidates that occur so often that a probe must be missing or misplaced. */
  #repeated(standing: readonly Suspicion[]): ReadonlySet<Suspicion> {
    const groups = new Map<string, Suspicion[]>()
    for (const each of standing) {
      const group = this.#groupOf(each)
      const others = groups.get(group)
      if (others) others.push(each)
      else groups.set(group, [each])
    }
    const repeated = [...groups.values()].filter(group => {
      const { kind, row } = group[0]!
      const { frees, uses } = this.#ledger.probes.countsOf(this.#ledger.pages.pagemap[row]!)
      // A function that takes references to many free pages hands them out without a probe.
      if (kind === 'get-on-free-page') {
        const all = this.#ledger.tasks.ticksOfSignature(group[0]!.event.signature)
        return group.length >= FEW && (group.length * MANY > frees || all <= group.length)
      }
      if (kind === 'free-twice') return group.length > FEW && group.length * MANY > frees
      if (kind === 'freed-in-use') return group.length > FEW && group.length * MANY > frees
      return kind === 'touch-after-free' && group.length > FEW && group.length * MANY > uses
    })
    return new Set(repeated.flat())
  }

  #groupOf({ kind, row, event, handedOut }: Suspicion): string {
    const pagemap = this.#ledger.pages.pagemap[row]!
    // A fault of the core would occur with every page, so these are never counted as one repeated candidate.
    if (handedOut) return `${kind} ${pagemap} ${row} ${event.time}`
    const site = kind === 'get-on-free-page' ? this.#ledger.sites.site(event.signature) : ''
    return `${kind} ${pagemap} ${site}`
  }

  #isGap(from: number, to: number): boolean {
    const gaps = this.#gaps
    let [low, high] = [0, gaps.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (gaps[middle]!.to < from) low = middle + 1
      else high = middle
    }
    return low < gaps.length && gaps[low]!.from <= to
  }

  // --- suspicions -----------------------------------------------------------------------------------------------------

  #of(suspicion: Suspicion): Finding {
    const { kind, row, event, life, lastLife } = suspicion
    const events = [...lastLife, ...life]
    return {
      ...this.#plain(kind, row, suspicion),
      life: { began: events[0]?.time, ended: lastLife.at(-1)?.time },
      history: this.#history(events, suspicion.count),
      ...this.#accused(this.#certainty(suspicion), this.#naming.actor(event)),
      references: Math.abs(event.val),
      evidence: this.#evidence(suspicion),
    }
  }

  /** Returns the accusation of a task that a probe recorded in the act. */
  #accused(certainty: Certainty, culprit: Actor | undefined): Partial<Finding> {
    if (!culprit) return { certainty }
    return { certainty, culprit, culpritCertainty: certainty, candidates: [{ actor: culprit, reasons: [] }] }
  }

  #freeingPut({ kind, event, lastLife }: Suspicion): Actor | undefined {
    const put = lastLife.at(-1)
    return kind === 'freed-in-use' && put?.pid === event.pid ? this.#naming.actor(put) : undefined
  }

  /** @param at count of the page and of an idle page at that time: later, memunmap_pages() may have put the base reference */
  #plain(kind: Finding['kind'], row: number, at: { count: number; idle: number | undefined }): Finding {
    return newFinding(this.#ledger, kind, row, { count: at.count, expected: at.idle ?? 0 })
  }

  #history(events: readonly LifeEvent[], countAtEnd: number): Finding['history'] {
    if (events.length > MAX_SHOWN) return []
    return this.#naming.history(events, pairReferences(events, 0, this.#ledger.book).partners, countAtEnd)
  }

  /**
   * Returns how certain the fault is. `certain` requires probes that are known to work, a proven order, and a page that was
   * surely given back.
   */
  #certainty({ kind, row, event, since, life, freed, handedOut, isOrdered }: Suspicion): Certainty {
    const { probes, pages, pagemaps } = this.#ledger
    const index = pages.pagemap[row]!
    const { allocs, unannounced } = probes.countsOf(index)
    if (kind === 'alloc-after-kill') return event.time - since > this.#ledger.order.window ? 'likely' : 'possible'
    const isProven = allocs >= ALWAYS && unannounced <= (kind === 'free-twice' ? 1 : 0)
    // The probe is proven to work by other pages, which were given back while no page table mapped them.
    if (kind === 'freed-in-use') return isOrdered && probes.countsOf(index).frees > ALWAYS ? 'certain' : 'likely'
    if (kind === 'get-on-free-page') return isProven && pagemaps.list[index]!.lives >= ALWAYS ? 'likely' : 'possible'
    const isHeld = this.#isHeld(row, life, freed)
    // The task that used the page had given it back itself. That it did not act for the new owner is only inferred.
    const isInferred = event.op === Op.PAGE_USE && handedOut !== undefined
    return kind !== 'pagemap-gone' && isProven && isOrdered && !isHeld && !isInferred ? 'certain' : 'likely'
  }

  #evidence(suspicion: Suspicion): string[] {
    switch (suspicion.kind) {
      case 'touch-after-free':
        return suspicion.handedOut ? this.#afterHandOut(suspicion, suspicion.handedOut) : this.#whileFree(suspicion)
      case 'get-on-free-page':
        return this.#whileFree(suspicion)
      case 'free-twice':
        return [
          `${this.#who(suspicion.freed)} had given the page back ${this.#span(suspicion.freed, suspicion.event)} before, and nothing has handed it out since`,
        ]
      case 'freed-in-use':
        return this.#inUse(suspicion)
      case 'alloc-after-kill':
        return this.#afterKill(suspicion)
      case 'pagemap-gone':
        return this.#afterReturn(suspicion)
    }
  }

  #inUse({ event, count, freed, isOrdered }: Suspicion): string[] {
    if (this.#ledger.sites.traits(event.stack) & StackTrait.TEARDOWN)
      return [
        `memunmap_pages() put the page's base reference, and that left ${count}: a user's, so that the page is not free`,
      ]
    if (isOrdered)
      return ['the put before found the page mapped by a page table, which must have a reference of its own']
    return [
      `${this.#naming.task(freed.pid)} put the last reference that was counted; the page had been handed to another by then, who took a reference before page_free() was called`,
    ]
  }

  #whileFree({ event, freed, row, life }: Suspicion): string[] {
    const isAnnounced = this.#ledger.probes.countsOf(this.#ledger.pages.pagemap[row]!).allocs > 0
    const since = isAnnounced ? 'no lastput_alloc has come for it since' : 'nothing has handed it out since'
    const held = this.#isHeld(row, life, freed) ? ['references to the page were out when it was given back'] : []
    return [`${this.#who(freed)} had given the page back ${this.#span(freed, event)} before, and ${since}`, ...held]
  }

  /** True if references to the page were out when it was given back. */
  #isHeld(row: number, [first]: readonly LifeEvent[], freed: Stamp): boolean {
    const { pages, pagemaps } = this.#ledger
    // Where the core resets the count, a lifetime ends only with the reset, so an open one proves nothing.
    if (pagemaps.list[pages.pagemap[row]!]!.closesAt === NEVER_CLOSES) return false
    return first !== undefined && first.time < freed.time
  }

  #afterHandOut({ event, freed, isOrdered }: Suspicion, handedOut: Stamp): string[] {
    const order = isOrdered
      ? []
      : ['the new owner found the count at 0, so that this set, which was stamped later, came later']
    return [
      `the same task had given the page back ${this.#span(freed, event)} before, by ${this.#site(freed.stack)}`,
      `${this.#naming.task(handedOut.pid)} had been handed the page ${this.#span(handedOut, event)} before`,
      ...order,
    ]
  }

  #afterKill({ event, since }: Suspicion): string[] {
    const teardown = this.#teardown(since)
    if (!teardown) return []
    const { entered, handedOut } = teardown
    return [
      `${this.#naming.task(entered.pid)} had entered memunmap_pages() ${this.#span(entered, event)} before`,
      ...(handedOut > 1 ? [`${handedOut} pages of the range were handed out since then`] : []),
    ]
  }

  #afterReturn({ event, since }: Suspicion): string[] {
    const teardown = this.#teardown(since)
    if (!teardown?.returned) return []
    const { returned, late } = teardown
    return [
      `memunmap_pages() had returned ${this.#span(returned, event)} before`,
      ...(late > 1 ? [`${late} events of pages of the range came since then`] : []),
    ]
  }

  #teardown(entered: number): Teardown | undefined {
    return this.#ledger.probes.unmaps.list.find(teardown => teardown.entered.time === entered)
  }

  // --- memunmap_pages() -----------------------------------------------------------------------------------------------

  /** Returns findings of pages that were in use when memunmap_pages() had returned: one for each page, or one for all. */
  #gone(teardown: Teardown): ProbeFinding[] {
    const { returned, held, heldPages, heldReferences } = teardown
    if (!returned) return []
    const pages = held.flatMap(page => {
      const since = page.state.events[0]?.time ?? teardown.entered.time
      const until = page.late?.time ?? this.#end
      if (page.state.lossy || this.#isGap(Math.min(since, teardown.entered.time), until)) return []
      const finding = this.#goneFinding(page, returned)
      return finding ? [{ finding, row: page.state.row, time: returned.time }] : []
    })
    if (heldPages <= SINGLE_PAGES || pages.length === 0) return pages
    const [{ finding }] = pages as [ProbeFinding]
    finding.references = heldReferences
    finding.evidence.push(`${heldPages} pages of the range were in use, with ${heldReferences} references`)
    return [pages[0]!]
  }

  #goneFinding({ state, handedOut, late }: HeldPage, returned: LedgerEvent): Finding | undefined {
    const holders = handedOut ? [] : this.#open.holders(state)
    const [first] = holders
    const references = holders.reduce((sum, { units }) => sum + units, 0)
    if (!first && !late && !handedOut) return undefined
    const isMapped = this.#ledger.isMapped(state.row)
    const handed = handedOut && [
      `${this.#who(handedOut)} was handed the page ${this.#span(handedOut, returned)} before memunmap_pages() returned, and it has not been given back${isMapped ? ': a page table maps it' : ''}`,
    ]
    return {
      ...this.#plain('pagemap-gone', state.row, state),
      life: { began: state.events[0]?.time, ended: undefined },
      history: this.#history(state.events, state.count),
      ...this.#accused(
        this.#ledger.pagemaps.list[this.#ledger.pages.pagemap[state.row]!]!.lives >= ALWAYS ? 'certain' : 'likely',
        handedOut
          ? this.#naming.actor({ ...handedOut, op: Op.PAGE_ALLOC, val: 0 })
          : (first?.actor ?? (late && this.#naming.actor(late))),
      ),
      law: first?.law,
      references: Math.max(1, references),
      evidence: [
        ...(handed ?? []),
        ...holders.slice(0, SHOWN_HOLDERS).map(holder => this.#holderWords(holder, returned)),
        late
          ? `the page's next event came ${this.#span(returned, late)} after memunmap_pages() had returned`
          : `${this.#naming.span(this.#end - returned.time)} after memunmap_pages() returned nothing has come back`,
      ],
    }
  }

  #holderWords({ actor, units }: Holder, returned: LedgerEvent): string {
    const what = units === 1 ? 'a reference' : `${units} references`
    if (!actor) return `${what} from before the recording`
    const site = actor.frame ? baseName(actor.frame.name) : 'a site without stack'
    return `${what} taken by ${site} in ${actor.task}-${actor.pid}, ${this.#naming.span(returned.time - actor.time)} before memunmap_pages() returned`
  }

  #waits({ entered, firstPfn, pages }: Teardown): Finding {
    const row = this.#anyRow(firstPfn, pages)
    const idle = row < 0 ? 0 : (this.#ledger.idleCount(row) ?? 0)
    const waited = this.#end - entered.time
    const { anyReturned } = this.#ledger.probes.unmaps
    return {
      ...this.#plain('teardown-waits', Math.max(0, row), { count: idle, idle }),
      pfn: firstPfn,
      certainty: anyReturned && waited > this.#ledger.order.window ? 'certain' : 'likely',
      evidence: [
        `${this.#naming.task(entered.pid)} entered memunmap_pages() ${this.#naming.span(waited)} before the recording ends, and has not returned`,
        ...(waited > this.#ledger.order.window ? [] : ['that is too short to say that it waits for anything']),
        row < 0
          ? 'no page of the range is known to be out: it waits for one that was handed out before the recording, or for a reference on the pagemap itself (its percpu_ref), which no event shows'
          : 'no page of the range is in use by its count: what it waits for is a reference on the pagemap itself (its percpu_ref), which no page_ref event shows',
        ...(anyReturned
          ? []
          : ['no lastput_memunmap_end was recorded at all; that its task did nothing since is how this is known']),
      ],
    }
  }

  #anyRow(firstPfn: number, length: number): number {
    const { pages } = this.#ledger
    for (let row = 0; row < pages.length; row++)
      if (pages.pfn[row]! >= firstPfn && pages.pfn[row]! < firstPfn + length) return row
    return -1
  }

  // --- words ----------------------------------------------------------------------------------------------------------

  #who(stamp: Stamp): string {
    return `${this.#naming.task(stamp.pid)} (${this.#site(stamp.stack)})`
  }

  #span(from: { time: number }, to: { time: number }): string {
    return this.#naming.span(to.time - from.time)
  }

  #site(stack: number): string {
    const [name] = this.#ledger.functions(stack)
    return name === undefined ? 'no stack' : baseName(name)
  }
}

/** Merges gaps into disjoint intervals of time, in order. */
function merged(gaps: readonly { from: number; to: number }[]): { from: number; to: number }[] {
  const sorted = [...gaps].sort((a, b) => a.from - b.from)
  const all: { from: number; to: number }[] = []
  for (const { from, to } of sorted) {
    const last = all.at(-1)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else all.push({ from, to })
  }
  return all
}

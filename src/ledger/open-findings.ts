// SPDX-License-Identifier: GPL-2.0-or-later
/** What is open at the end: who holds it, and whether it will come back. */
import { Op } from '../trace/events.ts'
import { StackTrait } from './callsites/symbol-lists.ts'
import type { Actor, Certainty, Finding, FindingKind } from './findings.ts'
import {
  ALWAYS,
  isLongest,
  judgeLeak,
  type LeakFacts,
  type LeakVerdict,
  leakWords,
  OVERTAKEN,
} from './leak-evidence.ts'
import type { Ledger } from './ledger.ts'
import { CLEAR_MARGIN, marginOf, type SolvedLife, solveLeak, solveLife, type Unreturned } from './lives.ts'
import { MAX_SOLVED } from './matching.ts'
import { duration, type Naming } from './naming.ts'
import type { UnmapCall as Teardown } from './probes/unmap-tracker.ts'
import type { LeakExplanation, Remedies } from './remedies.ts'
import { isCountConsistent } from './track/count-consistency.ts'
import type { LifetimeEvent as LifeEvent, PageState } from './track/lifetime-event.ts'
import { SHAPE_STRIDE } from './track/lifetime-shapes.ts'
import { PageBit } from './track/page-state.ts'
import { NEVER_CLOSES } from './track/rule-recognition.ts'

/** Pages that are merely held whose history is kept; a device may have a million pages in use. */
const MAX_DETAILED = 2000
/** Events of an ordinary page's life that are looked at to name its holder: such pages come by the hundred thousand. */
const MAX_ORDINARY = 32
/** References of one site that may be out at the end as an exception. */
const FEW_OUT = 2

/** A reference that is out, and who took it; without actor: held since before the recording. */
export interface Holder {
  actor: Actor | undefined
  units: number
  margin: number | undefined
  counterpart: Finding['counterpart']
}

/** A reference that is called leaked for what it has in common with no other, before all others are known. */
interface Suspect {
  finding: Finding
  /** What it is if it is no leak. */
  held: FindingKind
  facts: LeakFacts
  signature: number
  ordinal: number
}

export class OpenFindings {
  readonly #ledger: Ledger
  readonly #naming: Naming
  readonly #remedies: Remedies
  readonly #end: number
  readonly #longestOf = new Map<number, number>()
  #detailed = 0
  #longest = 0
  /** Per signature, the ordinals of its references that are still out. */
  readonly #out = new Map<number, number[]>()
  readonly #suspects: Suspect[] = []
  readonly #teardowns: Teardown[]

  /** @param end of the recording, as the time of its events */
  constructor(ledger: Ledger, naming: Naming, remedies: Remedies, end: number) {
    this.#ledger = ledger
    this.#naming = naming
    this.#remedies = remedies
    this.#end = end
    this.#teardowns = ledger.probes.unmaps.waiting()
    this.#measureHolds()
  }

  /** What there is to say of a page at the end; undefined if it is idle, or if events may be missing. */
  of(row: number): Finding | undefined {
    const { pages, gaps, pagemaps } = this.#ledger
    const bits = pages.bits[row]!
    if (!(bits & PageBit.open) || bits & (PageBit.lossy | PageBit.countUncertain) || pages.epoch[row] !== gaps.epoch)
      return undefined
    if (!this.#ledger.isCounted(row)) return undefined
    const idle = this.#ledger.idleCount(row) ?? 0
    const count = pages.count[row]!
    const maybeIdle = count <= idle && !this.#isReset(row)
    if (bits & PageBit.frozen || maybeIdle || count <= 0) return undefined
    const events = this.#ledger.lifeEvents(row)
    const finding = this.#heldFinding(row, count, idle, events)
    if (!pagemaps.list[pages.pagemap[row]!]!.device) return this.#ordinaryFinding(row, finding, events)
    if (events.length > MAX_SOLVED) {
      finding.evidence.push(
        `its life has ${events.length} events without an idle moment: too many to tell whose reference stayed`,
      )
      return finding
    }
    if (!isCountConsistent(pages, row, events)) {
      this.#ledger.anomalies.addUnrecorded(row, events.at(-1)!.time)
      return undefined
    }
    const { leak, solved } = this.#solve(row, events)
    const users = solved.unreturned.filter(({ event }) => !this.#isCores(row, event))
    if (users.length === 0 && this.#isReset(row)) return undefined
    this.#attribute(row, finding, events, { ...solved, unreturned: users }, leak)
    return finding
  }

  /** Whether the core sets the page's count back, so that the count alone does not tell whether the page is in use. */
  #isReset(row: number): boolean {
    const { pages, pagemaps } = this.#ledger
    return pagemaps.list[pages.pagemap[row]!]!.closesAt === NEVER_CLOSES && !(pages.bits[row]! & PageBit.basePut)
  }

  /** The reference that the core's reset gave the page, which nobody took. */
  #isCores(row: number, event: LifeEvent | undefined): boolean {
    return event?.op === Op.SET && this.#isReset(row)
  }

  /** The life's references with their partners: by what other lives are made of where that tells, else by their pairs. */
  #solve(row: number, events: LifeEvent[]): { solved: SolvedLife; leak: LeakExplanation | undefined } {
    const { model } = this.#ledger
    const { heldBefore } = this.#ledger.stateOf(row)
    const leak = heldBefore > 0 ? undefined : this.#remedies.leaked(events)
    const solved = solveLife(events, heldBefore, model)
    if (!leak || solved.unreturned.length !== 1) return { solved, leak: undefined }
    const [only] = solved.unreturned
    if (only!.reference.position === leak.position) return { solved, leak }
    const other = solveLeak(events, leak.position, model)
    return other.unreturned.length === 1 && other.unreturned[0]!.units === only!.units
      ? { solved: other, leak }
      : { solved, leak: undefined }
  }

  /** An ordinary page may be held for ever by right (a page cache, a kernel's own memory): it is never called leaked. */
  #ordinaryFinding(row: number, finding: Finding, events: LifeEvent[]): Finding {
    if (events.length > MAX_ORDINARY) return finding
    const { model } = this.#ledger
    const solved = solveLife(events, this.#ledger.stateOf(row).heldBefore, model)
    const oldest = solved.unreturned.find(each => each.event !== undefined)
    if (oldest) {
      finding.culprit = this.#naming.actor(oldest.event!)
      finding.counterpart = this.#usualPut(oldest.reference.signature)
    }
    return finding
  }

  #heldFinding(row: number, count: number, idle: number, events: LifeEvent[]): Finding {
    const { pages } = this.#ledger
    const isUnmapped = (pages.bits[row]! & PageBit.basePut) !== 0
    const waits = this.#waitsFor(row)
    return {
      kind: isUnmapped || waits ? 'teardown-waits' : 'held-at-end',
      pfn: pages.pfn[row]!,
      pagemap: pages.pagemap[row]!,
      life: { began: events[0]?.time, ended: undefined },
      history: [],
      count,
      expected: idle,
      certainty: 'certain',
      margin: undefined,
      culprit: undefined,
      counterpart: undefined,
      references: count - idle,
      consequences: [],
      moreConsequences: 0,
      evidence: waits ? [waits] : [],
    }
  }

  /** That a memunmap_pages() of the page's range was entered and has not returned, in words. */
  #waitsFor(row: number): string | undefined {
    const { pages } = this.#ledger
    if (!(pages.bits[row]! & PageBit.unmapping)) return undefined
    const pfn = pages.pfn[row]!
    const teardown = this.#teardowns.find(each => pfn >= each.firstPfn && pfn < each.firstPfn + each.pages)
    if (!teardown) return undefined
    const { pid, time } = teardown.entered
    return `${this.#naming.task(pid)} entered memunmap_pages() ${duration(this.#end - time)} before the recording ends, and has not returned`
  }

  /** Names the holder of an open life's references, and accuses it where the evidence is enough. */
  #attribute(
    row: number,
    finding: Finding,
    events: LifeEvent[],
    solved: SolvedLife,
    leak: LeakExplanation | undefined,
  ): void {
    const all = solved.unreturned.flatMap(each => {
      if (each.event === undefined) return []
      const facts = this.#factsOf(row, events, each, solved, leak)
      return [{ each, event: each.event, facts, verdict: judgeLeak(facts) }]
    })
    const guilty = all.find(({ verdict }) => verdict.certainty !== undefined)
    const chosen = guilty ?? all[0]
    if (!chosen) {
      finding.evidence.push('held since before the recording began')
      return
    }
    const { signature } = chosen.each.reference
    finding.culprit = this.#naming.actor(chosen.event)
    if (guilty || this.#detailed++ < MAX_DETAILED) {
      finding.history = this.#naming.history(events, solved, finding.count)
      finding.margin = marginOf(solved, signature, this.#ledger.model)
    }
    finding.counterpart = this.#usualPut(signature)
    finding.evidence.push(...leakWords(chosen.facts))
    for (const { event } of all) {
      if (event === chosen.event) continue
      finding.consequences.push(this.#naming.consequence('held-at-end', finding.pfn, event, finding.count))
    }
    const out = this.#out.get(signature)
    if (out) out.push(chosen.event.signatureSeq)
    else this.#out.set(signature, [chosen.event.signatureSeq])
    if (guilty) this.#accuse(finding, guilty.each, guilty.facts, guilty.verdict)
  }

  #accuse(finding: Finding, { event, reference, units }: Unreturned, facts: LeakFacts, verdict: LeakVerdict): void {
    if (!verdict.proven)
      this.#suspects.push({
        finding,
        held: finding.kind,
        facts,
        signature: reference.signature,
        ordinal: event!.signatureSeq,
      })
    const waits = finding.kind === 'teardown-waits'
    finding.kind = 'leak'
    finding.references = units
    finding.certainty = this.#withMargin(verdict.certainty!, finding.margin)
    if (!waits) return
    const actor = finding.culprit!
    finding.consequences.push({
      kind: 'teardown-waits',
      pfn: finding.pfn,
      time: this.#end,
      count: finding.count,
      actor,
    })
  }

  #withMargin(certainty: Certainty, margin: number | undefined): Certainty {
    return certainty === 'certain' && margin !== undefined && margin < CLEAR_MARGIN ? 'likely' : certainty
  }

  #usualPut(signature: number): Finding['counterpart'] {
    const best = this.#ledger.model.best('get', signature)
    return best && { frame: this.#naming.frame(best.partner), lives: Math.round(best.lives) }
  }

  /** Whether a reference that is out will come back, by all that the recording shows. */
  /** What the recording shows about a reference that is out. */
  #factsOf(
    row: number,
    events: LifeEvent[],
    each: Unreturned,
    solved: SolvedLife,
    leak: LeakExplanation | undefined,
  ): LeakFacts {
    const { tasks, model, pages, pagemaps, sites } = this.#ledger
    const event = each.event!
    const { signature } = each.reference
    const best = model.best('get', signature)
    const traits = sites.traits(event.stack)
    const evicted = this.#evictions(events, event)
    const others = solved.unreturned.filter(other => other !== each && !evicted.includes(other.event!))
    const tables = others.filter(other => other.reference.mapped)
    return {
      held: this.#end - event.time,
      hasStack: event.stack !== 0,
      isPin: (traits & StackTrait.GUP) !== 0,
      isEviction: (traits & StackTrait.EVICT) !== 0,
      returned: Math.round(model.returned(signature)),
      usualPut: best && { site: this.#naming.site(best.partner), lives: Math.round(best.lives) },
      longestOfSite: this.#longestOf.get(signature) ?? 0,
      longest: this.#longest,
      alike: leak && {
        lives: leak.lives,
        missing: leak.missing === undefined ? undefined : this.#naming.site(leak.missing),
      },
      tables: tables.length,
      isAlone: others.length === tables.length && !this.#mayBeMapped(row, each, tables),
      task: this.#naming.task(event.pid),
      later: tasks.ticksOf(event.pid) - event.taskSeq - 1,
      exited: (sites.traits(tasks.lastStackOf(event.pid)) & StackTrait.EXIT) !== 0,
      passed: tasks.ticksOfSignature(signature) - event.signatureSeq - 1,
      evicted: evicted[0] && evicted[0].time - event.time,
      waits: (pages.bits[row]! & PageBit.basePut) !== 0,
      isHeadless: (pages.bits[row]! & PageBit.begunEarlier) !== 0,
      isGivenUp: this.#isGivenUp(row, event, events, solved),
      lives: pagemaps.list[pages.pagemap[row]!]!.lives,
    }
  }

  /** Whether the page was handed out by a reference of its own, not by its first user's, and that one came back. */
  #isGivenUp(row: number, event: LifeEvent, [first]: LifeEvent[], solved: SolvedLife): boolean {
    const { pages, pagemaps } = this.#ledger
    const { rule, votes } = pagemaps.list[pages.pagemap[row]!]!
    if (rule?.handOut !== 'set' && votes.returnedOne === 0) return false
    return event !== first && !solved.unreturned.some(each => each.event === first)
  }

  /** References taken by attempts to evict the page after the event, whether or not they were put again. */
  #evictions(events: LifeEvent[], event: LifeEvent): LifeEvent[] {
    const { sites } = this.#ledger
    return events.filter(
      other => other.delta > 0 && other.time > event.time && sites.traits(other.stack) & StackTrait.EVICT,
    )
  }

  /**
   * Whether a page table may hold the reference: it was taken as one, or the page has more mappings than references that
   * were taken as such.
   */
  #mayBeMapped(row: number, each: Unreturned, tables: readonly Unreturned[]): boolean {
    if (each.reference.mapped) return true
    const { pages, pagemaps } = this.#ledger
    const idle = pagemaps.list[pages.pagemap[row]!]!.idleMapcounts
    if (idle.size === 0) return false
    const unmapped = [...idle].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
    return pages.lastMapcount[row]! - unmapped > tables.length
  }

  #measureHolds(): void {
    const { shapes } = this.#ledger
    for (let shape = 0; shape < shapes.size; shape++) {
      const longest = shapes.longest[shape]!
      this.#longest = Math.max(this.#longest, longest)
      for (let at = shapes.offset[shape]!; at < shapes.offset[shape + 1]!; at += SHAPE_STRIDE) {
        if (shapes.arena[at + 1]! < 0) continue
        const signature = shapes.arena[at]!
        this.#longestOf.set(signature, Math.max(this.#longestOf.get(signature) ?? 0, longest))
      }
    }
  }

  /**
   * A recording that ends in the middle of normal work has many references out that will all come back. So a leak needs
   * a recording in which lives end, and a reference that is the exception of its site: nearly alone, overtaken by
   * others, or out for longer than anything.
   */
  acquit(): void {
    const { lives } = this.#ledger
    for (const { finding, held, signature, ordinal, facts } of this.#suspects) {
      const out = this.#out.get(signature)!
      const outLater = out.filter(other => other > ordinal).length
      // Without stacks all sites look alike, so that neither their number nor their order says anything.
      const stacks = this.#ledger.sites.actingFrame(signature) !== undefined
      const few = stacks ? Math.max(FEW_OUT, facts.returned / 10) : FEW_OUT
      const isException = out.length <= few || (stacks && facts.passed - outLater >= OVERTAKEN) || isLongest(facts)
      if (lives.complete >= ALWAYS && isException) continue
      finding.kind = held
      finding.certainty = 'certain'
    }
  }

  /** Who holds a page's references in that state, oldest first. */
  holders(state: PageState): Holder[] {
    if (state.events.length > MAX_SOLVED) return []
    const { model } = this.#ledger
    const solved = solveLife(state.events, state.heldBefore, model)
    const users = solved.unreturned.filter(({ event }) => !this.#isCores(state.row, event))
    return users.map(({ event, reference, units }) => ({
      actor: event && this.#naming.actor(event),
      units,
      margin: marginOf(solved, reference.signature, model),
      counterpart: this.#usualPut(reference.signature),
    }))
  }
}

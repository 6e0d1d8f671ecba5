// SPDX-License-Identifier: GPL-2.0-or-later
/** What is open at the end: who holds it, and whether it will come back. */
import { Op } from '../trace/events.ts'
import type { Actor, Certainty, Finding } from './findings.ts'
import { StackTrait } from './frames.ts'
import { ALWAYS, CLEAR_MARGIN } from './incident-findings.ts'
import type { Ledger, PageState } from './ledger.ts'
import type { LifeEvent } from './life.ts'
import { marginOf, type SolvedLife, solveLeak, solveLife, type Unreturned } from './lives.ts'
import { MAX_SOLVED } from './matching.ts'
import { duration, type Naming, seconds } from './naming.ts'
import { NEVER_CLOSES } from './pagemaps.ts'
import { PageBit } from './pages.ts'
import type { LeakExplanation, Remedies } from './remedies.ts'
import { SHAPE_STRIDE } from './shapes.ts'

/** Times the longest hold of its kind after which a reference has been held for too long. */
const TOO_LONG = 2
/** Later events of a task, and later references of a site, that count as "went on". */
const WENT_ON = 50
const OVERTAKEN = 30
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
  signature: number
  ordinal: number
  /** References taken at its site later. */
  passed: number
  returned: number
  longestOfAll: boolean
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

  /** @param end of the recording, as the time of its events */
  constructor(ledger: Ledger, naming: Naming, remedies: Remedies, end: number) {
    this.#ledger = ledger
    this.#naming = naming
    this.#remedies = remedies
    this.#end = end
    this.#measureHolds()
  }

  /** What there is to say of a page at the end; undefined if it is idle, or if events may be missing. */
  of(row: number): Finding | undefined {
    const { pages, gaps, pagemaps } = this.#ledger
    const bits = pages.bits[row]!
    if (!(bits & PageBit.OPEN) || bits & (PageBit.LOSSY | PageBit.DOUBT) || pages.epoch[row] !== gaps.epoch)
      return undefined
    if (!this.#ledger.isCounted(row)) return undefined
    const idle = this.#ledger.idleCount(row) ?? 0
    const count = pages.count[row]!
    const maybeIdle = count <= idle && !this.#isReset(row)
    if (bits & PageBit.FROZEN || maybeIdle || count <= 0) return undefined
    const events = this.#ledger.lifeEvents(row)
    const finding = this.#heldFinding(row, count, idle, events)
    if (!pagemaps.list[pages.pagemap[row]!]!.device) return this.#ordinaryFinding(row, finding, events)
    if (events.length > MAX_SOLVED) {
      finding.evidence.push(
        `its life has ${events.length} events without an idle moment: too many to tell whose reference stayed`,
      )
      return finding
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
    return pagemaps.list[pages.pagemap[row]!]!.closesAt === NEVER_CLOSES && !(pages.bits[row]! & PageBit.UNMAPPED)
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
    const waits = (pages.bits[row]! & PageBit.UNMAPPED) !== 0
    return {
      kind: waits ? 'teardown-waits' : 'held-at-end',
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
      evidence: [],
    }
  }

  /** Names the holder of an open life's references, and accuses it where the evidence is enough. */
  #attribute(
    row: number,
    finding: Finding,
    events: LifeEvent[],
    solved: SolvedLife,
    leak: LeakExplanation | undefined,
  ): void {
    const known = solved.unreturned.filter(each => each.event !== undefined)
    const verdicts = known.map(each => ({ each, evidence: this.#leakEvidence(row, events, each, solved, leak) }))
    const guilty = verdicts.find(verdict => verdict.evidence.certainty !== undefined)
    const chosen = guilty ?? verdicts[0]
    if (!chosen) {
      finding.evidence.push('held since before the recording began')
      return
    }
    const { event, reference } = chosen.each
    finding.culprit = this.#naming.actor(event!)
    if (guilty || this.#detailed++ < MAX_DETAILED) {
      finding.history = this.#naming.history(events, solved, finding.count)
      finding.margin = marginOf(solved, reference.signature, this.#ledger.model)
    }
    finding.counterpart = this.#usualPut(reference.signature)
    finding.evidence.push(...chosen.evidence.sentences)
    for (const { each } of verdicts) {
      if (each === chosen.each) continue
      finding.consequences.push(this.#naming.consequence('held-at-end', finding.pfn, each.event!, finding.count))
    }
    const { signature } = reference
    const out = this.#out.get(signature)
    if (out) out.push(event!.signatureSeq)
    else this.#out.set(signature, [event!.signatureSeq])
    if (!guilty) return
    if (!guilty.evidence.proven) {
      this.#suspects.push({
        finding,
        signature,
        ordinal: event!.signatureSeq,
        passed: this.#ledger.tasks.ticksOfSignature(signature) - event!.signatureSeq - 1,
        returned: Math.round(this.#ledger.model.returned(signature)),
        longestOfAll: this.#longest > 0 && this.#end - event!.time > TOO_LONG * this.#longest,
      })
    }
    const waits = finding.kind === 'teardown-waits'
    finding.kind = 'leak'
    finding.references = chosen.each.units
    finding.certainty = this.#withMargin(guilty.evidence.certainty!, finding.margin)
    if (waits) {
      finding.consequences.push({
        kind: 'teardown-waits',
        pfn: finding.pfn,
        time: this.#end,
        count: finding.count,
        actor: finding.culprit,
      })
    }
  }

  #withMargin(certainty: Certainty, margin: number | undefined): Certainty {
    return certainty === 'certain' && margin !== undefined && margin < CLEAR_MARGIN ? 'likely' : certainty
  }

  #usualPut(signature: number): Finding['counterpart'] {
    const best = this.#ledger.model.best('get', signature)
    return best && { frame: this.#naming.frame(best.partner), lives: Math.round(best.lives) }
  }

  /** Whether a reference that is out will come back, by all that the recording shows. */
  #leakEvidence(
    row: number,
    events: LifeEvent[],
    each: Unreturned,
    solved: SolvedLife,
    leak: LeakExplanation | undefined,
  ): { certainty: Certainty | undefined; sentences: string[]; proven?: boolean } {
    const { tasks, model, pages, sites } = this.#ledger
    const event = each.event!
    const { signature } = each.reference
    const sentences: string[] = []
    const held = this.#end - event.time
    const returned = Math.round(model.returned(signature))
    const longest = this.#longestOf.get(signature) ?? 0
    const best = model.best('get', signature)
    if (returned >= ALWAYS && best) {
      sentences.push(
        `${returned} other references taken here all came back, ${Math.round(best.lives)} of them by ${this.#naming.site(best.partner)}`,
      )
    } else if (returned === 0) sentences.push('no reference taken here ever came back')
    if (leak) sentences.push(this.#leakWords(leak))
    const tooLong = returned >= ALWAYS && held > TOO_LONG * longest
    if (tooLong)
      sentences.push(
        `held for ${duration(held)}; no life with a reference taken here lasted longer than ${duration(longest)}`,
      )
    const longestOfAll = held > TOO_LONG * this.#longest && this.#longest > 0
    if (!tooLong && longestOfAll)
      sentences.push(
        `held for ${duration(held)}; no life in the recording lasted longer than ${duration(this.#longest)}`,
      )
    const evicted = this.#evictions(events, event)
    const others = solved.unreturned.filter(other => other !== each && !evicted.includes(other.event!))
    const tables = others.filter(other => other.reference.mapped)
    const alone = others.length === tables.length && !this.#mayBeMapped(row, each, tables)
    if (alone) sentences.push(aloneWords(tables.length))
    const later = tasks.ticksOf(event.pid) - event.taskSeq - 1
    const wentOn = later >= WENT_ON
    if (wentOn) sentences.push(`its task went on: ${later} more events of ${this.#naming.task(event.pid)}`)
    const passed = tasks.ticksOfSignature(signature) - event.signatureSeq - 1
    const overtaken = passed >= OVERTAKEN
    if (overtaken && returned >= ALWAYS)
      sentences.push(`${passed} references taken here later are no longer out, but for those listed`)
    if (evicted.length > 0)
      sentences.push(`an eviction of its pagemap came by at ${seconds(evicted[0]!.time)} and could not free it`)
    const waits = (pages.bits[row]! & PageBit.UNMAPPED) !== 0
    if (waits) sentences.push('memunmap_pages() has put the base reference and waits for this page')
    if (pages.bits[row]! & PageBit.HEADLESS && !waits) return { certainty: undefined, sentences }
    if (waits) return { certainty: event.stack === 0 ? 'likely' : 'certain', sentences, proven: true }
    if (sites.traits(event.stack) & StackTrait.EVICT) return { certainty: undefined, sentences }
    const isGup = (sites.traits(event.stack) & StackTrait.GUP) !== 0
    if (alone && evicted.length > 0) return { certainty: 'likely', sentences, proven: true }
    if (tooLong && alone && (wentOn || overtaken)) return { certainty: 'likely', sentences }
    if (isGup) return { certainty: undefined, sentences }
    if (returned < ALWAYS && alone && wentOn && (longestOfAll || later >= 2 * WENT_ON))
      return { certainty: 'likely', sentences }
    const outlives = event.stack === 0 || held > longest
    if (outlives && alone && wentOn && returned >= WENT_ON && passed >= 2 * OVERTAKEN)
      return { certainty: 'possible', sentences }
    return { certainty: undefined, sentences }
  }

  #leakWords({ lives, missing }: LeakExplanation): string {
    const others = `the page's life would be like ${lives} other${lives === 1 ? '' : 's'}`
    return missing === undefined
      ? `without this reference ${others}`
      : `with one more put by ${this.#naming.site(missing)} ${others}`
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
    for (const { finding, signature, ordinal, passed, returned, longestOfAll } of this.#suspects) {
      const out = this.#out.get(signature)!
      const outLater = out.filter(other => other > ordinal).length
      // Without stacks all sites look alike, so that neither their number nor their order says anything.
      const stacks = this.#ledger.sites.actingFrame(signature) !== undefined
      const few = stacks ? Math.max(FEW_OUT, returned / 10) : FEW_OUT
      const isException = out.length <= few || (stacks && passed - outLater >= OVERTAKEN) || longestOfAll
      if (lives.complete >= ALWAYS && isException) continue
      finding.kind = 'held-at-end'
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

function aloneWords(mappings: number): string {
  if (mappings === 0) return 'all other references of this life came back, and no page table maps the page'
  return `all other references of this life came back, but for ${mappings} of page tables that map the page`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads a recording and turns it into an account: findings, causes, laws, and what is known of its pagemaps. */
import { newBatch } from '../trace/common/batch.ts'
import { copyRows } from '../trace/common/columns.ts'
import { type EventBatch, type Frame, OP_NAMES, type Recording, type SourceInfo } from '../trace/events.ts'
import type { CallSites } from './callsites/call-sites.ts'
import { type Cause, causesOf } from './diagnose/causes.ts'
import { Diagnosis } from './diagnose/diagnosis.ts'
import type { Holder } from './diagnose/open-findings.ts'
import { type OpenReferences, openReferences } from './diagnose/open-references.ts'
import { tellingCallers } from './diagnose/telling-callers.ts'
import type { UnmapSummary } from './diagnose/unmap-calls.ts'
import type { ErrorReport, Finding } from './findings/finding.ts'
import type { LawBook } from './learn/law-book.ts'
import { type LearningOptions, LearningTracker } from './learn/learning-tracker.ts'
import { isInRanges, type PageRange } from './track/page-range.ts'
import { PageBit } from './track/page-state.ts'
import { protocolOf } from './track/protocol-recognition.ts'
import type { LifetimeTotals } from './track/tables.ts'
import { isPut, signatureOf, type UnitKey } from './track/unit-key.ts'

/** Number of events at the beginning of a recording that the first pass reads, to recognise the rules by which all are judged. */
const FIRST_LOOK = 200_000

export interface PagemapSummary {
  type: string | undefined
  firstPfn: number
  lastPfn: number
  /** Number of pages seen. */
  pages: number
  /** One protocol, or several that look alike on these pages, separated by "/". */
  protocol: string
  recognisedBy: string
  idleCount: number | undefined
  device: boolean
}

/** A call site of a law. */
export interface LawSite extends Frame {
  /** Callers, innermost first, that tell it from other call sites at the same address; empty where it is the only one. */
  callers: Frame[]
}

/** A law: what is taken at its gets is given back at its puts. */
export interface LawSummary {
  /** Call sites that take; undefined stands for events without a stack. */
  gets: (LawSite | undefined)[]
  puts: (LawSite | undefined)[]
  /**
   * Numbers of complete lifetimes: all with a reference of the law; those in which it held (`held`); with more taken than given
   * back (`over`); with less (`under`).
   */
  lifetimes: number
  held: number
  over: number
  under: number
  /** True if another law fits the lifetimes as well. */
  isAmbiguous: boolean
}

export interface Account {
  info: SourceInfo
  /** Absolute time to which all times here are relative, in the unit of the recording's clock. */
  timeBase: bigint
  /** Number of page_ref events accounted for, and of those of ordinary pages that are left out. */
  events: number
  skipped: number
  /** Number of probe events; they are not counted in `events`. */
  probes: number
  firstTime: number
  lastTime: number
  lost: { gaps: number; events: number | undefined; from: number; to: number }
  /** Number of changes of watched counts whose amount is not known. */
  unknownChanges: number
  pagemaps: PagemapSummary[]
  lives: LifetimeTotals & { openAtEnd: number; unknown: number }
  /** Number of lifetimes of pages that only probes tell of. They are included in `lives`. */
  uncounted: number
  findings: Finding[]
  /** Findings that accuse, grouped by the bug that made them. */
  causes: Cause[]
  /** The kernel's own reports (WARN, KASAN, KFENCE), by time. */
  reports: ErrorReport[]
  /** Calls of memunmap_pages(), by time, where probes tell of them. */
  unmaps: UnmapSummary[]
  /** The laws that the lifetimes obey, by number. */
  laws: LawSummary[]
  /** References that are out at the end, by the call site that took them, largest number first. */
  open: OpenReferences[]
  /** Remarks on the recording: damage, buffers that were left out, limits that were reached. */
  notes: string[]
  /** How often a count had changed without a recorded event. */
  unrecorded: number
  /**
   * Beyond the limits: numbers of anomalies that were not kept (`incidents`), and of lifetimes not counted by kind (`shapes`).
   */
  dropped: { incidents: number; shapes: number }
  /** For each range of `AccountOptions.ask`, whether the recording has its pages. */
  asked: Presence[]
}

/** Whether a range of pages occurs. `left-out`: all its pages that occur are ordinary ones, which are not accounted for. */
export type Presence = 'accounted' | 'left-out' | 'absent'

export interface AccountOptions extends LearningOptions {
  /** Ranges of pages for which `Account.asked` is to be filled. */
  ask?: readonly PageRange[] | undefined
  /** Called after each batch. */
  onProgress?: ((progress: { events: number; done: number; total: number | undefined }) => void) | undefined
}

/** The holders of a page at one moment. */
export interface PageHolders {
  pfn: number
  count: number
  idleCount: number | undefined
  holders: Holder[]
  /** True if events of the page, and so holders, may be missing. */
  lossy: boolean
  /** True if the page has a rest level: `idleCount` is the count when the watch began, minus what was given back of it. */
  isRest: boolean
}

/** Who holds the pages of some ranges at one moment. */
export interface PagesHeld {
  /** Pages in use, and idle ones that were asked for one by one. */
  pages: PageHolders[]
  /** Number of other pages of the ranges that had occurred and were idle, and of pages in use beyond those that are kept. */
  idle: number
  dropped: number
  /** True if events of some page may be missing. */
  lossy: boolean
  /** True if no event was lost, but the amount of some change of a watched count is not known. */
  isOfUnknownChanges: boolean
  /** The laws of the whole recording, by number. */
  laws: LawSummary[]
  /** All pagemaps of the recording, to be shown when no page of a range occurs. */
  pagemaps: PagemapSummary[]
  lastTime: number
  absent: PageRange[]
  /** Pages of which probes tell, but no count was recorded. */
  probed: number[]
}

/**
 * Returns who holds the pages of some ranges at a time.
 *
 * @param at in units of `EventBatch.time`; Infinity for the end of the recording
 */
export async function whoHolds(
  recording: Recording,
  pages: readonly PageRange[],
  at: number,
  options: AccountOptions = {},
): Promise<PagesHeld> {
  const ledger = await readLedger(recording, { ...options, allPages: true, snapshot: { pages, at } })
  const { states, idle, dropped, lossy, absent } = ledger.snapshot!
  const diagnosis = new Diagnosis(ledger, recording)
  const probed = [...ledger.probes.lifetimes.pfns()].filter(pfn => isInRanges(pfn, pages) && ledger.pages.find(pfn) < 0)
  return {
    pages: states.map(state => ({
      pfn: ledger.pages.pfn[state.row]!,
      count: state.count,
      idleCount: state.idle,
      holders: diagnosis.holders(state),
      lossy: state.lossy,
      isRest: ledger.pages.has(state.row, PageBit.rested),
    })),
    idle,
    dropped,
    lossy,
    isOfUnknownChanges: ledger.gaps.losses.length === 0 && ledger.gaps.unknownChanges > 0,
    laws: lawSummaries(ledger),
    pagemaps: pagemapSummaries(recording, ledger),
    lastTime: ledger.lastTime,
    absent,
    probed,
  }
}

/** Accounts for every page reference in a recording. */
export async function account(recording: Recording, options: AccountOptions = {}): Promise<Account> {
  const ledger = await readLedger(recording, options)
  return summarise(recording, ledger, options.ask)
}

/** Reads a recording to its end. Its beginning is read twice: once to learn the rules, once to judge by them. */
export async function readLedger(recording: Recording, options: AccountOptions = {}): Promise<LearningTracker> {
  const first = new LearningTracker(recording.stacks, options, recording.info)
  const beginning: EventBatch[] = []
  let ledger: LearningTracker | undefined
  let events = 0
  for await (const batch of recording.batches()) {
    events += batch.length
    if (ledger) ledger.add(batch)
    else {
      beginning.push(copyOf(batch))
      if (events >= FIRST_LOOK) ledger = startLedger(recording, options, first, beginning)
    }
    options.onProgress?.({ events, ...recording.progress() })
  }
  ledger ??= startLedger(recording, options, first, beginning)
  ledger.finish()
  return ledger
}

function startLedger(
  recording: Recording,
  options: AccountOptions,
  first: LearningTracker,
  beginning: EventBatch[],
): LearningTracker {
  for (const batch of beginning) first.add(batch)
  first.finish()
  const ledger = new LearningTracker(recording.stacks, options, recording.info, first)
  for (const batch of beginning) ledger.add(batch)
  beginning.length = 0
  return ledger
}

function copyOf(batch: EventBatch): EventBatch {
  const copy = newBatch(batch.length)
  copyRows(copy, 0, batch, 0, batch.length)
  copy.order.set(batch.order.subarray(0, batch.length))
  copy.length = batch.length
  copy.lost = batch.lost
  return copy
}

/** The account of a recording that a ledger has read to its end. */
export function summarise(recording: Recording, ledger: LearningTracker, ask: readonly PageRange[] = []): Account {
  const diagnosis = new Diagnosis(ledger, recording)
  const { gaps, anomalies, kinds } = ledger
  const { losses } = gaps
  const { sites: open, more } = openReferences(ledger, diagnosis)
  const findings = diagnosis.findings()
  return {
    info: recording.info,
    timeBase: recording.timeBase,
    events: ledger.events,
    skipped: ledger.skipped,
    probes: ledger.probes.count,
    firstTime: ledger.firstTime,
    lastTime: ledger.lastTime,
    lost: {
      gaps: losses.length,
      events: gaps.lost,
      from: losses.reduce((from, gap) => Math.min(from, gap.from), Infinity),
      to: losses.reduce((to, gap) => Math.max(to, gap.to), -Infinity),
    },
    unknownChanges: gaps.unknownChanges,
    pagemaps: pagemapSummaries(recording, ledger),
    lives: livesOf(ledger, diagnosis),
    uncounted: uncountedOf(ledger),
    findings,
    causes: causesOf(findings),
    reports: diagnosis.reports(),
    unmaps: diagnosis.unmaps(),
    laws: lawSummaries(ledger),
    open,
    notes: [
      ...recording.notes,
      ...ledgerNotes(ledger),
      ...probeNotes(ledger, diagnosis),
      ...diagnosis.restNotes(),
      ...(more > 0 ? [`open references are not counted on ${more} more pages that are held`] : []),
    ],
    unrecorded: anomalies.unrecorded,
    dropped: { incidents: anomalies.dropped, shapes: kinds.uncounted },
    asked: ask.map(range => presenceOf(range, ledger)),
  }
}

function presenceOf({ first, last }: PageRange, ledger: LearningTracker): Presence {
  const { pages, probes } = ledger
  let presence: Presence = 'absent'
  for (let row = 0; row < pages.length && presence !== 'accounted'; row++) {
    if (pages.pfn[row]! < first || pages.pfn[row]! > last) continue
    presence = ledger.isCounted(row) ? 'accounted' : 'left-out'
  }
  for (const pfn of presence === 'absent' ? probes.lifetimes.pfns() : [])
    if (pfn >= first && pfn <= last) return 'accounted'
  return presence
}

/** Protocol of a pagemap that only probes tell of: protocols are recognised by counts. */
const UNCOUNTED = { protocol: 'unknown', recognisedBy: 'probes alone: hand-outs and returns, no counts' }

/** Protocol of ordinary pages: the protocols are those of device pages. */
const ORDINARY = { protocol: 'none', recognisedBy: 'ordinary pages' }

function pagemapSummaries(recording: Recording, ledger: LearningTracker): PagemapSummary[] {
  const counted = ledger.pagemaps.list.filter(
    pagemap => pagemap.pages + pagemap.probedPages > 0 && (pagemap.device || !ledger.pagemaps.anyDevice),
  )
  return counted.map(pagemap => ({
    type: pagemap.type,
    firstPfn: pagemap.firstPfn,
    lastPfn: pagemap.lastPfn,
    pages: pagemap.pages + pagemap.probedPages,
    ...(pagemap.pages === 0 ? UNCOUNTED : pagemap.device ? protocolOf(pagemap, recording.info.kernel) : ORDINARY),
    idleCount: pagemap.rule?.idle,
    device: pagemap.device,
  }))
}

/** Returns the number of lifetimes by counts and, for pages without counts, by probes. */
function livesOf(ledger: LearningTracker, diagnosis: Diagnosis): Account['lives'] {
  const { lives, pages } = ledger
  return {
    ...lives,
    complete: lives.complete + uncountedOf(ledger),
    openAtEnd: pages.inUse().filter(row => diagnosis.isOpen(row)).length + diagnosis.outByProbes(),
    unknown: diagnosis.unknownLifetimes(),
  }
}

/** Returns the number of complete lifetimes by probes alone, of pages whose counts were not recorded. */
function uncountedOf({ pages, probes: { lifetimes } }: LearningTracker): number {
  return lifetimes.completeWhere(pfn => pages.find(pfn) < 0)
}

function lawSummaries({ book, sites }: LearningTracker): LawSummary[] {
  return book.laws.map(law => ({
    gets: lawSites(
      law.keys.filter(key => !isPut(key)),
      sites,
      book,
    ),
    puts: lawSites(law.keys.filter(isPut), sites, book),
    lifetimes: law.touched,
    held: law.held,
    over: law.over,
    under: law.under,
    isAmbiguous: law.isAmbiguous,
  }))
}

/** Returns the call sites of one side of a law. Callers are told apart only if another law has the same function and offset. */
function lawSites(keys: readonly UnitKey[], sites: CallSites, book: LawBook): (LawSite | undefined)[] {
  const byName = new Map<string, LawSite | undefined>()
  for (const key of keys) {
    const frame = sites.actingFrame(signatureOf(key))
    const callers = frame ? tellingCallers(sites, book, key) : []
    const name = frame ? [frame, ...callers].map(each => `${each.address} ${each.name} ${each.offset}`).join() : ''
    if (!byName.has(name)) byName.set(name, frame && { ...frame, callers })
  }
  return [...byName.values()]
}

function probeNotes(ledger: LearningTracker, diagnosis: Diagnosis): string[] {
  const { probes, reports } = ledger
  if (probes.count === 0) return []
  const kinds = probes.byOp.flatMap((n, op) => (n > 0 ? [`${n} ${OP_NAMES[op]}`] : []))
  const notes = [`probes: ${kinds.join(', ')}`, ...uncountedNotes(ledger)]
  const untrusted = diagnosis.untrustedAllocs().map(pfn => `0x${pfn.toString(16)}`)
  if (untrusted.length > 0)
    notes.push(
      `pages of the pagemap at ${untrusted.join(', ')} are handed out without lastput_alloc: that it is missing proves nothing there`,
    )
  const { dropped, unmaps } = probes
  if (dropped + unmaps.dropped + reports.dropped > 0)
    notes.push(
      `probes showed more incidents than can be kept: ${dropped + unmaps.dropped + reports.dropped} are left out`,
    )
  return notes
}

/** Notes for a recording without counts. */
function uncountedNotes({ events, skipped, probes: { lifetimes } }: LearningTracker): string[] {
  const { allocs, frees, silentReturns } = lifetimes
  if (allocs + frees === 0) return []
  const notes: string[] = []
  if (allocs === 0 || frees === 0)
    notes.push(
      `without page_ref events, pages are accounted for from lastput_alloc to lastput_free: no ${allocs === 0 ? 'lastput_alloc' : 'lastput_free'} was recorded`,
    )
  else if (silentReturns > 0)
    notes.push(
      `${silentReturns} times a page was handed out again without lastput_free: some pages are freed without it, so no page is reported as never freed`,
    )
  else
    notes.push(
      'without page_ref events, pages are accounted for from lastput_alloc to lastput_free: who uses one meanwhile is not known',
    )
  return events + skipped === 0 ? notes : []
}

function ledgerNotes(ledger: LearningTracker): string[] {
  const notes: string[] = []
  const { anomalies, kinds, pagemaps } = ledger
  if (!pagemaps.anyDevice && ledger.events > 0)
    notes.push(
      'no ZONE_DEVICE page was recognised: all pages are accounted for, and none is said to leak; --device PAGES names device memory',
    )
  if (ledger.sites.areNameless)
    notes.push('stacks have no symbols: pass --kallsyms FILE, a copy of /proc/kallsyms of that boot')
  const { recordings, lifetimes } = ledger.added
  if (recordings > 0)
    notes.push(
      `laws are learned from ${lifetimes} complete lifetimes of ${recordings === 1 ? 'one other recording' : `${recordings} other recordings`} as well (--alone turns this off)`,
    )
  const { unrecorded, firstUnrecorded: first } = anomalies
  if (unrecorded > 0)
    notes.push(
      `${unrecorded} times a count had changed without a recorded event, first on page 0x${ledger.pages.pfn[first!.row]!.toString(16)}: events are missing (a filter, a CPU that was not recorded, a module without tracepoints), and nothing is claimed about such lifetimes`,
    )
  if (anomalies.dropped > 0) notes.push(`${anomalies.dropped} more incidents than can be kept: findings may be missing`)
  if (kinds.uncounted > 0)
    notes.push(`${kinds.uncounted} lifetimes are of more kinds than can be kept: no law is learned from them`)
  return notes
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The truth about a recording: which faults happened, whether its events tell them at all, and who holds what at the end. */
import type { FindingKind } from '../../src/ledger/findings.ts'
import type { LostEvents } from '../../src/trace/events.ts'
import { shown } from './clocks.ts'
import type { Conditions } from './conditions.ts'
import type { Run } from './driver.ts'
import type { FaultKind, Planted } from './faults.ts'
import type { TrueEvent } from './kernel.ts'
import type { Reference } from './pages.ts'
import { showsHandOut } from './protocols.ts'
import type { RecordedRow } from './rows.ts'
import type { Culprit, Site } from './stacks.ts'

export interface TrueFault {
  kind: FaultKind
  /** Findings of these kinds are right about it. */
  accepted: FindingKind[]
  pfn: number
  culprits: Culprit[]
  /** Names out of `culprits`. */
  functions: string[]
  units: number
  /** On the recording's clock; of a counter clock, the tick of the event or of the one before. */
  time: number
  subsystem: string
  mode: string
  /** Whether the recording has the event, or for a leak the one that took the reference. */
  recorded: boolean
  /** Whether the recorded events tell it in principle, and if not, why not. */
  decidable: boolean
  why: string | undefined
}

export interface Truth {
  faults: TrueFault[]
  /** Pages whose references went wrong, and since when: findings about them after that may be consequences. */
  cascade: { pfn: number; time: number }[]
  /** References that are out at the end and will be given back. */
  held: { pfn: number; units: number; function: string; subsystem: string }[]
  /** No fault has happened, recorded or not. */
  correct: boolean
}

interface View {
  run: Run
  conditions: Conditions
  kept: ReadonlySet<TrueEvent>
  lost: readonly LostEvents[]
  /** On the simulated machine's clock. */
  end: number
  /** When lifetimes began, by page and number. */
  lives: Map<string, number>
  timeOf: (time: number) => number
}

export function truthOf(
  run: Run,
  conditions: Conditions,
  rows: readonly RecordedRow[],
  lost: readonly LostEvents[],
): Truth {
  const timeOf = clockOf(conditions, rows)
  const lives = new Map<string, number>()
  for (const { page, life, taken } of run.kernel.references) {
    const key = `${page.pfn} ${life}`
    lives.set(key, Math.min(taken, lives.get(key) ?? taken))
  }
  const kept = new Set(rows.map(row => row.event))
  const view = { run, conditions, kept, lost, end: rows.at(-1)?.stamp ?? 0, lives, timeOf }
  const faults = run.faults.planted.map(planted => faultOf(planted, view))
  return {
    faults,
    cascade: run.world.pages
      .filter(page => page.taintedAt !== undefined)
      .map(page => ({ pfn: page.pfn, time: timeOf(page.taintedAt!) })),
    held: run.kernel.references
      .filter(({ returned, leaked }) => returned === undefined && !leaked)
      .map(({ page, left, site, owner }) => ({
        pfn: page.pfn,
        units: left,
        function: site.culprits[0]?.function ?? '',
        subsystem: owner,
      })),
    correct: faults.length === 0,
  }
}

/** A moment of the machine on the recording's clock, as CPU 0 would show it. */
function clockOf({ clock }: Conditions, rows: readonly RecordedRow[]): (time: number) => number {
  if (clock.kind !== 'counter') return time => shown(clock, time, 0)
  return time => rows.findLast(row => row.stamp <= time)?.time ?? 0
}

function faultOf(planted: Planted, view: View): TrueFault {
  const culprits = planted.kind === 'leak' ? leakCulprits(planted.reference!, view) : [...planted.culprits]
  if (planted.kind === 'no-init') culprits.push(...actorsOf(planted, view))
  const why = undecidable(planted, view)
  return {
    kind: planted.kind,
    accepted: planted.accepted,
    pfn: planted.page.pfn,
    culprits,
    functions: [...new Set(culprits.map(culprit => culprit.function))],
    units: planted.units,
    time: view.timeOf(planted.event?.moments.stamp ?? planted.at),
    subsystem: planted.owner,
    mode: planted.mode,
    recorded: isRecorded(planted, view),
    decidable: why === undefined,
    why,
  }
}

function takeEvent(reference: Reference, view: View): TrueEvent | undefined {
  return view.run.kernel.events.find(
    event => event.reference === reference && (event.role === 'take' || event.role === 'hand-out'),
  )
}

function isRecorded(planted: Planted, view: View): boolean {
  if (planted.event !== undefined) return view.kept.has(planted.event)
  if (planted.at > view.end) return false
  const taken = planted.reference && takeEvent(planted.reference, view)
  if (taken !== undefined) return view.kept.has(taken)
  // Nothing is recorded of a hand-out that changes no count: what counts is whether the page is seen at all.
  return view.run.kernel.events.some(
    event => event.page === planted.page && event.moments.opTime >= planted.at && view.kept.has(event),
  )
}

/** The taker, and whoever else took a reference of this lifetime that comes back through the same sites. */
function leakCulprits(leaked: Reference, { run }: View): Culprit[] {
  const putSites = new Set<Site>()
  for (const { site, putSite } of run.kernel.references) {
    if (site === leaked.site && putSite !== undefined) putSites.add(putSite)
  }
  const alike = run.kernel.references.filter(
    ({ page, life, site, putSite }) =>
      page === leaked.page &&
      life === leaked.life &&
      site !== leaked.site &&
      putSite !== undefined &&
      putSites.has(putSite),
  )
  return [...leaked.site.culprits, ...alike.flatMap(({ site }) => site.culprits)]
}

/** Everybody who did something on the page in the lifetime that began without initialisation. */
function actorsOf({ page, at }: Planted, { run }: View): Culprit[] {
  const actors = run.kernel.events.filter(event => event.page === page && event.moments.opTime >= at)
  return [...new Set(actors.slice(0, 12).flatMap(event => event.site.culprits))]
}

/** Why the recorded events do not tell this fault; undefined: they do. */
function undecidable(planted: Planted, view: View): string | undefined {
  const { conditions, run } = view
  if (!isRecorded(planted, view)) return 'not recorded'
  if (conditions.unmarked !== 'none' && conditions.unmarked !== 'pfns') return 'unmarked losses'
  // A count below that of an idle page needs no history.
  if (planted.event?.role === 'surplus' && planted.event.after < run.kernel.rules.idle) return undefined
  const began = view.lives.get(`${planted.page.pfn} ${planted.life}`) ?? planted.at
  const hole = hasHole(planted, began, view)
  if (hole !== undefined) return hole
  const { rules } = run.kernel
  if (planted.kind === 'leak') return leakUndecidable(planted, view)
  if (planted.kind === 'surplus-put') return rules.handOut === undefined ? 'a hand-out makes no event' : undefined
  return showsHandOut(rules) ? undefined : 'a get looks like a hand-out'
}

/** Events of the page that are missing since its lifetime began, or gaps in which there may be some. */
function hasHole(
  { page, at, kind }: Planted,
  began: number,
  { run, kept, lost, end, timeOf }: View,
): string | undefined {
  const until = kind === 'leak' ? end : Math.min(end, at + 10 * run.world.think)
  const missing = run.kernel.events.some(
    event => event.page === page && event.moments.opTime >= began && event.moments.opTime <= until && !kept.has(event),
  )
  if (missing) return 'events of the page are missing'
  const [from, to] = [timeOf(began), timeOf(until)]
  return lost.some(gap => gap.from <= to && gap.to >= from) ? 'a gap' : undefined
}

/** A leak shows only when references like it would have come back by then. */
function leakUndecidable({ page, reference, at, owner }: Planted, { run, conditions, end }: View): string | undefined {
  if (page.taintedAt !== undefined) return 'another fault on the page'
  const like = run.kernel.references.filter(({ site, owner: other }) => site === reference!.site && other === owner)
  const holds = like.filter(({ returned }) => returned !== undefined).map(({ returned, taken }) => returned! - taken)
  if (holds.length < 5) return 'too few others came back'
  if (conditions.end === 'drained' || conditions.end === 'teardown') return undefined
  if (owner.startsWith('table')) return 'kept until replaced'
  return end - at > 3 * Math.max(...holds) ? undefined : 'the recording ends too early'
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The truth about a recording: the faults, whether its events can show them at all, and the references held at the end. */
import type { FindingKind } from '../../src/ledger/findings/registry.ts'
import type { LostEvents } from '../../src/trace/events.ts'
import { shown } from './clocks.ts'
import type { Conditions } from './conditions.ts'
import type { Run } from './driver.ts'
import type { FaultKind, Planted } from './faults.ts'
import type { TrueEvent } from './kernel.ts'
import type { Reference } from './pages.ts'
import { showsHandOut } from './protocols.ts'
import type { RecordedRow } from './rows.ts'
import type { Culprit } from './stacks.ts'

export interface TrueFault {
  kind: FaultKind
  /** Kinds of findings that are right about the fault. */
  accepted: FindingKind[]
  pfn: number
  culprits: Culprit[]
  /** The names in `culprits`. */
  functions: string[]
  units: number
  /** On the recording's clock. With a counter clock, the tick of the event or of the one before it. */
  time: number
  subsystem: string
  mode: string
  /** True if the recording has the event of the fault, or for a leak the event that took the reference. */
  recorded: boolean
  /** True if the recorded events can show the fault in principle; below, the reason if not. */
  decidable: boolean
  why: string | undefined
}

export interface Truth {
  faults: TrueFault[]
  /** Pages with a wrong count, and the time since when. Later findings about them may be consequences. */
  cascade: { pfn: number; time: number }[]
  /** References that are held at the end and will be put. */
  held: { pfn: number; units: number; function: string; subsystem: string }[]
  /** True if there was no fault at all, recorded or not. */
  correct: boolean
}

interface View {
  run: Run
  conditions: Conditions
  kept: ReadonlySet<TrueEvent>
  lost: readonly LostEvents[]
  /** On the simulated machine's clock. */
  end: number
  /** References by page and number of the lifetime. */
  lives: Map<string, Reference[]>
  /** References by the key of the site that took them. */
  bySite: Map<string, Reference[]>
  timeOf: (time: number) => number
}

export function truthOf(
  run: Run,
  conditions: Conditions,
  rows: readonly RecordedRow[],
  lost: readonly LostEvents[],
): Truth {
  const timeOf = clockOf(conditions, rows)
  const lives = new Map<string, Reference[]>()
  const bySite = new Map<string, Reference[]>()
  for (const reference of run.faults.planted.length > 0 ? run.kernel.references : []) {
    push(lives, lifeKey(reference), reference)
    push(bySite, reference.site.key, reference)
  }
  const kept = new Set(rows.map(row => row.event))
  const view = { run, conditions, kept, lost, end: rows.at(-1)?.stamp ?? 0, lives, bySite, timeOf }
  const faults = run.faults.planted.map(planted => faultOf(planted, view))
  return {
    faults: faults.map(fault => ({ ...fault, culprits: distinct(fault.culprits) })),
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

const distinct = (culprits: readonly Culprit[]): Culprit[] => [
  ...new Map(culprits.map(culprit => [`${culprit.function} ${culprit.caller ?? ''}`, culprit])).values(),
]

/** Returns a function that converts times of the machine to the recording's clock, as of CPU 0. */
function clockOf({ clock }: Conditions, rows: readonly RecordedRow[]): (time: number) => number {
  if (clock.kind !== 'counter') return time => shown(clock, time, 0)
  return time => rows.findLast(row => row.stamp <= time)?.time ?? 0
}

function faultOf(planted: Planted, view: View): TrueFault {
  const culprits = planted.kind === 'leak' ? leakCulprits(planted.reference!, view) : [...planted.culprits]
  if (planted.kind === 'surplus-put') culprits.push(...alternatives(planted, view))
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

const lifeKey = ({ page, life }: Pick<Reference, 'page' | 'life'>) => `${page.pfn} ${life}`

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

const eventsOf = ({ page }: Planted, { run }: View): TrueEvent[] => run.kernel.byPage.get(page) ?? []

function isRecorded(planted: Planted, view: View): boolean {
  if (planted.event !== undefined) return view.kept.has(planted.event)
  if (planted.at > view.end) return false
  const events = eventsOf(planted, view)
  const took = ({ reference, role }: TrueEvent) =>
    reference !== undefined && reference === planted.reference && (role === 'take' || role === 'hand-out')
  const taken = events.find(took)
  if (taken !== undefined) return view.kept.has(taken)
  // An allocation that changes no count is not recorded. Any later event of the page suffices.
  return events.some(event => event.moments.opTime >= planted.at && view.kept.has(event))
}

/** The function that took the reference, and others that took references in this lifetime which are put at the same sites. */
function leakCulprits(leaked: Reference, { lives, bySite }: View): Culprit[] {
  const sites = new Set((bySite.get(leaked.site.key) ?? []).flatMap(({ putSites }) => putSites.map(({ key }) => key)))
  const alike = (lives.get(lifeKey(leaked)) ?? []).filter(
    ({ site, putSites }) => site.key !== leaked.site.key && putSites.some(({ key }) => sites.has(key)),
  )
  return [leaked, ...alike].flatMap(({ site }) => site.culprits)
}

/** Functions that put references of the same taker in this lifetime: any of their puts may be the surplus one. */
function alternatives({ reference }: Planted, { lives }: View): Culprit[] {
  if (reference === undefined) return []
  const same = (lives.get(lifeKey(reference)) ?? []).filter(({ site }) => site.key === reference.site.key)
  return same.flatMap(({ putSites }) => putSites.flatMap(site => site.culprits))
}

/** Those who operated on the page in the lifetime that began without initialisation. */
function actorsOf(planted: Planted, view: View): Culprit[] {
  const actors = eventsOf(planted, view).filter(event => event.moments.opTime >= planted.at)
  return [...new Set(actors.slice(0, 12).flatMap(event => event.site.culprits))]
}

/** Returns why the recorded events cannot show the fault; undefined if they can. */
function undecidable(planted: Planted, view: View): string | undefined {
  const { conditions, run } = view
  if (!isRecorded(planted, view)) return 'not recorded'
  if (conditions.unmarked !== 'none' && conditions.unmarked !== 'pfns') return 'unmarked losses'
  const { idle, handOut } = run.kernel.rules
  // A count below that of an idle page is wrong whatever came before. A page that is handed out without an event is idle and in
  // use at the same count, so that each of its lifetimes ends with a put that leaves less.
  const least = handOut === undefined ? 0 : idle
  if (planted.event?.role === 'surplus' && planted.event.after < least) return undefined
  const began = Math.min(planted.at, ...(view.lives.get(lifeKey(planted)) ?? []).map(({ taken }) => taken))
  const hole = hasHole(planted, began, view)
  if (hole !== undefined) return hole
  const { rules } = run.kernel
  if (planted.kind === 'leak') return leakUndecidable(planted, view)
  if (planted.kind === 'surplus-put') return rules.handOut === undefined ? 'a hand-out makes no event' : undefined
  return showsHandOut(rules) ? undefined : 'a get looks like a hand-out'
}

/** Returns a reason if events of the page are missing since the lifetime began, or if a gap may have contained some. */
function hasHole(planted: Planted, began: number, view: View): string | undefined {
  const { run, kept, lost, end, timeOf } = view
  const until = planted.kind === 'leak' ? end : Math.min(end, planted.at + 10 * run.world.think)
  const missing = eventsOf(planted, view).some(
    event => event.moments.opTime >= began && event.moments.opTime <= until && !kept.has(event),
  )
  if (missing) return 'events of the page are missing'
  if (lost.length === 0) return undefined
  const [from, to] = [timeOf(began), timeOf(until)]
  return lost.some(gap => gap.from <= to && gap.to >= from) ? 'a gap' : undefined
}

/** A leak shows only if references like it would have been put before the recording ended. */
function leakUndecidable(
  { page, reference, at, owner }: Planted,
  { conditions, end, bySite }: View,
): string | undefined {
  if (page.taintedAt !== undefined) return 'another fault on the page'
  const like = (bySite.get(reference!.site.key) ?? []).filter(({ owner: other }) => other === owner)
  const holds = like.filter(({ returned }) => returned !== undefined).map(({ returned, taken }) => returned! - taken)
  if (holds.length < 5) return 'too few others came back'
  if (conditions.end === 'drained' || conditions.end === 'teardown') return undefined
  if (owner.startsWith('table')) return 'kept until replaced'
  return end - at > 3 * Math.max(...holds) ? undefined : 'the recording ends too early'
}

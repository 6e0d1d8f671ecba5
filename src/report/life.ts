// SPDX-License-Identifier: GPL-2.0-or-later
/** One page's lifetimes in a recording, event by event with who holds it, as text and as JSON (schema lastput.life/1). */
import { type AccountOptions, readLedger, summarise } from '../ledger/account.ts'
import { StackTrait } from '../ledger/callsites/symbol-lists.ts'
import { PageBit } from '../ledger/track/page-state.ts'
import { type Timed, timeNumber, timeText } from '../trace/common/times.ts'
import type { EventBatch, Recording } from '../trace/events.ts'
import { completenessJson, type Incompleteness, incompleteness } from './completeness.ts'
import { type PageLifeSource, pageLifeJson } from './page-life.ts'
import { TimelineRecorder } from './recorder.ts'
import { lifeEnd } from './timeline.ts'
import { clockJson } from './trace-json.ts'
import { grouped, pfnText, plural, wrap } from './words.ts'

/** The parts of an event's JSON that the text shows. */
interface LifeEventJson {
  function: string | null
  offset?: number
  task: string
  pid: number
  time: number
  operation: string
  val: number
  count: number
  /** The event in this lifetime that gave the reference back, or took it. */
  partner: number | null
  /** Set for the put by which memunmap_pages() gives back the page's base reference. */
  base?: true
}

interface LifetimeJson {
  began: number | null
  ended: number | null
  events: LifeEventJson[]
}

/** The lifetimes of a page in a recording. */
export interface PageLives {
  pfn: number
  idle: number | null
  /** True if the page has a rest level: `idle` is the count from before the recording, whose holders are unknown. */
  isRest: boolean
  lifetimes: LifetimeJson[]
  reasons: Incompleteness[]
  recording: Recording
}

/**
 * Reads a recording for the lifetimes of one page.
 *
 * @returns undefined if no event of the page occurs
 */
export async function pageLives(
  recording: Recording,
  pfn: number,
  options: AccountOptions,
): Promise<PageLives | undefined> {
  const recorder = new TimelineRecorder()
  const tapped = recorder.tap(recording, batch => recorder.add(only(batch, pfn)))
  const ledger = await readLedger(tapped, { ...options, allPages: true })
  const timeline = recorder.timeline(ledger)
  recorder.sort()
  const end = timeline.start[1] ?? 0
  if (end === 0) return undefined
  const lifetimes: LifetimeJson[] = []
  const source = { timeline, recorder, ledger, recording }
  let idle: number | null = null
  for (let at = 0; at < end; ) {
    const to = lifeEnd(timeline, 0, at)
    const json = pageLifeJson(source, { page: 0, from: at, to, times: timeline.time.slice(at, to) })
    const told = json as { idle: number | null; lifetime: LifetimeJson }
    idle = told.idle
    // Failed attempts are no lifetime, and neither is the initialisation, because it hands the page to nobody.
    if (told.lifetime.events.length > 0 && !isInitialisation(source, at, to)) lifetimes.push(told.lifetime)
    at = to
  }
  const row = ledger.pages.find(pfn)
  const isRest = row >= 0 && ledger.pages.has(row, PageBit.rested)
  const reasons = incompleteness(summarise(recording, ledger), recording.damage)
  return { pfn, idle, isRest, lifetimes, reasons, recording }
}

/** True if the events [from, to) only set the page up. */
export function isInitialisation({ recorder, ledger: { sites } }: PageLifeSource, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (!(sites.traits(recorder.event(i).stack) & StackTrait.INIT)) return false
  return true
}

/** The rows of a page, as a batch over the same columns. */
function only(batch: EventBatch, pfn: number): EventBatch {
  const rows = batch.order.subarray(0, batch.length).filter(row => batch.pfn[row] === pfn)
  return { ...batch, order: rows, length: rows.length }
}

export function lifeJson({ pfn, idle, lifetimes, reasons, recording }: PageLives): object {
  const { info } = recording
  return {
    schema: 'lastput.life/1',
    ...completenessJson(reasons),
    source: { file: info.file, format: info.format, kernel: info.kernel ?? null, clock: clockJson(info) },
    pfn: pfnText(pfn),
    idle,
    lifetimes,
  }
}

/** @param top lifetimes that are shown, the last ones */
export function lifeText(lives: PageLives, top: number): string[] {
  const { pfn, idle, isRest, lifetimes, reasons } = lives
  const shown = lifetimes.slice(Math.max(0, lifetimes.length - top))
  const first = lifetimes.length - shown.length
  const many = `${plural(lifetimes.length, 'lifetime')}${idle === null ? '' : `, count ${idle} ${isRest ? 'from before the recording' : 'while idle'}`}`
  return [
    `page ${pfnText(pfn)}: ${many}`,
    ...reasons.flatMap(({ text }) => wrap(text, 'note: ', '  ')),
    ...(first > 0 ? [`${grouped(first)} earlier not shown: --top shows more, --json all`] : []),
    ...shown.flatMap((lifetime, i) => ['', ...lifetimeText(lifetime, first + i + 1, lives.recording)]),
  ]
}

function lifetimeText({ began, ended, events }: LifetimeJson, number: number, timed: Timed): string[] {
  const isBase = events.length === 1 && events[0]!.base === true
  const ends = isBase ? 'its base reference given back' : ended === null ? 'open at the end' : 'given back'
  const starts = began === null ? ', begun before' : ''
  const holders = new Letters(events)
  const rows = [
    ['time', 'count', 'holders', 'change', 'who'],
    ...events.map((event, i) => row(event, holders.after(i), holders.of(i), timed)),
  ]
  // The last column is as long as its names are, and breaks where a mail would.
  const widths = [0, 1, 2, 3].map(column => Math.max(...rows.map(cells => cells[column]!.length)))
  return [
    `lifetime ${grouped(number)}: ${plural(events.length, 'event')}, ${ends}${starts}`,
    ...rows.flatMap(cells => rowLines(cells, widths)),
    ...(holders.left.length > 0 && ended === null ? [`  held by ${holders.left.join(' ')}`] : []),
  ]
}

function row(event: LifeEventJson, held: string, letters: string, timed: Timed): string[] {
  const { val, count, task, pid } = event
  const change = val === 0 ? '' : `${val > 0 ? `+${val}` : val} ${letters}`
  const offset = event.offset === undefined ? '' : `+0x${event.offset.toString(16)}`
  const where = event.function === null ? event.operation : `${event.function}${offset}`
  return [clockText(event.time, timed), String(count), held, change, `${where} ${task}-${pid}`]
}

function rowLines(cells: readonly string[], widths: readonly number[]): string[] {
  const head = widths.map((width, i) => (i === 1 ? cells[i]!.padStart(width) : cells[i]!.padEnd(width))).join('  ')
  const first = `  ${head}  `
  return wrap(cells.at(-1)!, first, ' '.repeat(first.length + 2)).map(line => line.trimEnd())
}

/** A time of a document as reports write it. */
function clockText(time: number, timed: Timed): string {
  const zero = timeNumber(0, timed) ?? 0
  return timeText(Math.round((time - zero) * (timed.info.unit === 'ticks' ? 1 : 1e9)), timed)
}

/** Letters for holders; and the most letters that the column has room for. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ROOM = 10

/** Assigns a letter to each get while a reference of it is held, so that a get and its put have the same letter. */
class Letters {
  readonly left: string[] = []
  readonly #held = new Map<number, { letter: string; units: number }>()
  readonly #of: string[] = []
  readonly #after: string[] = []

  constructor(events: readonly LifeEventJson[]) {
    events.forEach((event, i) => {
      if (event.val > 0) this.#of.push(this.#take(i, event.val))
      else if (event.base) this.#of.push('base')
      else this.#of.push(event.val < 0 ? this.#give(event.partner, -event.val) : '')
      this.#after.push(column([...this.#held.values()].map(({ letter }) => letter)))
    })
    this.left.push(...[...this.#held.values()].map(({ letter }) => letter))
  }

  #take(event: number, units: number): string {
    const taken = new Set([...this.#held.values()].map(({ letter }) => letter))
    const letter = [...ALPHABET].find(each => !taken.has(each)) ?? '*'
    this.#held.set(event, { letter, units })
    return letter
  }

  /** Gives back references of a get; a put of more than it took gives back others too, the latest first. */
  #give(partner: number | null, units: number): string {
    if (partner === null || !this.#held.has(partner)) return '?'
    let letters = ''
    for (const get of [partner, ...[...this.#held.keys()].reverse()]) {
      const of = this.#held.get(get)
      if (units === 0 || !of) continue
      const back = Math.min(units, of.units)
      of.units -= back
      units -= back
      letters += of.letter
      if (of.units === 0) this.#held.delete(get)
    }
    return units > 0 ? `${letters}?` : letters
  }

  /** Of the references that an event takes or gives back; "?" where nobody knows which they are. */
  of(event: number): string {
    return this.#of[event]!
  }

  /** Returns the letters of the holders after an event. */
  after(event: number): string {
    return this.#after[event]!
  }
}

function column(letters: readonly string[]): string {
  if (letters.length <= ROOM) return letters.join('')
  return `${letters.slice(0, ROOM - 4).join('')}+${letters.length - ROOM + 4}`
}

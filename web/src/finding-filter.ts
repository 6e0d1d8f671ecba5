// SPDX-License-Identifier: GPL-2.0-or-later
/** Filters findings: by the criteria of the options of `lastput trace`, and by a word that is searched for everywhere. */
import { readPages, readPfn } from '../../src/report/page-ranges.ts'
import type { Address } from './address.ts'
import type { ActorJson, FindingJson, ReportJson, TraceJson } from './documents.ts'
import type { Times } from './words.ts'

/** The filter as text, as in the controls and in the address. An empty text lets everything pass. */
export interface FilterTexts {
  /** Text that is searched for in functions, tasks and pages. */
  filter: string
  kind: string
  /** Pages and ranges of pages. */
  pages: string
  /** First page of the pagemap, as the document writes it. */
  pagemap: string
  function: string
  task: string
  /** Times of the recording, both ends included. */
  from: string
  to: string
}

export const FILTER_KEYS = ['filter', 'kind', 'pages', 'pagemap', 'function', 'task', 'from', 'to'] as const

/** Error messages about texts, by their keys. */
export type Complaints = Partial<Record<keyof FilterTexts, string>>

export function filterOf(address: Address): FilterTexts {
  return Object.fromEntries(FILTER_KEYS.map(key => [key, address.get(key) ?? ''])) as unknown as FilterTexts
}

export function complaintsAbout(texts: FilterTexts): Complaints {
  const { pages, from, to } = texts
  const complaints: Complaints = {}
  if (pages.trim() !== '' && !readPages(pages)) complaints.pages = 'expected pages or ranges, as 0x10,0x20-0x2f'
  for (const key of ['from', 'to'] as const)
    if (Number.isNaN(timeOf(texts[key]))) complaints[key] = 'expected a time as the findings have it'
  if (timeOf(from) > timeOf(to || 'Infinity')) complaints.to = 'no time lies between these two'
  return complaints
}

function timeOf(text: string): number {
  return text.trim() === '' ? -Infinity : Number(text)
}

type Acting = Pick<ActorJson, 'stack' | 'task' | 'pid' | 'time'>

/** The properties of a finding, or of a report by the kernel, that the filter compares. */
interface Subject {
  kind: string
  page: number | undefined
  /** undefined if the time is unknown. */
  time: number | undefined
  actors: readonly Acting[]
}

/** Applies a filter to findings and reports. Criteria with malformed text are ignored. */
export class FindingFilter {
  readonly #passes: ((subject: Subject) => boolean)[] = []

  constructor(texts: FilterTexts, trace: TraceJson, times: Times) {
    const { pagemaps, source } = trace
    const firstTime = source.firstTime ?? 0
    const complaints = complaintsAbout(texts)
    const add = (key: keyof FilterTexts, passes: (subject: Subject) => boolean) => {
      if (texts[key].trim() !== '' && complaints[key] === undefined) this.#passes.push(passes)
    }
    const word = texts.filter.trim().toLowerCase()
    add('filter', subject => wordsOf(subject).some(each => each.toLowerCase().includes(word)))
    add('kind', ({ kind }) => kind === texts.kind)
    const ranges = readPages(texts.pages) ?? []
    const isWithin = (page: number | undefined, first: number, last: number) =>
      page !== undefined && page >= first && page <= last
    add('pages', ({ page }) => ranges.some(({ first, last }) => isWithin(page, first, last)))
    const map = pagemaps.find(({ firstPfn }) => firstPfn === texts.pagemap)
    if (map) add('pagemap', ({ page }) => isWithin(page, Number(map.firstPfn), Number(map.lastPfn)))
    const all = subjectsOf(trace).flatMap(({ actors }) => actors)
    const isFunction = wanted(texts.function, all.flatMap(functionsOf))
    const isTask = wanted(texts.task, all.flatMap(tasksOf))
    // If both a function and a task are given, one and the same actor has to match both.
    this.#passes.push(({ actors }) =>
      isFunction || isTask
        ? actors.some(actor => (isFunction?.(functionsOf(actor)) ?? true) && (isTask?.(tasksOf(actor)) ?? true))
        : true,
    )
    // Times are shown rounded: the bounds are widened to include all times that are shown as the given one.
    const half = times.step / 2
    add('from', ({ time = firstTime }) => time >= timeOf(texts.from) - half)
    add('to', ({ time = firstTime }) => time <= timeOf(texts.to) + half)
  }

  passesFinding(finding: FindingJson): boolean {
    return this.#all(subjectOf(finding))
  }

  passesReport(report: ReportJson): boolean {
    return this.#all(subjectOfReport(report))
  }

  #all(subject: Subject): boolean {
    return this.#passes.every(passes => passes(subject))
  }
}

function subjectOf({ kind, pfn, culprit, candidates, lifetime }: FindingJson): Subject {
  const actors = [...(culprit ? [culprit] : []), ...candidates]
  return { kind, page: readPfn(pfn), time: actors[0]?.time ?? lifetime.began ?? undefined, actors }
}

function subjectOfReport(report: ReportJson): Subject {
  const { detector, page, time } = report
  return { kind: detector, page: page === null ? undefined : readPfn(page), time, actors: [report] }
}

function subjectsOf({ findings, reports }: TraceJson): Subject[] {
  return [...findings.map(subjectOf), ...reports.map(subjectOfReport)]
}

/**
 * Parses names separated by commas, any of which may match. A name that occurs matches exactly, as on the command line; any
 * other text matches all names that contain it, so that results show while a name is being typed.
 *
 * @returns undefined if the text has no names
 */
function wanted(text: string, known: readonly string[]): ((names: readonly string[]) => boolean) | undefined {
  const names = text.split(',').map(each => each.trim())
  const given = names.filter(each => each !== '')
  if (given.length === 0) return undefined
  const whole = new Set(known)
  return own => given.some(name => own.some(each => (whole.has(name) ? each === name : includes(each, name))))
}

function includes(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase())
}

function functionsOf({ stack }: Acting): string[] {
  return stack.map(frame => frame.function ?? '')
}

/** The forms in which a task can be given: name, pid, and name-pid. */
function tasksOf({ task, pid }: Acting): string[] {
  return [task, `${pid}`, `${task}-${pid}`]
}

function wordsOf({ page, actors }: Subject): string[] {
  const pages = page === undefined ? [] : [`0x${page.toString(16)}`]
  return [...pages, ...actors.flatMap(actor => [`${actor.task}-${actor.pid}`, ...functionsOf(actor)])]
}

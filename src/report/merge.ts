// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Answers of many runs as one: of a fleet's recordings (lastput.trace/3) what was found, by cause over all of them; of the shards
 * of a matrix (lastput.check/2 of each cell) the matrix.
 */
import { properties } from '../linux/properties.ts'
import { type MatrixCell, type MatrixRow, MatrixText } from './matrix.ts'
import { plural, wrap } from './words.ts'

/** Thrown if an answer does not follow its schema. */
export class MergeError extends Error {}

export type Answer = Record<string, unknown>

/** One file's answers. */
export interface Answers {
  file: string
  answers: Answer[]
}

export const TRACE = 'lastput.trace/3'
export const CELL = 'lastput.check/2'

/** Members of a cell's JSON that the table needs: texts and numbers. */
const CELL_TEXTS = ['system', 'driver', 'protocol', 'scenario', 'property', 'verdict', 'bounds']
const CELL_NUMBERS = ['states', 'seconds']

/** @throws MergeError for what is no answer that can be merged */
export function answersOf(file: string, json: unknown): Answers {
  const answers = (Array.isArray(json) ? json : [json]) as unknown[]
  if (answers.length === 0) throw new MergeError(`${file}: expected answers, found an empty list`)
  return { file, answers: answers.map(answer => answerOf(file, answer)) }
}

function answerOf(file: string, answer: unknown): Answer {
  const schema = isObject(answer) ? answer.schema : undefined
  if (isObject(answer) && schema === TRACE) return answer
  if (isObject(answer) && schema === CELL && isCell(answer)) return answer
  const found = typeof schema === 'string' ? schema : 'JSON of another kind'
  throw new MergeError(
    `${file}: expected what lastput trace --json or lastput check --matrix --json wrote, found ${found}`,
  )
}

function isCell(answer: Answer): boolean {
  const { vacuous, assumes } = answer
  const isList = (value: unknown) => value === undefined || (Array.isArray(value) && value.every(isText))
  return (
    CELL_TEXTS.every(name => isText(answer[name])) &&
    CELL_NUMBERS.every(name => typeof answer[name] === 'number') &&
    [answer.cause, answer.reason].every(text => text === undefined || isText(text)) &&
    isList(vacuous) &&
    isList(assumes)
  )
}

const isText = (value: unknown): value is string => typeof value === 'string'

const isObject = (value: unknown): value is Answer =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Shards have every n-th system each: taken in turns, they are in the order of the whole. */
export function mergedRows(all: readonly Answers[]): MatrixRow[] {
  const shards = all.map(({ answers }) => rowsOf(answers as unknown as MatrixCell[]))
  const most = Math.max(0, ...shards.map(rows => rows.length))
  return Array.from({ length: most }, (_, i) => shards.flatMap(rows => (rows[i] ? [rows[i]!] : []))).flat()
}

function rowsOf(cells: readonly MatrixCell[]): MatrixRow[] {
  const rows = new Map<string, MatrixCell[]>()
  for (const cell of cells) {
    const key = [cell.system, cell.scenario, cell.protocol, cell.bounds].join('\n')
    rows.set(key, [...(rows.get(key) ?? []), cell])
  }
  return [...rows.values()]
}

export function matrixText(rows: readonly MatrixRow[]): string {
  const text = new MatrixText(Object.keys(properties))
  const seconds = rows.reduce((sum, [cell]) => sum + Number(cell?.seconds ?? 0), 0)
  return [text.head(), ...rows.map(row => text.row(row)), text.end(seconds)].join('')
}

/** The findings of one bug in all recordings of a fleet. */
export interface FleetCause {
  kind: string
  /** Functions of the accused call sites, sorted. */
  functions: string[]
  /** The highest certainty of its findings. */
  certainty: string
  findings: number
  recordings: string[]
}

export interface Fleet {
  recordings: number
  /** Files in which nothing was found, but something may have been missed. */
  incomplete: string[]
  causes: FleetCause[]
}

const SURENESS = ['possible', 'likely', 'certain']

/** @throws MergeError for an answer that is not as its schema says */
export function fleetOf(all: readonly Answers[]): Fleet {
  const causes = new Map<string, FleetCause>()
  const incomplete: string[] = []
  let recordings = 0
  for (const { file, answers } of all) {
    for (const answer of answers) {
      recordings++
      const name = recordingOf(file, answer)
      const own = listOf(file, answer, 'causes')
      if (answer.complete === false && own.length === 0) incomplete.push(name)
      for (const cause of own) addCause(causes, name, file, cause)
    }
  }
  const found = [...causes.values()]
  found.sort(
    (a, b) => b.recordings.length - a.recordings.length || b.findings - a.findings || (a.kind < b.kind ? -1 : 1),
  )
  return { recordings, incomplete, causes: found }
}

function addCause(causes: Map<string, FleetCause>, recording: string, file: string, cause: Answer): void {
  const kind = String(cause.kind)
  const functions = [...new Set(listOf(file, cause, 'functions').map(each => String(each.function)))].sort()
  const findings = Array.isArray(cause.findings) ? cause.findings.length : 0
  const certainty = String(cause.certainty)
  const key = [kind, ...functions].join('\n')
  const known = causes.get(key)
  if (!known) {
    causes.set(key, { kind, functions, certainty, findings, recordings: [recording] })
    return
  }
  known.findings += findings
  if (!known.recordings.includes(recording)) known.recordings.push(recording)
  if (SURENESS.indexOf(certainty) > SURENESS.indexOf(known.certainty)) known.certainty = certainty
}

function recordingOf(file: string, { source }: Answer): string {
  const name = isObject(source) ? source.file : undefined
  if (typeof name !== 'string') throw new MergeError(`${file}: expected the name of a recording in "source"`)
  return name
}

function listOf(file: string, answer: Answer, member: string): Answer[] {
  const list = answer[member]
  if (!Array.isArray(list) || !list.every(isObject)) throw new MergeError(`${file}: expected a list in "${member}"`)
  return list
}

/** Most recordings of a cause that are named. */
const NAMED = 5

export function fleetText({ recordings, incomplete, causes }: Fleet): string[] {
  const found = new Set(causes.flatMap(cause => cause.recordings)).size
  return [
    `${plural(recordings, 'recording')}: findings in ${found}; ${incomplete.length} without findings may be incomplete`,
    ...causes.flatMap((cause, i) => ['', ...causeText(cause, i + 1)]),
    ...(causes.length === 0 ? ['', 'Nothing was found.'] : []),
    ...incomplete.slice(0, NAMED).flatMap(name => wrap(name, 'incomplete: ', '  ')),
    ...(incomplete.length > NAMED ? [`(${incomplete.length - NAMED} more are incomplete)`] : []),
  ]
}

function causeText({ kind, functions, certainty, findings, recordings }: FleetCause, number: number): string[] {
  const who = functions.length === 0 ? 'nobody known' : functions.join(' or ')
  const more = recordings.length > NAMED ? `, and ${recordings.length - NAMED} more` : ''
  return [
    ...wrap(`${kind} (fault ${certainty}): ${who}`, `${number}. `, '   '),
    ...wrap(
      `${plural(findings, 'finding')} in ${plural(recordings.length, 'recording')}: ${recordings.slice(0, NAMED).join(', ')}${more}`,
      '   ',
      '     ',
    ),
  ]
}

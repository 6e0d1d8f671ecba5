// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What two recordings of one scenario differ in: a good kernel and a bad one, before and after a patch. Call sites are compared
 * by their functions, whose offsets change with every build, and numbers by lifetime, for no two runs have as many.
 */
import { type Account, type AccountOptions, readLedger, summarise } from '../ledger/account.ts'
import { baseName } from '../ledger/callsites/symbol-lists.ts'
import type { LearningTracker } from '../ledger/learn/learning-tracker.ts'
import { isPut, signatureOf } from '../ledger/track/unit-key.ts'
import type { Frame, Recording } from '../trace/events.ts'
import { completenessJson, type Incompleteness, incompleteness } from './completeness.ts'
import { grouped, wrap } from './words.ts'

/** One side of a comparison: the facts of a recording that are compared. */
export interface Facts {
  file: string
  format: string
  kernel: string | undefined
  events: number
  lifetimes: { complete: number; open: number }
  /** Numbers of references taken and given back in complete lifetimes, by function: "takes f", "gives back f". */
  traffic: Map<string, number>
  /** Number of lifetimes that obey each law, by the functions of its call sites. */
  laws: Map<string, number>
  /** Number of findings that accuse, by kind and functions. */
  findings: Map<string, number>
  /** Number of references that are out at the end, by the function that took them. */
  held: Map<string, number>
  reasons: Incompleteness[]
}

/** Numbers of one name in the first and the second recording; 0 where it does not occur. */
export interface Difference {
  name: string
  first: number
  second: number
}

export interface Comparison {
  first: Facts
  second: Facts
  findings: Difference[]
  held: Difference[]
  laws: Difference[]
  /** Call sites that only one recording has, and those with another share in a lifetime. */
  traffic: Difference[]
}

/** Number of references of a call site below which a different share may be chance. */
const FEW = 20

/** Factor between the shares of a call site in the two recordings from which on it is reported. */
const MUCH = 2

export async function factsOf(recording: Recording, options: AccountOptions): Promise<Facts> {
  const ledger = await readLedger(recording, options)
  const account = summarise(recording, ledger)
  const { info } = recording
  const law = (sites: readonly (Frame | undefined)[]) => [...new Set(sites.map(nameOf))].sort().join(' + ')
  return {
    file: info.file,
    format: info.format,
    kernel: info.kernel,
    events: account.events,
    lifetimes: { complete: account.lives.complete, open: account.lives.openAtEnd },
    traffic: trafficOf(ledger),
    laws: sums(account.laws.map(({ gets, puts, held }) => [`${law(gets)} -> ${law(puts)}`, held])),
    findings: findingsOf(account),
    held: sums(account.open.map(({ get, references }) => [nameOf(get), references])),
    reasons: incompleteness(account, recording.damage),
  }
}

const nameOf = (frame: Frame | undefined): string => (frame ? baseName(frame.name) : 'an unknown site (no stack)')

function sums(entries: readonly (readonly [string, number])[]): Map<string, number> {
  const all = new Map<string, number>()
  for (const [name, n] of entries) all.set(name, (all.get(name) ?? 0) + n)
  return all
}

function findingsOf({ causes }: Account): Map<string, number> {
  return sums(
    causes.map(({ kind, frames, certainty, findings }) => {
      const who = frames.length === 0 ? 'by nobody known' : [...new Set(frames.map(nameOf))].join(' or ')
      return [`${kind} (fault ${certainty}): ${who}`, findings.length]
    }),
  )
}

function trafficOf({ kinds, sites }: LearningTracker): Map<string, number> {
  const traffic = new Map<string, number>()
  kinds.forEach((units, lifetimes) => {
    for (const [key, n] of units) {
      const name = `${isPut(key) ? 'gives back' : 'takes'} ${nameOf(sites.actingFrame(signatureOf(key)))}`
      traffic.set(name, (traffic.get(name) ?? 0) + Math.abs(n) * lifetimes)
    }
  })
  return traffic
}

export function compare(first: Facts, second: Facts): Comparison {
  const isOnlyOne = ({ first: a, second: b }: Difference) => (a === 0) !== (b === 0)
  return {
    first,
    second,
    findings: differences(first.findings, second.findings).filter(each => each.first !== each.second),
    held: differences(first.held, second.held).filter(each => each.first !== each.second),
    laws: differences(first.laws, second.laws).filter(isOnlyOne),
    traffic: differences(first.traffic, second.traffic).filter(
      each => isOnlyOne(each) || isMuch(each, first.lifetimes.complete, second.lifetimes.complete),
    ),
  }
}

function differences(first: ReadonlyMap<string, number>, second: ReadonlyMap<string, number>): Difference[] {
  const names = [...new Set([...first.keys(), ...second.keys()])].sort()
  return names.map(name => ({ name, first: first.get(name) ?? 0, second: second.get(name) ?? 0 }))
}

/** True if a lifetime of one recording sees the call site far more often than one of the other, and chance is no reason. */
function isMuch({ first, second }: Difference, firstLives: number, secondLives: number): boolean {
  if (Math.max(first, second) < FEW || firstLives === 0 || secondLives === 0) return false
  const ratio = first / firstLives / (second / secondLives)
  return ratio >= MUCH || ratio <= 1 / MUCH
}

export function isSame({ findings, held, laws, traffic }: Comparison): boolean {
  return findings.length + held.length + laws.length + traffic.length === 0
}

const NAMELESS = /\b0x[0-9a-f]{8,}$/

/** Returns a note if frames have no names: their addresses differ between the recordings, so nothing can match. */
function namelessNote({ file, traffic }: Facts): string[] {
  if (![...traffic.keys()].some(name => NAMELESS.test(name))) return []
  return wrap(`${file}: call sites without names cannot be compared: --kallsyms names them`, 'note: ', '  ')
}

export function diffText(comparison: Comparison): string[] {
  const { first, second, findings, held, laws, traffic } = comparison
  const both: [string, (facts: Facts) => string][] = [
    ['kernel', ({ kernel }) => kernel ?? '?'],
    ['events', ({ events }) => grouped(events)],
    ['lifetimes complete', ({ lifetimes }) => grouped(lifetimes.complete)],
    ['lifetimes open', ({ lifetimes }) => grouped(lifetimes.open)],
  ]
  const perLifetime = (n: number, { lifetimes }: Facts) =>
    n === 0 ? '-' : lifetimes.complete === 0 ? grouped(n) : (n / lifetimes.complete).toFixed(2)
  const count = (n: number) => (n === 0 ? '-' : grouped(n))
  return [
    ...wrap(first.file, 'first:  ', '        '),
    ...wrap(second.file, 'second: ', '        '),
    ...[first, second].flatMap(facts => [
      ...facts.reasons.flatMap(({ text }) => wrap(`${facts.file}: ${text}`, 'note: ', '  ')),
      ...namelessNote(facts),
    ]),
    '',
    columns('', 'first', 'second'),
    ...both.map(([name, of]) => columns(name, of(first), of(second))),
    ...part('Findings', findings, count, count),
    ...part('References out at the end, by who took them', held, count, count),
    ...part('Laws that only one has, and lifetimes that obey them', laws, count, count),
    ...part(
      'References for each complete lifetime, where only one has them or they differ much',
      traffic,
      n => perLifetime(n, first),
      n => perLifetime(n, second),
    ),
    ...(isSame(comparison) ? ['', 'No difference was found.'] : []),
  ]
}

function part(
  title: string,
  rows: readonly Difference[],
  first: (n: number) => string,
  second: (n: number) => string,
): string[] {
  if (rows.length === 0) return []
  return ['', ...wrap(title, '', ''), ...rows.flatMap(row => line(row.name, first(row.first), second(row.second)))]
}

/** Width of the column of each recording, in characters. */
const NUMBER = 16

function columns(name: string, first: string, second: string): string {
  return `  ${first.padStart(NUMBER)}  ${second.padStart(NUMBER)}  ${name}`.trimEnd()
}

/** A name longer than its column goes on in the next line. */
function line(name: string, first: string, second: string): string[] {
  const head = columns('', first, second).padEnd(2 * NUMBER + 4)
  return wrap(name, `${head}  `, ' '.repeat(head.length + 4))
}

export function diffJson(comparison: Comparison): object {
  const { first, second, findings, held, laws, traffic } = comparison
  const side = ({ file, format, kernel, events, lifetimes, reasons }: Facts) => ({
    source: { file, format, kernel: kernel ?? null },
    ...completenessJson(reasons),
    events,
    lifetimes,
  })
  return {
    schema: 'lastput.diff/1',
    same: isSame(comparison),
    first: side(first),
    second: side(second),
    findings,
    held,
    laws,
    traffic,
  }
}

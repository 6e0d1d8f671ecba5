// SPDX-License-Identifier: GPL-2.0-or-later
/** What a sentence speaks of: a finding with its page and its law, as the events themselves show them. */
import type { Account, LawSite, PagemapSummary } from '../../src/ledger/account.ts'
import { baseName } from '../../src/ledger/callsites/symbol-lists.ts'
import type { Actor, Finding } from '../../src/ledger/findings/finding.ts'
import { ACCUSATIONS } from '../../src/ledger/findings/kinds.ts'
import { OP_NAMES } from '../../src/trace/events.ts'
import type { Lifetime, Page, PageEvent, ReadEvent, Reading } from './reading.ts'

/** Call sites that take, and that give back. */
export interface NamedLaw {
  gets: readonly string[]
  puts: readonly string[]
}

export interface Subject {
  reading: Reading
  account: Account
  finding: Finding
  page: Page
  /** Count of the page while idle. */
  idle: number
}

/** What a check finds wrong; undefined: the sentence is true. */
export type Problem = string | undefined

/** A sentence that this recording gives no means to recompute. */
export const UNCHECKED = Symbol('unchecked')

/** True if an event came from the call site that a sentence names: `X+0x5d`, `X+0x5d from Y+0x10`, `a page_ref_mod without stack`. */
export function isAt({ site, op }: ReadEvent, name: string): boolean {
  const bare = /^a (\w+) without stack$/.exec(name)
  if (bare) return site.length === 0 && OP_NAMES[op] === bare[1]
  return name.split(' from ').every((frame, i) => site[i] === frame)
}

export function isAtAny(event: ReadEvent, names: readonly string[]): boolean {
  return names.some(name => isAt(event, name))
}

/** A call site of a law as sentences name it. */
export function lawSiteName(site: LawSite): string {
  return [site, ...site.callers]
    .map(({ name, offset }) => (offset === undefined ? baseName(name) : `${baseName(name)}+0x${offset.toString(16)}`))
    .join(' from ')
}

/** The law that a finding says is broken; undefined where it has none, or one of events without stacks, which have no names. */
export function lawOf({ account, finding }: Subject): NamedLaw | undefined {
  const law = finding.law === undefined ? undefined : account.laws[finding.law]
  if (!law || [...law.gets, ...law.puts].includes(undefined)) return undefined
  return { gets: law.gets.map(site => lawSiteName(site!)), puts: law.puts.map(site => lawSiteName(site!)) }
}

/** References that an event takes (positive) or gives back under a law; 0 for one that is none of the law's. */
export function unitsUnder(law: NamedLaw, event: PageEvent): number {
  if (event.delta > 0) return isAtAny(event, law.gets) ? event.delta : 0
  return event.delta < 0 && isAtAny(event, law.puts) ? event.delta : 0
}

/** The page's events that an actor may be: of one stamp there may be several, by a clock that is slow. */
export function eventsOf(page: Page, { time, pid, operation, frame }: Actor): PageEvent[] {
  const isThere = ({ site }: ReadEvent) => frame === undefined || site[0]?.startsWith(baseName(frame.name))
  const isIt = (event: PageEvent) => event.time === time && event.pid === pid && OP_NAMES[event.op] === operation
  return page.events.filter(event => isIt(event) && isThere(event))
}

export function eventOf(page: Page, actor: Actor): PageEvent | undefined {
  return eventsOf(page, actor)[0]
}

/** Whoever is accused, or comes first of those who could be. */
export function accusedOf({ culprit, candidates }: Finding): Actor | undefined {
  return culprit ?? candidates[0]?.actor
}

/** The lifetime that was open when the recording ended; undefined where there is none, or none that began in the recording. */
export function openLifetime({ page }: Subject): Lifetime | undefined {
  return page.lifetimes.find(lifetime => !lifetime.isComplete)
}

export function pagemapOf(account: Account, pfn: number): PagemapSummary | undefined {
  return account.pagemaps.find(map => pfn >= map.firstPfn && pfn <= map.lastPfn)
}

/** How long after its operation an event may be stamped, in ns: as long as a virtual CPU may be taken away. */
const STAMP_LAG = 50_000_000

/** Counts that a page can have had about a time: where the order of its stamps contradicts its results, any of that stretch. */
export function countsAbout({ events, isClean }: Page, event: PageEvent): number[] {
  if (isClean) return [event.after]
  const near = events.filter(({ time }) => Math.abs(time - event.time) <= STAMP_LAG)
  return near.flatMap(({ before, after, count }) => [before!, after, count])
}

/** Pages of which something is found: what happens there after a fault may be seen in several ways. */
export function spoiltPages({ findings }: Account): ReadonlySet<number> {
  return new Set(
    findings
      .filter(({ kind }) => ACCUSATIONS.has(kind))
      .flatMap(({ pfn, consequences }) => [pfn, ...consequences.map(each => each.pfn)]),
  )
}

/** True if a span in ns is what a sentence says: `8 us`, `2.7 ms`, `3.1 s`, `15 ticks`. */
export function isSpan(text: string, span: number): boolean {
  const parts = /^(-?[\d.]+) (ns|us|ms|s|ticks)$/.exec(text)
  if (!parts) return false
  const unit = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, ticks: 1 }[parts[2] as 'ns']
  const step = 10 ** -(parts[1]!.split('.')[1]?.length ?? 0)
  return Math.abs(span / unit - Number(parts[1])) <= step * 0.51
}

/** Says that a number is not within its bounds. */
export function outside(what: string, said: number, least: number, most = least): Problem {
  if (said >= least && said <= most) return undefined
  return `${what} is ${least === most ? least : `${least} to ${most}`}, said is ${said}`
}

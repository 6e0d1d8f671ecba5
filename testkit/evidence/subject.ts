// SPDX-License-Identifier: GPL-2.0-or-later
/** The subject of a sentence: a finding with its page and its law, as the events show them. */
import type { Account, LawSite, PagemapSummary } from '../../src/ledger/account.ts'
import { baseName } from '../../src/ledger/callsites/symbol-lists.ts'
import type { Actor, Finding } from '../../src/ledger/findings/finding.ts'
import { ACCUSATIONS } from '../../src/ledger/findings/kinds.ts'
import { OP_NAMES } from '../../src/trace/events.ts'
import type { Lifetime, Page, PageEvent, ReadEvent, Reading } from './reading.ts'

/** A law by the names of its call sites: gets and puts. */
export interface NamedLaw {
  gets: readonly string[]
  puts: readonly string[]
}

export interface Subject {
  reading: Reading
  account: Account
  finding: Finding
  page: Page
  /** Count of the page while it is idle. */
  idle: number
}

/** Why a sentence is false; undefined if it is true. */
export type Problem = string | undefined

/** Result for a sentence that cannot be recomputed from this recording. */
export const UNCHECKED = Symbol('unchecked')

/** True if an event comes from a call site, named `X+0x5d`, `X+0x5d from Y+0x10` or `a page_ref_mod without stack`. */
export function isAt({ site, op }: ReadEvent, name: string): boolean {
  const bare = /^a (\w+) without stack$/.exec(name)
  if (bare) return site.length === 0 && OP_NAMES[op] === bare[1]
  return name.split(' from ').every((frame, i) => site[i] === frame)
}

export function isAtAny(event: ReadEvent, names: readonly string[]): boolean {
  return names.some(name => isAt(event, name))
}

/** Returns the name of a law's call site in sentences. */
export function lawSiteName(site: LawSite): string {
  return [site, ...site.callers]
    .map(({ name, offset }) => (offset === undefined ? baseName(name) : `${baseName(name)}+0x${offset.toString(16)}`))
    .join(' from ')
}

/** The law that a finding reports as broken; undefined without a law, or if its events have no stacks and thus no names. */
export function lawOf({ account, finding }: Subject): NamedLaw | undefined {
  const law = finding.law === undefined ? undefined : account.laws[finding.law]
  if (!law || [...law.gets, ...law.puts].includes(undefined)) return undefined
  return { gets: law.gets.map(site => lawSiteName(site!)), puts: law.puts.map(site => lawSiteName(site!)) }
}

/** Number of references that an event takes (positive) or puts (negative) under a law; 0 if the law does not cover it. */
export function unitsUnder(law: NamedLaw, event: PageEvent): number {
  if (event.delta > 0) return isAtAny(event, law.gets) ? event.delta : 0
  return event.delta < 0 && isAtAny(event, law.puts) ? event.delta : 0
}

/** The events of the page that may be the actor's. There may be several with its stamp, if the clock is coarse. */
export function eventsOf(page: Page, { time, pid, operation, frame }: Actor): PageEvent[] {
  const isThere = ({ site }: ReadEvent) => frame === undefined || site[0]?.startsWith(baseName(frame.name))
  const isIt = (event: PageEvent) => event.time === time && event.pid === pid && OP_NAMES[event.op] === operation
  return page.events.filter(event => isIt(event) && isThere(event))
}

export function eventOf(page: Page, actor: Actor): PageEvent | undefined {
  return eventsOf(page, actor)[0]
}

/** The culprit, or the first candidate. */
export function accusedOf({ culprit, candidates }: Finding): Actor | undefined {
  return culprit ?? candidates[0]?.actor
}

/** The lifetime that was open when the recording ended; undefined if there is none, or if it began before the recording. */
export function openLifetime({ page }: Subject): Lifetime | undefined {
  return page.lifetimes.find(lifetime => !lifetime.isComplete)
}

export function pagemapOf(account: Account, pfn: number): PagemapSummary | undefined {
  return account.pagemaps.find(map => pfn >= map.firstPfn && pfn <= map.lastPfn)
}

/** Longest delay between an operation and its stamp, in ns: as long as a virtual CPU may be preempted. */
const STAMP_LAG = 50_000_000

/** Counts that a page may have had at an event. If its stamps contradict results, these are all counts within the stamp lag. */
export function countsAbout({ events, isClean }: Page, event: PageEvent): number[] {
  if (isClean) return [event.after]
  const near = events.filter(({ time }) => Math.abs(time - event.time) <= STAMP_LAG)
  return near.flatMap(({ before, after, count }) => [before!, after, count])
}

/** Pages with findings. The ledger may see events after a fault in several ways. */
export function spoiltPages({ findings }: Account): ReadonlySet<number> {
  return new Set(
    findings
      .filter(({ kind }) => ACCUSATIONS.has(kind))
      .flatMap(({ pfn, consequences }) => [pfn, ...consequences.map(each => each.pfn)]),
  )
}

/** True if a span in ns is what the text says: `8 us`, `2.7 ms`, `3.1 s`, `15 ticks`. */
export function isSpan(text: string, span: number): boolean {
  const parts = /^(-?[\d.]+) (ns|us|ms|s|ticks)$/.exec(text)
  if (!parts) return false
  const unit = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, ticks: 1 }[parts[2] as 'ns']
  const step = 10 ** -(parts[1]!.split('.')[1]?.length ?? 0)
  return Math.abs(span / unit - Number(parts[1])) <= step * 0.51
}

/** Returns a problem if a number is outside its bounds. */
export function outside(what: string, said: number, least: number, most = least): Problem {
  if (said >= least && said <= most) return undefined
  return `${what} is ${least === most ? least : `${least} to ${most}`}, said is ${said}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The account of a recording as text that fits a mail. */
import type { Account, PagemapSummary } from '../ledger/account.ts'
import {
  ACCUSATIONS,
  type Actor,
  type ConsequenceFinding,
  type ErrorReport,
  type Finding,
  type FindingKind,
} from '../ledger/findings.ts'
import { CPU_SKEW } from '../trace/clock.ts'
import type { Damage, Frame, SourceInfo } from '../trace/events.ts'
import { spanText, timeText } from '../trace/times.ts'
import { printable } from './printable.ts'
import { sentence } from './sentence.ts'
import { frameText, grouped, marginText, pfnText, plural, wrap } from './words.ts'

/** Frames of a stack that the text shows; the JSON has all. */
const SHOWN_FRAMES = 8

/** Held pages from which on they are also counted by site, and sites shown. */
const FEW_HELD = 10
const SHOWN_SITES = 10

/** What of an account is to be shown. Times as in `Account`. */
export interface TraceFilter {
  pfn?: number | undefined
  /** A pfn of the pagemap. */
  pagemap?: number | undefined
  from?: number | undefined
  to?: number | undefined
  /** References held at the end for less than this, in units of `EventBatch.time`, are left out. */
  older?: number | undefined
  /** Findings of each kind that the text shows. */
  top?: number | undefined
}

/** The same account with only the findings and the kernel's reports that the filter lets through. */
export function select(account: Account, filter: TraceFilter): Account {
  const range = filter.pagemap === undefined ? undefined : account.pagemaps.find(map => covers(map, filter.pagemap!))
  const end = Math.max(account.info.endTime ?? account.lastTime, account.lastTime)
  const passes = (pfn: number | undefined, time: number) => {
    if (filter.pfn !== undefined && pfn !== filter.pfn) return false
    if (filter.pagemap !== undefined && !(range && pfn !== undefined && covers(range, pfn))) return false
    return (filter.from === undefined || time >= filter.from) && (filter.to === undefined || time <= filter.to)
  }
  const findings = account.findings.filter(finding => {
    const time = finding.culprit?.time ?? finding.life.began ?? account.firstTime
    if (!passes(finding.pfn, time)) return false
    return filter.older === undefined || finding.kind !== 'held-at-end' || end - time >= filter.older
  })
  return { ...account, findings, reports: account.reports.filter(report => passes(report.page, report.time)) }
}

/** Whether something is wrong: a finding that accuses, or a report of the kernel's own. */
export function hasAccusation({ findings, reports }: Account): boolean {
  return reports.length > 0 || findings.some(finding => ACCUSATIONS.has(finding.kind))
}

function covers(map: PagemapSummary, pfn: number): boolean {
  return pfn >= map.firstPfn && pfn <= map.lastPfn
}

// --- text -----------------------------------------------------------------------------------------------------------------

/** The whole report, as lines. */
export function traceText(account: Account, damage: readonly Damage[], top = 20): string[] {
  const { findings, reports } = account
  const accused = findings.filter(finding => ACCUSATIONS.has(finding.kind))
  const held = findings.filter(finding => finding.kind === 'held-at-end')
  const stuck = findings.filter(({ kind }) => kind === 'teardown-waits' || kind === 'fault-retries')
  return [
    ...headText(account),
    ...account.pagemaps.filter(map => map.device).flatMap(pagemapText),
    ...ordinaryText(account.pagemaps.filter(map => !map.device)),
    '',
    ...livesText(account),
    ...damage.flatMap(each => wrap(damageText(each), 'damaged: ', '  ')),
    ...account.notes.flatMap(note => wrap(printable(note), 'note: ', '  ')),
    ...(accused.length > 0 ? ['', `${plural(accused.length, 'finding')}:`] : []),
    ...(hasAccusation(account) ? [] : ['', stuck.length > 0 ? 'Nobody is accused.' : 'Nothing was found.']),
    ...accused.slice(0, top).flatMap((finding, i) => ['', ...findingText(finding, account, `${i + 1}. `)]),
    ...moreText(accused.length - top, 'findings'),
    ...reportsText(reports, account, top),
    ...stuckText(stuck, account, top),
    ...heldText(held, account, top),
  ]
}

function headText(account: Account): string[] {
  const { info } = account
  const kernel = info.kernel === undefined ? '' : `, Linux ${printable(info.kernel)}`
  const skipped = account.skipped > 0 ? `, ${plural(account.skipped, 'event')} of ordinary pages left out` : ''
  const between = Number.isFinite(account.firstTime)
    ? ` from ${timeText(account.firstTime, account)} to ${timeText(account.lastTime, account)}`
    : ''
  const probes = account.probes > 0 ? ` and ${plural(account.probes, 'probe')}` : ''
  return [
    ...wrap(`${printable(info.file)}: ${info.format}${kernel}, ${plural(info.cpus, 'CPU')}`, '', '  '),
    ...wrap(`${plural(account.events, 'page_ref event')}${probes}${between}${skipped}; ${lostText(account)}`, '', '  '),
    ...wrap(clockText(account.info), '', '  ').filter(line => line !== ''),
    '',
  ]
}

/** What a reader must know of the clock to understand times, or why little is certain; nothing of one in ns. */
function clockText(info: SourceInfo): string {
  const name = info.clock === 'unknown' ? 'clock' : `clock ${printable(info.clock)}`
  if (info.unit === 'ticks')
    return info.clock === 'ticks' ? 'times are ticks of a clock' : `times are ticks of the ${name}`
  if (info.resolution <= CPU_SKEW) return ''
  return `the ${name} moved on every ${spanText(info.resolution, info)} only, so little says what came first`
}

function lostText(account: Account): string {
  const { gaps, events, from, to } = account.lost
  if (gaps === 0) return 'none lost'
  const many = events === undefined ? 'an unknown number' : grouped(events)
  const since = Number.isFinite(from) ? ` from ${timeText(from, account)}` : ''
  const until = Number.isFinite(to) ? ` to ${timeText(to, account)}` : ''
  return `${many} LOST in ${plural(gaps, 'gap')}${since}${until}: nothing is claimed that rests on them`
}

function pagemapText(map: PagemapSummary): string[] {
  const type = map.type === undefined ? '' : `, ${map.type}`
  return [
    `pagemap ${pfnText(map.firstPfn)}-${pfnText(map.lastPfn)}: ${plural(map.pages, 'page')}${type}, protocol ${map.protocol}`,
    ...wrap(map.recognisedBy, '  ', '  '),
  ]
}

function ordinaryText(maps: readonly PagemapSummary[]): string[] {
  if (maps.length === 0) return []
  const pages = maps.reduce((sum, map) => sum + map.pages, 0)
  const first = Math.min(...maps.map(map => map.firstPfn))
  const last = Math.max(...maps.map(map => map.lastPfn))
  return [`ordinary pages ${pfnText(first)}-${pfnText(last)}: ${plural(pages, 'page')} seen`]
}

function livesText(account: Account): string[] {
  const { complete, partial, broken, openAtEnd, unknown } = account.lives
  const parts = [
    `${plural(complete, 'life').replace('lifes', 'lives')} complete`,
    partial > 0 ? `${grouped(partial)} seen in part` : '',
    broken > 0 ? `${grouped(broken)} broken` : '',
    `${grouped(openAtEnd)} open at the end`,
    unknown > 0 ? `of which ${grouped(unknown)} not followed (lost events, or begun before)` : '',
  ]
  return wrap(`${parts.filter(part => part !== '').join(', ')}.`, '', '  ')
}

function sentenceOf({ kind, pfn, references, culprit }: Finding): string {
  return sentence({ kind, pfn: pfnText(pfn), references, who: culprit?.frame?.name, known: culprit !== undefined })
}

function findingText(finding: Finding, account: Account, first: string): string[] {
  const { kind, references, culprit, consequences, moreConsequences } = finding
  const indent = ' '.repeat(first.length)
  const lines = wrap(`${kind} (${finding.certainty}): ${sentenceOf(finding)}.`, first, indent)
  if (kind !== 'teardown-waits' || references > 0) lines.push(`${indent}${countText(finding)}`)
  if (culprit) lines.push(...actorText(culprit, account, indent))
  if (finding.evidence.length > 0) lines.push(`${indent}evidence:`)
  for (const each of finding.evidence) lines.push(...wrap(printable(each), `${indent}- `, `${indent}  `))
  if (finding.margin !== undefined) lines.push(...wrap(marginText(finding.margin), `${indent}- `, `${indent}  `))
  if (consequences.length > 0) lines.push(`${indent}which led to:`)
  for (const each of consequences) lines.push(...wrap(consequenceText(each, account), `${indent}- `, `${indent}  `))
  if (moreConsequences > 0) lines.push(`${indent}- ${moreConsequences} more`)
  return lines
}

/** Kinds that say how a page was left. */
const AT_THE_END: ReadonlySet<FindingKind> = new Set(['leak', 'held-at-end', 'teardown-waits', 'fault-retries'])

/** The count that gave the fault away. */
function countText({ kind, count, expected }: Finding): string {
  const idle = `an idle page has ${expected}`
  if (AT_THE_END.has(kind)) return `count ${count} at the end; ${idle}`
  if (kind === 'pagemap-gone') return `count ${count} when memunmap_pages() returned; ${idle}`
  return `count ${count} before the event that showed it; ${idle}`
}

function actorText(actor: Actor, account: Account, indent: string): string[] {
  const change = actor.delta === 0 ? '' : actor.delta > 0 ? ` +${actor.delta}` : ` ${actor.delta}`
  return [`${indent}${taskText(actor, account)}: ${actor.operation}${change}`, ...stackText(actor.stack, indent)]
}

/** When, where, and which task. */
function taskText({ time, cpu, task, pid }: Actor | ErrorReport, account: Account): string {
  return `${timeText(time, account)} [${String(cpu).padStart(3, '0')}] ${printable(task)}-${pid}`
}

function stackText(stack: readonly Frame[], indent: string): string[] {
  const shown = stack.slice(0, SHOWN_FRAMES)
  const more = stack.length - shown.length
  return [
    ...shown.map(frame => `${indent}  ${frameText(frame)}`),
    ...(more > 0 ? [`${indent}  (${more} more frames)`] : []),
  ]
}

function consequenceText(each: ConsequenceFinding, account: Account): string {
  const who = each.actor.frame ? ` by ${printable(each.actor.frame.name)}` : ''
  return `${each.kind} on ${pfnText(each.pfn)} at ${timeText(each.time, account)}${who}`
}

/** The kernel's own findings, as it told them. */
function reportsText(reports: readonly ErrorReport[], account: Account, top: number): string[] {
  if (reports.length === 0) return []
  const text = (report: ErrorReport) => {
    const { detector, frame, address, page, times } = report
    const where = frame ? frameText(frame) : `0x${address.toString(16)}`
    const about = page === undefined ? '' : `, by a task that was at page ${pfnText(page)}`
    const again = times > 1 ? `, ${grouped(times)} times` : ''
    return [
      '',
      ...wrap(`${printable(detector)} at ${where}${about}${again}`, '- ', '  '),
      `  ${taskText(report, account)}`,
      ...stackText(report.stack, '  '),
    ]
  }
  return [
    '',
    `${plural(reports.length, 'report')} of the kernel's own:`,
    ...reports.slice(0, top).flatMap(text),
    ...moreText(reports.length - top, 'reports'),
  ]
}

/** What comes to no end, and may still: no accusation. */
function stuckText(findings: readonly Finding[], account: Account, top: number): string[] {
  if (findings.length === 0) return []
  return [
    '',
    'What had not come to an end when the recording did, which is no accusation:',
    ...findings.slice(0, top).flatMap(finding => ['', ...findingText(finding, account, '- ')]),
    ...moreText(findings.length - top, 'of these'),
  ]
}

function heldText(held: readonly Finding[], account: Account, top: number): string[] {
  if (held.length === 0) return []
  const byAge = [...held].sort((a, b) => (a.culprit?.time ?? Infinity) - (b.culprit?.time ?? Infinity))
  return [
    '',
    `${plural(held.length, 'page')} held at the end, which is no accusation.`,
    ...(held.length > FEW_HELD ? heldBySite(held) : []),
    'Longest held first:',
    ...byAge.slice(0, top).flatMap(finding => heldLine(finding, account)),
    ...moreText(held.length - top, 'pages'),
  ]
}

/** Held pages by the function that took the reference, most pages first. */
function heldBySite(held: readonly Finding[]): string[] {
  const pages = new Map<string, number>()
  for (const { culprit } of held) {
    const site = culprit?.frame
      ? printable(culprit.frame.name)
      : culprit
        ? `${culprit.operation} (no stack)`
        : 'not told'
    pages.set(site, (pages.get(site) ?? 0) + 1)
  }
  const sorted = [...pages].sort((a, b) => b[1] - a[1])
  const rows = sorted.slice(0, SHOWN_SITES).map(([site, n]) => `  ${grouped(n).padStart(9)}  ${site}`)
  return ['Where their references were taken:', ...rows, ...(sorted.length > SHOWN_SITES ? ['             ...'] : [])]
}

function heldLine(finding: Finding, account: Account): string[] {
  const { culprit } = finding
  const since = culprit ? ` since ${timeText(culprit.time, account)} by ${printable(culprit.task)}-${culprit.pid}` : ''
  const where = culprit?.frame ? ` in ${frameText(culprit.frame)}` : ''
  return wrap(`${pfnText(finding.pfn)} count ${finding.count}${since}${where}`, '  ', '    ')
}

function moreText(more: number, what: string): string[] {
  return more > 0 ? ['', `... and ${grouped(more)} more ${what}: --top shows more, --json all`] : []
}

export function damageText(damage: Damage): string {
  return `${printable(damage.file)}: offset ${damage.offset}: ${printable(damage.expected)}`
}

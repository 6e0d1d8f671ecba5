// SPDX-License-Identifier: GPL-2.0-or-later
/** The account of a recording as text that fits a mail. */
import type { Account, PagemapSummary } from '../ledger/account.ts'
import type { ErrorReport, Finding } from '../ledger/findings/finding.ts'
import { ACCUSATIONS } from '../ledger/findings/kinds.ts'
import { CPU_SKEW } from '../trace/common/clock.ts'
import { spanText, timeText } from '../trace/common/times.ts'
import type { Damage, SourceInfo } from '../trace/events.ts'
import { FindingText, stackText } from './cause-text.ts'
import { damageLine, incompleteness } from './completeness.ts'
import { printable } from './printable.ts'
import { frameText, functionName, grouped, pfnText, plural, siteText, wrap } from './words.ts'

/** Name of a recording that is not read from a file. */
const STANDARD_INPUT = 'standard input'

/** Number of held pages from which on they are also counted by call site, and most call sites shown. */
const FEW_HELD = 10
const SHOWN_SITES = 10

/** Returns the time at which the recording ended, as far as is known: that of its last event, or later. */
export function endOf({ info, lastTime }: Pick<Account, 'info' | 'lastTime'>): number {
  return Math.max(info.endTime ?? lastTime, lastTime)
}

/** True if there is a finding that accuses, or a report of the kernel's own. */
export function hasAccusation({ findings, reports }: Account): boolean {
  return reports.length > 0 || findings.some(finding => ACCUSATIONS.has(finding.kind))
}

// --- text -----------------------------------------------------------------------------------------------------------------

/** How much of an account the text shows. */
export interface TextOptions {
  /** Causes, and findings of each kind that only reports. */
  top?: number | undefined
  /** Every finding on its own, instead of one in full for each cause. */
  each?: boolean | undefined
}

/** The whole report, as lines. */
export function traceText(
  account: Account & { leftOut?: number },
  damage: readonly Damage[],
  { top = 20, each }: TextOptions = {},
): string[] {
  const { findings, reports } = account
  const text = new FindingText(account)
  const held = byDoubtAndAge(findings.filter(finding => finding.kind === 'held-at-end'))
  const stuck = findings.filter(({ kind }) => !ACCUSATIONS.has(kind) && kind !== 'held-at-end')
  return [
    ...headText(account),
    ...paragraph([
      ...account.pagemaps.filter(map => map.device).flatMap(pagemapText),
      ...ordinaryText(account.pagemaps.filter(map => !map.device)),
    ]),
    '',
    ...lifetimesText(account),
    ...(damage.length > 0 ? wrap(damageLine(damage), 'damaged: ', '  ') : []),
    ...account.notes.flatMap(note => wrap(printable(note), 'note: ', '  ')),
    ...outcomeText(account, damage, stuck.length > 0),
    ...accusedText(account, text, top, each === true),
    ...reportsText(reports, text, top),
    ...stuckText(stuck, text, top),
    ...heldText(held, account, top),
    ...nextText(account, held),
  ]
}

/**
 * Returns the command that shows more of the first page of the report; none for standard input, which cannot be read again.
 *
 * @param held pages that are merely held, in the order of the report
 */
function nextText({ info: { file }, findings, causes }: Account, held: readonly Finding[]): string[] {
  const other = findings.find(({ kind }) => kind !== 'held-at-end')
  const first = causes[0] ? findings[causes[0].findings[0]!]! : (other ?? held[0])
  // Lifetimes by probes alone have no events that could be shown.
  if (!first || file === STANDARD_INPUT || first.kind === 'never-freed') return []
  const command = ACCUSATIONS.has(first.kind) ? 'life' : 'who'
  return ['', ...wrap(`lastput ${command} ${quoted(file)} --pfn ${pfnText(first.pfn)}`, 'next: ', '  ')]
}

/** A name as a shell takes it. */
const quoted = (name: string): string => (/^[\w@%+=:,./-]+$/.test(name) ? name : `'${name.replace(/'/g, `'\\''`)}'`)

/** Returns lines that say that nothing was found, and whether that can be relied on. */
function outcomeText(account: Account & { leftOut?: number }, damage: readonly Damage[], isStuck: boolean): string[] {
  if (hasAccusation(account)) return []
  const { leftOut = 0 } = account
  const outcome = isStuck ? 'Nobody is accused' : 'Nothing was found'
  const among = leftOut === 0 ? '.' : ` among what was asked for (${plural(leftOut, 'other finding')} left out).`
  const reasons = incompleteness(account, damage).map(each => each.text)
  const missed = reasons.length === 0 ? '' : ` But something may have been missed: ${reasons.join('; ')}.`
  return ['', ...wrap(`${outcome}${among}${missed}`, '', '')]
}

/** Returns the findings that accuse as text: cause by cause, or each on its own. */
function accusedText({ findings, causes }: Account, text: FindingText, top: number, each: boolean): string[] {
  const accused = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  if (accused.length === 0) return []
  const many = plural(accused.length, 'finding')
  const isGrouped = causes.length < accused.length
  const paragraphs = each
    ? accused.slice(0, top).map((finding, i) => text.finding(finding, `${i + 1}. `))
    : causes.slice(0, top).map((cause, i) => text.cause(cause, `${i + 1}. `))
  return [
    '',
    isGrouped ? `${many} of ${plural(causes.length, 'cause')}:` : `${many}:`,
    ...paragraphs.flatMap(lines => ['', ...lines]),
    ...moreText((each ? accused.length : causes.length) - top, each || !isGrouped ? 'finding' : 'cause'),
  ]
}

function headText(account: Account): string[] {
  const { info } = account
  const kernel = info.kernel === undefined ? '' : `, Linux ${printable(info.kernel)}`
  const cpus = info.cpus > 0 ? `, ${plural(info.cpus, 'CPU')}` : ''
  const skipped = account.skipped > 0 ? `, ${plural(account.skipped, 'event')} of ordinary pages left out` : ''
  const between = Number.isFinite(account.firstTime)
    ? ` from ${timeText(account.firstTime, account)} to ${timeText(account.lastTime, account)}`
    : ''
  const end = endOf(account)
  const until = timeText(end, account)
  const ends =
    end > account.lastTime && until !== timeText(account.lastTime, account) ? `, recorded until ${until}` : ''
  const probes = account.probes > 0 ? ` and ${plural(account.probes, 'probe')}` : ''
  return [
    ...wrap(`${printable(info.file)}: ${info.format}${kernel}${cpus}`, '', '  '),
    ...wrap(
      `${plural(account.events, 'page_ref event')}${probes}${between}${ends}${skipped}; ${lostText(account)}`,
      '',
      '  ',
    ),
    ...wrap(clockText(account.info), '', '  ').filter(line => line !== ''),
  ]
}

/** Lines behind an empty one; nothing where there are none. */
const paragraph = (lines: readonly string[]): string[] => (lines.length > 0 ? ['', ...lines] : [])

/** Returns what a reader must know of the clock to understand times and certainties; empty for a clock in ns. */
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
  return `${many} LOST in ${plural(gaps, 'gap')}${since}${until}: no claim depends on them`
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

function lifetimesText(account: Account): string[] {
  const { complete, partial, broken, openAtEnd, unknown } = account.lives
  const { lost, unknownChanges } = account
  const missing = lost.gaps > 0 || unknownChanges === 0 ? 'lost events' : 'changes of unknown amounts'
  const reasons = broken > 0 ? `${missing}, begun before, or after a fault` : `${missing}, or begun before`
  const parts = [
    `${plural(complete, 'lifetime')} complete`,
    partial > 0 ? `${grouped(partial)} seen in part` : '',
    broken > 0 ? `${grouped(broken)} broken` : '',
    `${grouped(openAtEnd)} open at the end`,
    unknown > 0 ? `of which ${grouped(unknown)} not followed (${reasons})` : '',
  ]
  return wrap(`${parts.filter(part => part !== '').join(', ')}.`, '', '  ')
}

/** Returns lines on the kernel's own reports. */
function reportsText(reports: readonly ErrorReport[], findingText: FindingText, top: number): string[] {
  if (reports.length === 0) return []
  const text = (report: ErrorReport) => {
    const { detector, frame, address, page, times } = report
    const where = frame ? frameText(frame) : `0x${address.toString(16)}`
    const about = page === undefined ? '' : `, by a task that was at page ${pfnText(page)}`
    const again = times > 1 ? `, ${grouped(times)} times` : ''
    return [
      '',
      ...wrap(`${printable(detector)} at ${where}${about}${again}`, '- ', '  '),
      `  ${findingText.taskText(report)}`,
      ...stackText(report.stack, '  '),
    ]
  }
  return [
    '',
    `${plural(reports.length, 'report')} of the kernel's own:`,
    ...reports.slice(0, top).flatMap(text),
    ...moreText(reports.length - top, 'report'),
  ]
}

/** Returns text on operations that have not ended, which is no accusation: they may still end. */
function stuckText(findings: readonly Finding[], text: FindingText, top: number): string[] {
  if (findings.length === 0) return []
  return [
    '',
    'Unfinished at the end of the recording, which is no accusation:',
    ...findings.slice(0, top).flatMap(finding => ['', ...text.finding(finding, '- ')]),
    ...moreText(findings.length - top, 'finding'),
  ]
}

/** Orders held pages: those that may be forgotten first, then those that are held longest. */
function byDoubtAndAge(held: readonly Finding[]): Finding[] {
  const isDoubtful = (finding: Finding) => Number(finding.held?.doubt !== undefined)
  const age = (finding: Finding) => finding.culprit?.time ?? Infinity
  return [...held].sort((a, b) => isDoubtful(b) - isDoubtful(a) || age(a) - age(b))
}

/** @param held in the order of the report */
function heldText(held: readonly Finding[], account: Account, top: number): string[] {
  if (held.length === 0) return []
  return [
    '',
    `${plural(held.length, 'page')} held at the end, which is no accusation.`,
    ...(held.length > FEW_HELD ? heldBySite(held) : []),
    held.some(finding => finding.held?.doubt)
      ? 'What may be forgotten first, then longest held:'
      : 'Longest held first:',
    ...held.slice(0, top).flatMap(finding => heldLine(finding, account)),
    ...moreText(held.length - top, 'page'),
  ]
}

/** Held pages by the function that took the reference, most pages first. */
function heldBySite(held: readonly Finding[]): string[] {
  const pages = new Map<string, number>()
  for (const { culprit } of held) {
    const site = culprit?.frame ? functionName(culprit.frame) : culprit ? `${culprit.operation} (no stack)` : 'not told'
    pages.set(site, (pages.get(site) ?? 0) + 1)
  }
  const sorted = [...pages].sort((a, b) => b[1] - a[1])
  const rows = sorted.slice(0, SHOWN_SITES).map(([site, n]) => `  ${grouped(n).padStart(9)}  ${site}`)
  return [
    'Pages by the function that took the reference named below:',
    ...rows,
    ...(sorted.length > SHOWN_SITES ? ['             ...'] : []),
  ]
}

const DOUBTS = { exited: 'its task exited', overtaken: 'others that were taken later came back' }

function heldLine(finding: Finding, account: Account): string[] {
  const { culprit } = finding
  const one = finding.references > 1 && culprit ? `, 1 of ${finding.references} references` : ''
  const since = culprit
    ? `${one} since ${timeText(culprit.time, account)} by ${printable(culprit.task)}-${culprit.pid}`
    : ''
  const where = culprit?.frame ? ` in ${siteText(culprit.frame)}` : ''
  const pinned = finding.held?.isPin ? ' pinned' : ''
  const doubt = finding.held?.doubt ? `; ${DOUBTS[finding.held.doubt]}` : ''
  const count = finding.isUncounted ? '' : ` count ${finding.count}`
  return wrap(`${pfnText(finding.pfn)}${count}${pinned}${since}${where}${doubt}`, '  ', '    ')
}

/** Returns a line that says that more is not shown. @param what name of one of the things that are not shown */
function moreText(more: number, what: string): string[] {
  return more > 0 ? ['', `... and ${plural(more, `more ${what}`)}: --top shows more, --json all`] : []
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The account of a recording as text that fits a mail, and as JSON (docs/schema/lastput.trace-1.schema.json). */
import type { Account, PagemapSummary } from '../ledger/account.ts'
import { ACCUSATIONS, type Actor, type ConsequenceFinding, type Finding } from '../ledger/findings.ts'
import type { Damage, Frame } from '../trace/events.ts'
import { printable } from './printable.ts'
import { sentence } from './sentence.ts'
import { frameText, grouped, marginText, pfnText, plural, seconds, timeText, wrap } from './words.ts'

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
  /** References held at the end for less than this (ns) are left out. */
  older?: number | undefined
  /** Findings of each kind that the text shows. */
  top?: number | undefined
}

/** Findings that the filter lets through. */
export function select(account: Account, filter: TraceFilter): Finding[] {
  const range = filter.pagemap === undefined ? undefined : account.pagemaps.find(map => covers(map, filter.pagemap!))
  const end = Math.max(account.info.endTime ?? account.lastTime, account.lastTime)
  return account.findings.filter(finding => {
    const time = finding.culprit?.time ?? finding.life.began ?? account.firstTime
    if (filter.pfn !== undefined && finding.pfn !== filter.pfn) return false
    if (filter.pagemap !== undefined && !(range && covers(range, finding.pfn))) return false
    if (filter.from !== undefined && time < filter.from) return false
    if (filter.to !== undefined && time > filter.to) return false
    return filter.older === undefined || ACCUSATIONS.has(finding.kind) || end - time >= filter.older
  })
}

export function hasAccusation(findings: readonly Finding[]): boolean {
  return findings.some(finding => ACCUSATIONS.has(finding.kind))
}

function covers(map: PagemapSummary, pfn: number): boolean {
  return pfn >= map.firstPfn && pfn <= map.lastPfn
}

// --- text -----------------------------------------------------------------------------------------------------------------

/** The whole report, as lines. */
export function traceText(
  account: Account,
  findings: readonly Finding[],
  damage: readonly Damage[],
  top = 20,
): string[] {
  const accused = findings.filter(finding => ACCUSATIONS.has(finding.kind))
  const held = findings.filter(finding => !ACCUSATIONS.has(finding.kind))
  return [
    ...headText(account),
    ...account.pagemaps.filter(map => map.device).flatMap(pagemapText),
    ...ordinaryText(account.pagemaps.filter(map => !map.device)),
    '',
    ...livesText(account),
    ...damage.flatMap(each => wrap(damageText(each), 'damaged: ', '  ')),
    ...account.notes.flatMap(note => wrap(printable(note), 'note: ', '  ')),
    '',
    accused.length === 0 ? 'Nothing was found.' : `${plural(accused.length, 'finding')}:`,
    ...accused.slice(0, top).flatMap((finding, i) => ['', ...findingText(finding, account, `${i + 1}. `)]),
    ...moreText(accused.length - top, 'findings'),
    ...heldText(held, account, top),
  ]
}

function headText(account: Account): string[] {
  const { info } = account
  const kernel = info.kernel === undefined ? '' : `, Linux ${printable(info.kernel)}`
  const skipped = account.skipped > 0 ? `, ${plural(account.skipped, 'event')} of ordinary pages left out` : ''
  const between = Number.isFinite(account.firstTime)
    ? ` from ${timeText(account.firstTime, account.timeBase)} to ${timeText(account.lastTime, account.timeBase)}`
    : ''
  return [
    ...wrap(`${printable(info.file)}: ${info.format}${kernel}, ${plural(info.cpus, 'CPU')}`, '', '  '),
    ...wrap(`${plural(account.events, 'page_ref event')}${between}${skipped}; ${lostText(account)}`, '', '  '),
    '',
  ]
}

function lostText(account: Account): string {
  const { gaps, events, from, to } = account.lost
  if (gaps === 0) return 'none lost'
  const many = events === undefined ? 'an unknown number' : grouped(events)
  const since = Number.isFinite(from) ? ` from ${timeText(from, account.timeBase)}` : ''
  const until = Number.isFinite(to) ? ` to ${timeText(to, account.timeBase)}` : ''
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
  const { culprit, consequences, moreConsequences } = finding
  const indent = ' '.repeat(first.length)
  const lines = wrap(`${finding.kind} (${finding.certainty}): ${sentenceOf(finding)}.`, first, indent)
  lines.push(`${indent}${countText(finding)}`)
  if (culprit) lines.push(...actorText(culprit, account, indent))
  if (finding.evidence.length > 0) lines.push(`${indent}evidence:`)
  for (const each of finding.evidence) lines.push(...wrap(printable(each), `${indent}- `, `${indent}  `))
  if (finding.margin !== undefined) lines.push(...wrap(marginText(finding.margin), `${indent}- `, `${indent}  `))
  if (consequences.length > 0) lines.push(`${indent}which led to:`)
  for (const each of consequences) lines.push(...wrap(consequenceText(each, account), `${indent}- `, `${indent}  `))
  if (moreConsequences > 0) lines.push(`${indent}- ${moreConsequences} more`)
  return lines
}

/** The count that gave the fault away. */
function countText({ kind, count, expected }: Finding): string {
  const idle = `an idle page has ${expected}`
  if (kind === 'leak' || kind === 'held-at-end' || kind === 'teardown-waits')
    return `count ${count} at the end; ${idle}`
  return `count ${count} before the event that showed it; ${idle}`
}

function actorText(actor: Actor, account: Account, indent: string): string[] {
  const change = actor.delta > 0 ? `+${actor.delta}` : `${actor.delta}`
  const task = `${printable(actor.task)}-${actor.pid}`
  const head = `${timeText(actor.time, account.timeBase)} [${String(actor.cpu).padStart(3, '0')}] ${task}: ${actor.operation} ${change}`
  const shown = actor.stack.slice(0, SHOWN_FRAMES)
  const more = actor.stack.length - shown.length
  return [
    `${indent}${head}`,
    ...shown.map(frame => `${indent}  ${frameText(frame)}`),
    ...(more > 0 ? [`${indent}  (${more} more frames)`] : []),
  ]
}

function consequenceText(each: ConsequenceFinding, account: Account): string {
  const who = each.actor.frame ? ` by ${printable(each.actor.frame.name)}` : ''
  return `${each.kind} on ${pfnText(each.pfn)} at ${timeText(each.time, account.timeBase)}${who}`
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
  const since = culprit
    ? ` since ${timeText(culprit.time, account.timeBase)} by ${printable(culprit.task)}-${culprit.pid}`
    : ''
  const where = culprit?.frame ? ` in ${frameText(culprit.frame)}` : ''
  return wrap(`${pfnText(finding.pfn)} count ${finding.count}${since}${where}`, '  ', '    ')
}

function moreText(more: number, what: string): string[] {
  return more > 0 ? ['', `... and ${grouped(more)} more ${what}: --top shows more, --json all`] : []
}

export function damageText(damage: Damage): string {
  return `${printable(damage.file)}: offset ${damage.offset}: ${printable(damage.expected)}`
}

// --- JSON -------------------------------------------------------------------------------------------------------------------

/** The account in the shape of schema lastput.trace/1. */
export function traceJson(account: Account, findings: readonly Finding[], damage: readonly Damage[]): object {
  const { timeBase, info, lost } = account
  return {
    schema: 'lastput.trace/1',
    source: {
      file: info.file,
      format: info.format,
      kernel: info.kernel ?? null,
      cpus: info.cpus,
      events: account.events,
      skipped: account.skipped,
      lost: lost.events ?? null,
      gaps: lost.gaps,
      firstTime: seconds(account.firstTime, timeBase),
      lastTime: seconds(account.lastTime, timeBase),
      damage: damage.map(({ offset, expected }) => ({ offset, expected })),
    },
    pagemaps: account.pagemaps.map(map => ({
      ...(map.type === undefined ? {} : { type: map.type }),
      firstPfn: pfnText(map.firstPfn),
      lastPfn: pfnText(map.lastPfn),
      pages: map.pages,
      protocol: map.protocol,
      recognisedBy: map.recognisedBy,
    })),
    lives: account.lives,
    findings: findings.map(finding => findingJson(finding, account)),
    pairs: account.pairs.map(({ get, put, lives }) => ({ get: functionJson(get), put: functionJson(put), lives })),
    open: account.open.map(({ get, pfn, ...counts }) => ({ get: functionJson(get), ...counts, pfn: pfnText(pfn) })),
    notes: account.notes,
  }
}

function findingJson(finding: Finding, account: Account): object {
  const { timeBase } = account
  return {
    kind: finding.kind,
    pfn: pfnText(finding.pfn),
    life: {
      began: finding.life.began === undefined ? null : seconds(finding.life.began, timeBase),
      ended: finding.life.ended === undefined ? null : seconds(finding.life.ended, timeBase),
      events: finding.history.map(event => ({
        ...actorJson(event, timeBase),
        count: event.count,
        partner: event.partner ?? null,
      })),
    },
    count: finding.count,
    expected: finding.expected,
    references: finding.references,
    certainty: finding.certainty,
    margin: finding.margin ?? null,
    culprit: finding.culprit ? actorJson(finding.culprit, timeBase) : null,
    ...(finding.counterpart === undefined ? {} : { counterpart: counterpartJson(finding.counterpart) }),
    consequences: finding.consequences.map(each => ({
      kind: each.kind,
      pfn: pfnText(each.pfn),
      time: seconds(each.time, timeBase),
      count: each.count,
      ...functionJson(each.actor.frame),
      task: each.actor.task,
      pid: each.actor.pid,
      cpu: each.actor.cpu,
    })),
    moreConsequences: finding.moreConsequences,
    evidence: finding.evidence,
  }
}

function counterpartJson(counterpart: NonNullable<Finding['counterpart']>): object {
  return { ...functionJson(counterpart.frame), lives: counterpart.lives }
}

export function actorJson(actor: Actor, timeBase: bigint): object {
  return {
    ...functionJson(actor.frame),
    stack: actor.stack.map(frameJson),
    task: actor.task,
    pid: actor.pid,
    cpu: actor.cpu,
    time: seconds(actor.time, timeBase),
    operation: actor.operation,
    val: actor.delta,
  }
}

function functionJson(frame: Frame | undefined): object {
  if (!frame) return { function: null }
  return frameJson(frame)
}

function frameJson(frame: Frame): object {
  return {
    function: frame.name,
    ...(frame.offset === undefined ? {} : { offset: frame.offset }),
    ...(frame.module === undefined ? {} : { module: frame.module }),
    ...(frame.address === 0n ? {} : { address: `0x${frame.address.toString(16)}` }),
  }
}

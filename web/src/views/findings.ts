// SPDX-License-Identifier: GPL-2.0-or-later
/** The list of a recording's findings, grouped by cause. */
import { printable } from '../../../src/report/printable.ts'
import { grouped, plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { CauseJson, ReportJson, TraceJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import { type FilterTexts, FindingFilter } from '../finding-filter.ts'
import { causeSentence, functionText, rangeText, type Style, styleOf, type Times, whereLine } from '../words.ts'
import { filterForm } from './filter-form.ts'
import { findingBody, findingItem, kindHeader, sentenceTitle, stackElement } from './finding.ts'
import { summary } from './summary.ts'
import type { Context, View } from './view.ts'

/** Number of entries, and of findings below a cause, that are shown at once; a button shows more. Then of ranges of its pages. */
const SHOWN = 100
const SHOWN_RANGES = 8

/** A cause with those of its findings that pass the filter, or a finding without a cause. */
interface Entry {
  cause: CauseJson | undefined
  findings: number[]
}

/** @param hasPages true if the view of pages over time is available */
export function findingsView(context: Context, trace: TraceJson, hasPages: boolean): View {
  const style = styleOf(trace)
  const entries = entriesOf(trace)
  const list = h('ol', { class: 'findings' })
  const reports = h('div')
  const status = h('p', { class: 'muted', role: 'status' })
  const form = filterForm(context, trace, style.times, status, refresh)

  function refresh(texts: FilterTexts): void {
    const filter = new FindingFilter(texts, trace, style.times)
    const chosen = entries
      .map(({ cause, findings }) => ({
        cause,
        findings: findings.filter(i => filter.passesFinding(trace.findings[i]!)),
      }))
      .filter(({ findings }) => findings.length > 0)
    const shown = chosen.reduce((sum, { findings }) => sum + findings.length, 0)
    const causes = trace.causes.length > 0 ? `, ${plural(trace.causes.length, 'cause')}` : ''
    status.textContent = `${grouped(shown)} of ${plural(trace.findings.length, 'finding')}${causes}`
    list.replaceChildren()
    show(chosen, 0)
    reports.replaceChildren(
      ...reportsList(
        trace.reports.filter(report => filter.passesReport(report)),
        style.times,
      ),
    )
  }

  function show(chosen: readonly Entry[], from: number): void {
    list.append(...chosen.slice(from, from + SHOWN).map(entry => entryItem(context, trace, entry, style, hasPages)))
    if (chosen.length <= from + SHOWN) return
    const more = h('button', { type: 'button' }, `Show ${Math.min(SHOWN, chosen.length - from - SHOWN)} more`)
    const holder = h('li', { class: 'more' }, more)
    more.addEventListener('click', () => {
      holder.remove()
      show(chosen, from + SHOWN)
    })
    list.append(holder)
  }

  form.refresh()
  const isEmpty = trace.findings.length === 0 && trace.reports.length === 0
  return {
    element: h(
      'div',
      {},
      summary(trace),
      ...(isEmpty ? [h('p', { class: 'nothing' }, nothingText(trace))] : [form.element]),
      list,
      reports,
    ),
    keys: [['j k', 'the finding below, the finding above']],
    onKey: key => step(list, key),
  }
}

function nothingText({ complete, reasons }: TraceJson): string {
  if (complete) return 'Nothing was found.'
  return `Nothing was found. But something may have been missed: ${reasons.map(({ text }) => printable(text)).join('; ')}.`
}

/** Returns causes first, then findings without a cause, which only report. */
function entriesOf({ causes, findings }: TraceJson): Entry[] {
  const caused = new Set(causes.flatMap(cause => cause.findings))
  const alone = findings.flatMap((_, i) => (caused.has(i) ? [] : [{ cause: undefined, findings: [i] }]))
  return [...causes.map(cause => ({ cause, findings: cause.findings })), ...alone]
}

function entryItem(
  context: Context,
  trace: TraceJson,
  { cause, findings }: Entry,
  style: Style,
  hasPages: boolean,
): HTMLElement {
  const [first] = findings as [number]
  if (!cause || cause.findings.length === 1) return findingItem(context, trace.findings[first]!, first, style, hasPages)
  return causeItem(context, trace, cause, findings, style)
}

/** Shows a cause of several findings: what they have in common, one of them in full, and a list of all. */
function causeItem(
  context: Context,
  { findings }: TraceJson,
  cause: CauseJson,
  wanted: readonly number[],
  style: Style,
): HTMLElement {
  const [first] = wanted as [number]
  const example = findings[first]!
  const { pages } = cause
  const { times } = style
  const ranges = pages.slice(0, SHOWN_RANGES).map(rangeText).join(', ')
  const more = pages.length > SHOWN_RANGES ? ` and ${plural(pages.length - SHOWN_RANGES, 'more range')}` : ''
  const links = wanted.slice(0, SHOWN).map(i => {
    const { pfn, certainty, culprit, candidates } = findings[i]!
    const at = (culprit ?? candidates[0])?.time
    return h(
      'li',
      {},
      h('a', { href: linkTo({ view: 'life', finding: i }) }, `page ${pfn}`),
      `${at === undefined ? '' : ` at ${times.text(at)}`}, ${certainty}`,
    )
  })
  return h(
    'li',
    { class: 'finding cause' },
    kindHeader(
      cause,
      `${plural(cause.findings.length, 'finding')}, ${times.text(cause.first)} to ${times.text(cause.last)} ${times.unit}`,
    ),
    sentenceTitle(causeSentence(cause, example, style.names), linkTo({ view: 'life', finding: first })),
    h('p', { class: 'muted' }, `Pages ${ranges}${more}`),
    h('p', {}, `One of them in full, page ${example.pfn}:`),
    ...findingBody(context, example, style),
    h(
      'details',
      {},
      h('summary', {}, `All ${plural(wanted.length, 'finding')}`),
      h('ul', { class: 'each' }, ...links),
      wanted.length > SHOWN && h('p', { class: 'muted' }, `and ${plural(wanted.length - SHOWN, 'more finding')}`),
    ),
  )
}

/** Lists the reports that the kernel itself made during the recording. */
function reportsList(reports: readonly ReportJson[], times: Times): HTMLElement[] {
  if (reports.length === 0) return []
  const one = (report: ReportJson) => {
    const { detector, at, page, times: again } = report
    const about = page === null ? '' : `, by a task that was at page ${page}`
    const title = [name(detector), ' at ', name(report.function === null ? at : functionText(report))]
    return h(
      'li',
      { class: 'finding' },
      h('h3', {}, ...title, `${about}${again > 1 ? `, ${grouped(again)} times` : ''}`),
      h('p', { class: 'actor' }, whereLine(report, times)),
      report.stack.length > 0 && stackElement(report),
    )
  }
  return [
    h(
      'section',
      { 'aria-label': 'Reports of the kernel’s own' },
      h('h2', {}, `${plural(reports.length, 'report')} of the kernel’s own`),
      h('ol', { class: 'findings' }, ...reports.slice(0, SHOWN).map(one)),
      reports.length > SHOWN && h('p', { class: 'muted' }, `and ${plural(reports.length - SHOWN, 'more report')}`),
    ),
  ]
}

/** Moves the focus through the list with j and k. @returns false for other keys */
function step(list: HTMLElement, key: string): boolean {
  if (key !== 'j' && key !== 'k') return false
  const links = [...list.querySelectorAll<HTMLElement>('h2 a')]
  const at = links.indexOf(document.activeElement as HTMLElement)
  links[Math.max(0, Math.min(links.length - 1, at + (key === 'j' ? 1 : -1)))]?.focus()
  return true
}

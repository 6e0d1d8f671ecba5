// SPDX-License-Identifier: GPL-2.0-or-later
/** The findings of a recording: what was found, how sure it is, why, and what followed from it. */
import { printable } from '../../../src/report/printable.ts'
import { grouped, marginText, plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { ConsequenceJson, FindingJson, ReportJson, TraceJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import { actorLine, findingMail, findingSentence, functionText, Times, whereLine } from '../words.ts'
import { summary } from './summary.ts'
import type { Context, View } from './view.ts'

/** Findings put on the page at once; more come by a button. */
const SHOWN = 100

export function findingsView(context: Context, trace: TraceJson): View {
  const { address } = context
  const times = new Times(trace)
  const list = h('ol', { class: 'findings' })
  const status = h('p', { class: 'muted', role: 'status' })
  const text = h('input', {
    type: 'search',
    placeholder: 'function, task or page',
    'aria-label': 'Filter by function, task or page',
    value: address.get('filter') ?? '',
    on: { input: () => refresh(text.value, kind.value) },
  })
  const kinds = [...new Set(trace.findings.map(finding => finding.kind))]
  const kind = h(
    'select',
    { 'aria-label': 'Kind', on: { change: () => refresh(text.value, kind.value) } },
    h('option', { value: '' }, 'all kinds'),
    ...kinds.map(each => h('option', { value: each }, each)),
  )
  kind.value = kinds.some(each => each === address.get('kind')) ? address.get('kind')! : ''

  function refresh(filter: string, wanted: string): void {
    address.note({ filter, kind: wanted })
    const chosen = trace.findings.flatMap((finding, i) =>
      (wanted === '' || finding.kind === wanted) && mentions(finding, filter) ? [{ finding, i }] : [],
    )
    status.textContent = `${chosen.length} of ${plural(trace.findings.length, 'finding')}`
    list.replaceChildren()
    show(chosen, 0)
  }

  function show(chosen: { finding: FindingJson; i: number }[], from: number): void {
    list.append(...chosen.slice(from, from + SHOWN).map(({ finding, i }) => item(context, finding, i, times)))
    if (chosen.length <= from + SHOWN) return
    const more = h('button', { type: 'button' }, `Show ${Math.min(SHOWN, chosen.length - from - SHOWN)} more`)
    const holder = h('li', { class: 'more' }, more)
    more.addEventListener('click', () => {
      holder.remove()
      show(chosen, from + SHOWN)
    })
    list.append(holder)
  }

  refresh(text.value, kind.value)
  const reports = reportsList(trace.reports ?? [], times)
  const none = !reports && h('p', { class: 'nothing' }, 'Nothing was found.')
  const many = [h('div', { class: 'filters', role: 'search' }, text, kind, status), list]
  return {
    element: h('div', {}, summary(trace), ...(trace.findings.length === 0 ? [none] : many), reports),
    onKey: key => step(list, key),
  }
}

/** What the kernel itself reported while it was recorded. */
function reportsList(reports: readonly ReportJson[], times: Times): HTMLElement | false {
  if (reports.length === 0) return false
  const one = (report: ReportJson) => {
    const { detector, at, page, times: again } = report
    const about = page === null ? '' : `, by a task that was at page ${page}`
    const title = [name(detector), ' at ', name(report.function === null ? at : functionText(report))]
    return h(
      'li',
      { class: 'finding' },
      h('h3', {}, ...title, `${about}${again > 1 ? `, ${grouped(again)} times` : ''}`),
      h('p', { class: 'actor' }, whereLine(report, times)),
      report.stack.length > 0 && stack(report.stack.map(functionText)),
    )
  }
  return h(
    'section',
    { 'aria-label': 'Reports of the kernel’s own' },
    h('h2', {}, `${plural(reports.length, 'report')} of the kernel’s own`),
    h('ol', { class: 'findings' }, ...reports.slice(0, SHOWN).map(one)),
    reports.length > SHOWN && h('p', { class: 'muted' }, `and ${plural(reports.length - SHOWN, 'more report')}`),
  )
}

/** j and k walk the list. */
function step(list: HTMLElement, key: string): boolean {
  if (key !== 'j' && key !== 'k') return false
  const links = [...list.querySelectorAll<HTMLElement>('h2 a')]
  const at = links.indexOf(document.activeElement as HTMLElement)
  links[Math.max(0, Math.min(links.length - 1, at + (key === 'j' ? 1 : -1)))]?.focus()
  return true
}

function mentions(finding: FindingJson, filter: string): boolean {
  if (filter === '') return true
  const { culprit, pfn } = finding
  const words = [pfn, culprit?.task ?? '', ...(culprit?.stack ?? []).map(frame => frame.function ?? '')]
  return words.some(word => word.toLowerCase().includes(filter.toLowerCase()))
}

function item(context: Context, finding: FindingJson, i: number, times: Times): HTMLElement {
  const { culprit } = finding
  const said = `${capital(findingSentence(finding))}.`
  // What waits for no page has no life to be looked at.
  const isOfPage = finding.references > 0 || finding.life.events.length > 0
  const title = isOfPage ? h('a', { href: linkTo({ view: 'life', finding: i }) }, said) : said
  return h(
    'li',
    { class: 'finding' },
    h(
      'header',
      {},
      h('span', { class: `kind ${finding.kind}` }, finding.kind),
      h('span', { class: 'certainty' }, finding.certainty),
      isOfPage && h('span', { class: 'muted' }, countText(finding)),
    ),
    h('h2', {}, title),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        {},
        culprit !== null && h('p', { class: 'actor' }, actorLine(culprit, times)),
        culprit !== null && culprit.stack.length > 0 && stack(culprit.stack.map(functionText)),
      ),
      h('div', {}, evidenceList(finding), consequences(finding, times)),
    ),
    h('p', { class: 'buttons' }, copyButton(context, finding, times)),
  )
}

function countText({ count, expected }: FindingJson): string {
  return count === expected ? `count ${count}, that of a free page` : `count ${count}, expected ${expected}`
}

function evidenceList({ evidence, margin }: FindingJson): HTMLElement | false {
  if (evidence.length === 0 && margin === null) return false
  return h(
    'ul',
    { class: 'evidence', 'aria-label': 'Evidence' },
    ...evidence.map(each => h('li', {}, printable(each))),
    margin !== null && h('li', {}, marginText(margin)),
  )
}

function stack(frames: string[]): HTMLElement {
  return h('pre', { class: 'stack' }, frames.join('\n'))
}

function consequences(
  { consequences: list, moreConsequences, culprit }: FindingJson,
  times: Times,
): HTMLElement | false {
  if (list.length === 0) return false
  const more = moreConsequences > 0 ? `, and ${moreConsequences} more` : ''
  const line = (each: ConsequenceJson) => {
    const later = culprit ? `, ${times.span(each.time - culprit.time)} later` : ''
    return h(
      'li',
      {},
      `${each.kind} on ${each.pfn} at ${times.text(each.time)}${later} by `,
      name(each.function ?? '?'),
    )
  }
  return h(
    'details',
    {},
    h('summary', {}, `Led to ${list.length} other thing${list.length === 1 ? '' : 's'}${more}`),
    h('ul', {}, ...list.map(line)),
  )
}

function copyButton({ say }: Context, finding: FindingJson, times: Times): HTMLElement {
  const button = h('button', { type: 'button' }, 'Copy for a mail')
  button.addEventListener('click', async () => {
    const done = await copy(findingMail(finding, times))
    button.textContent = done ? 'Copied' : 'The browser refused'
    say(button.textContent)
    setTimeout(() => (button.textContent = 'Copy for a mail'), 2000)
  })
  return button
}

/** The clipboard of the browser is not there for a file that was opened from disk, in some. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = h('textarea', {}, text)
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

function capital(text: string): string {
  return text.startsWith('page ') ? `P${text.slice(1)}` : text
}

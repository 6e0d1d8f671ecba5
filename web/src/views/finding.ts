// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows one finding: kind, certainties, sentence, culprit or candidates, evidence and consequences. */
import { kindOf } from '../../../src/ledger/findings/kinds.ts'
import { byWhom, type Certainties, certaintyText, countText } from '../../../src/report/finding-words.ts'
import { printable } from '../../../src/report/printable.ts'
import { promiseLine } from '../../../src/report/promises.ts'
import { plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { CandidateJson, ConsequenceJson, FindingJson, FunctionJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import { actorLine, actorName, findingMail, findingSentence, functionText, type Style } from '../words.ts'
import type { Context } from './view.ts'

/** True if the finding is about a page, and not about a call of memunmap_pages(): only then is there a lifetime to show. */
function isOfPage({ references, lifetime }: FindingJson): boolean {
  return references > 0 || lifetime.events.length > 0
}

/** Link to a finding: to its lifetime, or without one to its entry in the list. */
export function findingLink(finding: FindingJson, i: number): string {
  if (isOfPage(finding)) return linkTo({ view: 'life', finding: i })
  return linkTo({ view: 'findings', kind: finding.kind, pages: finding.pfn })
}

/** @param hasPages true if the view of pages over time is available */
export function findingItem(
  context: Context,
  finding: FindingJson,
  i: number,
  style: Style,
  hasPages: boolean,
): HTMLElement {
  const isLife = isOfPage(finding)
  const onPages = hasPages ? linkTo({ view: 'pages', page: finding.pfn }) : undefined
  return h(
    'li',
    { class: 'finding' },
    kindHeader(finding, isLife ? countText(finding) : ''),
    sentenceTitle(findingSentence(finding, style.names), isLife ? findingLink(finding, i) : onPages),
    ...findingBody(context, finding, style),
  )
}

/** The heading of a finding: kind, certainties and further text. */
export function kindHeader(of: Certainties, more: string): HTMLElement {
  const isAccusation = kindOf(of.kind)?.accuses !== false
  return h(
    'header',
    {},
    h(
      'span',
      { class: `kind ${isAccusation ? 'accuses' : 'reports'} ${of.kind}`, title: promiseLine(of.kind) ?? '' },
      printable(of.kind),
    ),
    h('span', { class: 'certainty' }, certaintyText(of)),
    more !== '' && h('span', { class: 'muted' }, more),
  )
}

export function sentenceTitle(sentence: string, href: string | undefined): HTMLElement {
  const said = `${capital(sentence)}.`
  return h('h2', {}, href === undefined ? said : h('a', { href }, said))
}

function capital(text: string): string {
  return /^(page|one) /.test(text) ? `${text[0]!.toUpperCase()}${text.slice(1)}` : text
}

/** The parts of a finding below its sentence. */
export function findingBody(context: Context, finding: FindingJson, style: Style): HTMLElement[] {
  const { culprit, candidates } = finding
  const who =
    byWhom(culprit, candidates) === 'candidates'
      ? [candidateList(candidates, style)]
      : [
          culprit !== null && h('p', { class: 'actor' }, actorLine(culprit, style.times)),
          culprit !== null && culprit.stack.length > 0 && stackElement(culprit),
        ]
  return [
    h(
      'div',
      { class: 'columns' },
      h('div', {}, ...who),
      h(
        'div',
        {},
        evidenceList(finding),
        culprit !== null && culpritReasons(candidates, style),
        consequences(finding, style),
      ),
    ),
    h(
      'p',
      { class: 'buttons' },
      copyButton(context, () => findingMail(finding, style)),
    ),
  ]
}

export function stackElement({ stack }: { stack: readonly FunctionJson[] }): HTMLElement {
  return h('pre', { class: 'stack' }, stack.map(functionText).join('\n'))
}

/** The list of candidates, the most likely first. */
function candidateList(candidates: readonly CandidateJson[], style: Style): HTMLElement {
  const one = (candidate: CandidateJson) =>
    h(
      'li',
      {},
      name(actorName(style.names, candidate), 'function'),
      candidate.reasons.length > 0 && h('ul', {}, ...candidate.reasons.map(each => h('li', {}, printable(each)))),
      h('p', { class: 'actor' }, actorLine(candidate, style.times)),
      candidate.stack.length > 0 && stackElement(candidate),
    )
  return h('ol', { class: 'candidates', 'aria-label': 'Who could be it, the likeliest first' }, ...candidates.map(one))
}

function evidenceList({ evidence }: FindingJson): HTMLElement | false {
  if (evidence.length === 0) return false
  return h('ul', { class: 'evidence', 'aria-label': 'Evidence' }, ...evidence.map(each => h('li', {}, printable(each))))
}

/** The evidence against the culprit, and the next candidates. */
function culpritReasons([culprit, ...others]: readonly CandidateJson[], style: Style): HTMLElement | false {
  if (!culprit || (culprit.reasons.length === 0 && others.length === 0)) return false
  const next = (candidate: CandidateJson) =>
    h(
      'li',
      {},
      'next: ',
      name(actorName(style.names, candidate), 'function'),
      ` (${candidate.reasons.map(printable).join('; ')})`,
    )
  return h(
    'div',
    {},
    h('p', { class: 'muted' }, 'Why this culprit:'),
    h(
      'ul',
      { class: 'why', 'aria-label': 'Why this culprit' },
      ...culprit.reasons.map(each => h('li', {}, printable(each))),
      ...others.slice(0, 1).map(next),
      others.length > 1 && h('li', {}, plural(others.length - 1, 'more candidate')),
    ),
  )
}

function consequences(
  { consequences: list, moreConsequences, culprit }: FindingJson,
  { times }: Style,
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
    h('summary', {}, `Led to ${plural(list.length, 'other thing')}${more}`),
    h('ul', {}, ...list.map(line)),
  )
}

/** @param text returns the text to copy */
export function copyButton({ say }: Context, text: () => string): HTMLElement {
  const button = h('button', { type: 'button' }, 'Copy for a mail')
  button.addEventListener('click', async () => {
    const done = await copy(text())
    button.textContent = done ? 'Copied' : 'The browser refused'
    say(button.textContent)
    setTimeout(() => (button.textContent = 'Copy for a mail'), 2000)
  })
  return button
}

/** Copies text. Some browsers offer no `navigator.clipboard` to pages opened from disk, hence the fallback. */
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

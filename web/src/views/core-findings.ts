// SPDX-License-Identifier: GPL-2.0-or-later
/** The list of a dump's findings beside its map. Accusations are listed one by one, pages that are merely held by holder. */
import { CORE_ACCUSATIONS, type CoreFinding, pageCount } from '../../../src/core/finding.ts'
import { coreSubject, type HeldGroup, heldGroups, heldSentence } from '../../../src/report/core-words.ts'
import { printable } from '../../../src/report/printable.ts'
import { grouped, pfnText, plural } from '../../../src/report/words.ts'
import type { CoreDocument } from '../core/document.ts'
import { h } from '../dom.ts'
import type { Context } from './view.ts'

/** Number of entries shown at once. A button shows more. */
const SHOWN = 100

/** A finding that accuses, or adjacent pages that have the same holders. */
export interface Entry {
  kind: string
  first: CoreFinding
  pages: readonly { first: number; end: number }[]
  sentence: string
  /** The searchable text, in lower case. */
  words: string
}

export class FindingList {
  readonly element: HTMLElement
  readonly #entries: readonly Entry[]
  readonly #list = h('ol', { class: 'findings' })
  readonly #status = h('p', { class: 'muted', role: 'status' })
  readonly #choose: (entry: Entry) => void

  /** @param choose called with the clicked entry */
  constructor({ address }: Context, core: CoreDocument, choose: (entry: Entry) => void) {
    this.#choose = choose
    this.#entries = entriesOf(core.findings)
    const kinds = [...new Set(this.#entries.map(({ kind }) => kind))]
    const changed = () => {
      address.note({ filter: text.value, kind: kind.value })
      this.#refresh(text.value.toLowerCase(), kind.value)
    }
    const text = h('input', {
      type: 'search',
      placeholder: 'task, cache or page',
      'aria-label': 'Filter by task, cache or page',
      value: address.get('filter') ?? '',
      on: { input: changed },
    })
    const options = kinds.map(each => h('option', { value: each }, printable(each)))
    const kind = h(
      'select',
      { 'aria-label': 'Kind', on: { change: changed } },
      h('option', { value: '' }, 'all kinds'),
      ...options,
    )
    kind.value = kinds.find(each => each === address.get('kind')) ?? ''
    const filters = h('div', { class: 'filters', role: 'search' }, text, kind, this.#status)
    const none = h('p', { class: 'nothing' }, nothingText(core))
    this.element = h(
      'section',
      { class: 'core-findings', 'aria-label': 'Findings' },
      ...(this.#entries.some(({ first }) => CORE_ACCUSATIONS.has(first.kind)) ? [] : [none]),
      ...(this.#entries.length === 0 ? [] : [filters, this.#list]),
    )
    this.#refresh(text.value.toLowerCase(), kind.value)
  }

  /** Moves the focus from entry to entry. */
  step(by: number): void {
    const buttons = [...this.#list.querySelectorAll<HTMLElement>('h2 button')]
    const at = buttons.indexOf(document.activeElement as HTMLElement)
    buttons[Math.max(0, Math.min(buttons.length - 1, at + by))]?.focus()
  }

  #refresh(filter: string, wanted: string): void {
    const chosen = this.#entries.filter(
      ({ kind, words }) => (wanted === '' || kind === wanted) && words.includes(filter),
    )
    const of = chosen.length === this.#entries.length ? '' : `${grouped(chosen.length)} of `
    this.#status.textContent = `${of}${grouped(this.#entries.length)} listed`
    this.#list.replaceChildren()
    this.#show(chosen, 0)
  }

  #show(chosen: readonly Entry[], from: number): void {
    this.#list.append(...chosen.slice(from, from + SHOWN).map(entry => this.#item(entry)))
    if (chosen.length <= from + SHOWN) return
    const more = h('button', { type: 'button' }, `Show ${Math.min(SHOWN, chosen.length - from - SHOWN)} more`)
    const holder = h('li', { class: 'more' }, more)
    more.addEventListener('click', () => {
      holder.remove()
      this.#show(chosen, from + SHOWN)
    })
    this.#list.append(holder)
  }

  #item(entry: Entry): HTMLElement {
    const { kind, first, sentence } = entry
    const accuses = CORE_ACCUSATIONS.has(first.kind)
    const title = h('button', { type: 'button', on: { click: () => this.#choose(entry) } }, printable(sentence))
    return h(
      'li',
      { class: 'finding' },
      h(
        'header',
        {},
        h('span', { class: `kind ${accuses ? 'accuses' : 'reports'}` }, printable(kind)),
        accuses && h('span', { class: 'certainty' }, printable(first.certainty)),
      ),
      h('h2', {}, title),
      accuses && first.evidence[0] !== undefined && h('p', { class: 'muted' }, printable(first.evidence[0])),
    )
  }
}

function entriesOf(findings: readonly CoreFinding[]): Entry[] {
  const accused = findings.filter(({ kind }) => CORE_ACCUSATIONS.has(kind))
  const held = heldGroups(findings.filter(({ kind }) => !CORE_ACCUSATIONS.has(kind)))
  return [...accused.map(accusation), ...held.map(heldEntry)]
}

function accusation(finding: CoreFinding): Entry {
  const { kind, pages, evidence, holders } = finding
  const said = coreSubject(finding)
  // A function's name at the beginning keeps its case.
  const sentence = /^(page|folio) /.test(said) ? `${said[0]!.toUpperCase()}${said.slice(1)}` : said
  const words = [sentence, ...evidence, ...holders.map(holder => holder.words)].join('\n').toLowerCase()
  return { kind, first: finding, pages, sentence, words }
}

function heldEntry(group: HeldGroup): Entry {
  const { first, last, pages } = group
  const end = last.pfn + pageCount(last)
  const sentence = pages === 1 ? `Page ${heldSentence(group)}` : `Pages ${heldSentence(group)}`
  const numbers = pages <= SHOWN ? Array.from({ length: pages }, (_, i) => pfnText(first.pfn + i)) : []
  const words = [sentence, ...numbers, ...first.holders.map(holder => holder.words)].join('\n').toLowerCase()
  return { kind: first.kind, first, pages: [{ first: first.pfn, end }], sentence, words }
}

function nothingText({ complete, reasons }: CoreDocument): string {
  if (complete) return 'Nothing wrong was found.'
  const missed = reasons.length === 1 ? 'a reason' : plural(reasons.length, 'reason')
  return `Nothing wrong was found, but not all could be judged: ${missed} above.`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The frame around the views: which there are for a document, the one that the address names, keys, errors. */
import { Address, linkTo } from './address.ts'
import type { Document } from './documents.ts'
import { h, takesText } from './dom.ts'
import type { LiveRecording } from './recording.ts'
import { findingsView } from './views/findings.ts'
import { lifeView } from './views/life.ts'
import { sitesView } from './views/sites.ts'
import type { Context, View } from './views/view.ts'

interface Tab {
  view: string
  title: string
}

export class Shell {
  readonly #address = new Address()
  readonly #nav = h('nav', { 'aria-label': 'Views' })
  readonly #main = h('main', { tabindex: -1, id: 'main' })
  readonly #status = h('p', { class: 'hidden', role: 'status' })
  #document: Document | undefined
  #recording: LiveRecording | undefined
  #view: View | undefined

  constructor(body: HTMLElement) {
    const skip = h(
      'a',
      { class: 'skip', href: '#main', on: { click: event => this.#skip(event) } },
      'Skip to the content',
    )
    const brand = h('a', { class: 'brand', href: '#' }, 'lastput')
    body.replaceChildren(skip, h('header', { class: 'bar' }, brand, this.#nav), this.#main, this.#status)
    this.#address.onChange = () => this.#show()
    addEventListener('keydown', event => this.#onKey(event))
  }

  /** Nothing is open. */
  welcome(): void {
    this.#main.replaceChildren(h('h1', {}, 'lastput'))
  }

  open(opened: Document, recording?: LiveRecording): void {
    this.#document = opened
    this.#recording = recording
    this.#show()
  }

  fail(message: string): void {
    this.#main.replaceChildren(h('p', { class: 'failure', role: 'alert' }, message))
  }

  #skip(event: Event): void {
    event.preventDefault()
    this.#main.focus()
  }

  #show(): void {
    const opened = this.#document
    if (!opened) {
      this.welcome()
      return
    }
    this.#view?.gone?.()
    const tabs = tabsOf(opened)
    const wanted = this.#address.get('view') ?? tabs[0]!.view
    this.#nav.replaceChildren(
      ...tabs.map(({ view, title }) =>
        h('a', { href: linkTo({ view }), 'aria-current': view === wanted ? 'page' : undefined }, title),
      ),
    )
    try {
      this.#view = viewOf(wanted, this.#context(opened))
      this.#main.replaceChildren(this.#view.element)
      this.#view.shown?.()
      document.title = `${this.#main.querySelector('h1')?.textContent ?? ''} - lastput`
    } catch (error) {
      this.fail(`this view cannot be shown: ${(error as Error).message}`)
    }
    scrollTo(0, 0)
  }

  #context(opened: Document): Context {
    return {
      address: this.#address,
      document: opened,
      recording: this.#recording,
      say: text => {
        this.#status.textContent = text
      },
    }
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || takesText(event.target)) return
    if (this.#view?.onKey?.(event.key)) event.preventDefault()
  }
}

function tabsOf(opened: Document): Tab[] {
  switch (opened.kind) {
    case 'trace':
      return [
        { view: 'findings', title: 'Findings' },
        { view: 'sites', title: 'Sites' },
      ]
    default:
      return [{ view: 'verdicts', title: 'Verdicts' }]
  }
}

function viewOf(wanted: string, context: Context): View {
  const { document: opened, address } = context
  if (opened.kind !== 'trace') throw new Error('not yet')
  const { trace } = opened
  if (wanted === 'sites') return sitesView(context, trace)
  if (wanted !== 'life') return findingsView(context, trace)
  const finding = trace.findings[address.index('finding', trace.findings.length) ?? -1]
  if (!finding) throw new Error('there is no such finding')
  return lifeView(context, { life: { pfn: finding.pfn, ...finding.life }, finding, idle: finding.expected, trace })
}

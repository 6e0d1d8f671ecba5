// SPDX-License-Identifier: GPL-2.0-or-later
/** The frame around the views: what is open, which views there are for it, the one that the address names, keys, errors. */
import { Address, linkTo } from './address.ts'
import { h, takesText } from './dom.ts'
import type { ReadingOptions } from './messages.ts'
import { type Opened, openBlob } from './opening.ts'
import { counterexampleView, findCounterexample } from './views/counterexample.ts'
import { findingsView } from './views/findings.ts'
import { lifeView } from './views/life.ts'
import { pagesView } from './views/pages.ts'
import { protocolsView } from './views/protocols.ts'
import { sitesView } from './views/sites.ts'
import { verdictsView } from './views/verdicts.ts'
import type { Context, View } from './views/view.ts'
import { EXAMPLES, type Welcome, welcome } from './views/welcome.ts'

interface EmbeddedRecording {
  name: string
  base64: string
  options: ReadingOptions
}

interface Tab {
  view: string
  title: string
}

export class Shell {
  readonly #address = new Address()
  readonly #nav = h('nav', { 'aria-label': 'Views' })
  readonly #main = h('main', { tabindex: -1, id: 'main' })
  readonly #status = h('p', { class: 'hidden', role: 'status' })
  readonly #welcome: Welcome = welcome(file => void this.#read(file.name, file))
  #opened: Opened | undefined
  #view: View | undefined
  /** Example that is open or being read. */
  #example: string | undefined

  /** @param takesFiles whether files may be opened: a report shows its own data only */
  constructor(body: HTMLElement, takesFiles: boolean) {
    const skip = h(
      'a',
      { class: 'skip', href: '#main', on: { click: event => this.#skip(event) } },
      'Skip to the content',
    )
    const brand = h('a', { class: 'brand', href: '#' }, 'lastput')
    body.replaceChildren(skip, h('header', { class: 'bar' }, brand, this.#nav), this.#main, this.#status)
    this.#address.onChange = () => this.#follow()
    addEventListener('keydown', event => this.#onKey(event))
    if (takesFiles) this.#takeDrops()
  }

  /** Begins with a file that the page was served with, with the example that the address names, or with nothing. */
  start(served: string | undefined): void {
    if (served !== undefined) void this.#load(served, './file')
    else this.#follow()
  }

  open(opened: Opened): void {
    this.#opened?.recording?.close()
    this.#opened = opened
    this.#show()
  }

  /** The recording that a full report holds. */
  async openEmbedded({ name, base64, options }: EmbeddedRecording): Promise<void> {
    const text = atob(base64)
    const bytes = new Uint8Array(text.length)
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
    await this.#read(name, new Blob([bytes]), options)
  }

  fail(message: string): void {
    this.#main.replaceChildren(h('p', { class: 'failure', role: 'alert' }, message))
  }

  // --- files ----------------------------------------------------------------------------------------------------------------

  #takeDrops(): void {
    addEventListener('dragover', event => event.preventDefault())
    addEventListener('drop', event => {
      event.preventDefault()
      const file = event.dataTransfer?.files[0]
      if (!file) return
      this.#example = undefined
      history.pushState(null, '', '#')
      void this.#read(file.name, file)
    })
  }

  async #load(name: string, url: string): Promise<void> {
    this.#showWelcome()
    this.#welcome.progress(name, { events: 0, done: 0, total: undefined })
    try {
      const response = await fetch(url)
      if (!response.ok) throw new Error(`${name} is not there (${response.status})`)
      await this.#read(name, await response.blob())
    } catch (error) {
      this.#welcome.failed((error as Error).message)
    }
  }

  async #read(name: string, blob: Blob, options: ReadingOptions = {}): Promise<void> {
    this.#showWelcome()
    try {
      this.open(await openBlob(name, blob, progress => this.#welcome.progress(name, progress), options))
    } catch (error) {
      this.#welcome.failed((error as Error).message)
    }
  }

  #showWelcome(): void {
    this.#leave()
    this.#nav.replaceChildren()
    this.#main.replaceChildren(this.#welcome.element)
    document.title = 'lastput'
  }

  /** The address has changed: another view, another example, or back to the first screen. */
  #follow(): void {
    const wanted = EXAMPLES.find(({ id }) => id === this.#address.get('example'))
    if (wanted && wanted.id !== this.#example) {
      this.#example = wanted.id
      void this.#load(wanted.title, wanted.file)
    } else if (this.#opened) this.#show()
    else this.#showWelcome()
  }

  // --- views ----------------------------------------------------------------------------------------------------------------

  #leave(): void {
    this.#view?.gone?.()
    this.#view = undefined
  }

  #show(): void {
    this.#leave()
    const opened = this.#opened!
    const tabs = tabsOf(opened)
    const wanted = this.#address.get('view') ?? tabs[0]!.view
    this.#nav.replaceChildren(
      ...tabs.map(({ view, title }) =>
        h('a', { href: linkTo({ view }), 'aria-current': view === wanted ? 'page' : undefined }, title),
      ),
    )
    try {
      this.#view = viewOf(wanted, opened, this.#context())
      this.#main.replaceChildren(this.#view.element)
      this.#view.shown?.()
      document.title = `${this.#main.querySelector('h1')?.textContent ?? ''} - lastput`
    } catch (error) {
      this.fail(`this view cannot be shown: ${(error as Error).message}`)
    }
    scrollTo(0, 0)
  }

  #context(): Context {
    return {
      address: this.#address,
      say: text => {
        this.#status.textContent = text
      },
    }
  }

  #skip(event: Event): void {
    event.preventDefault()
    this.#main.focus()
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || takesText(event.target)) return
    if (this.#view?.onKey?.(event.key)) event.preventDefault()
  }
}

function tabsOf({ document: opened, recording }: Opened): Tab[] {
  if (opened.kind === 'explain') return [{ view: 'protocols', title: 'Protocols' }]
  if (opened.kind !== 'trace') return [{ view: 'verdicts', title: 'Verdicts' }]
  return [
    { view: 'findings', title: 'Findings' },
    ...(recording ? [{ view: 'pages', title: 'Pages over time' }] : []),
    { view: 'sites', title: 'Sites' },
  ]
}

function viewOf(wanted: string, { document: opened, recording }: Opened, context: Context): View {
  if (opened.kind === 'explain') return protocolsView(context, opened.protocols)
  if (opened.kind !== 'trace') {
    if (wanted !== 'counterexample') return verdictsView(context, opened)
    const found = findCounterexample(opened, context.address)
    if (!found) throw new Error('there is no such counterexample')
    return counterexampleView(context, found)
  }
  const { trace } = opened
  if (wanted === 'sites') return sitesView(context, trace)
  if (wanted === 'pages' && recording) return pagesView(context, trace, recording)
  if (wanted !== 'life') return findingsView(context, trace)
  const finding = trace.findings[context.address.index('finding', trace.findings.length) ?? -1]
  if (!finding) throw new Error('there is no such finding')
  return lifeView(context, { life: { pfn: finding.pfn, ...finding.life }, finding, idle: finding.expected, trace })
}

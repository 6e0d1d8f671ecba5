// SPDX-License-Identifier: GPL-2.0-or-later
/** The frame around the views. It opens files, shows the view that the address names, and handles keys and errors. */
import { Address, linkTo } from './address.ts'
import { h, isOwnKey, takesText } from './dom.ts'
import { KeysDialog } from './keys.ts'
import type { Opened } from './opening.ts'
import type { Missing, Source, Sources } from './sources.ts'
import { coreView } from './views/core.ts'
import { executionView, findCounterexample, runView } from './views/counterexample.ts'
import { findingsView } from './views/findings.ts'
import { lawsView } from './views/laws.ts'
import { lifeView } from './views/life.ts'
import { pagesView } from './views/pages.ts'
import { protocolsView } from './views/protocols.ts'
import { reading } from './views/reading.ts'
import { verdictsView } from './views/verdicts.ts'
import type { Context, View } from './views/view.ts'
import { welcome } from './views/welcome.ts'

interface Tab {
  view: string
  title: string
}

export class Shell {
  readonly #address = new Address()
  readonly #sources: Sources
  readonly #nav = h('nav', { 'aria-label': 'Views' })
  readonly #main = h('main', { tabindex: -1, id: 'main' })
  readonly #status = h('p', { class: 'hidden', role: 'status' })
  readonly #keys = new KeysDialog()
  readonly #welcome = welcome(file => this.#take(file))
  /** The source that the address names. `#opened` is its content once it has been read. */
  #source: Source | Missing | undefined
  #reading = false
  #opened: Opened | undefined
  #view: View | undefined

  constructor(body: HTMLElement, sources: Sources) {
    this.#sources = sources
    const skip = h(
      'a',
      { class: 'skip', href: '#main', on: { click: event => this.#skip(event) } },
      'Skip to the content',
    )
    const brand = h('a', { class: 'brand', href: '#' }, 'lastput')
    const keys = h('button', { type: 'button', class: 'help', on: { click: () => this.#showKeys() } }, 'Keys')
    const bar = h('header', { class: 'bar' }, brand, this.#nav, keys)
    body.replaceChildren(skip, bar, this.#main, this.#status, this.#keys.element)
    this.#address.onChange = () => this.follow()
    addEventListener('keydown', event => this.#onKey(event))
    addEventListener('beforeprint', unfold)
    if (sources.add) this.#takeDrops()
  }

  /** Shows the state that the address describes: a view, another file, or the first screen. */
  follow(): void {
    const source = this.#sources.named(this.#address)
    const same = source?.key === this.#source?.key
    if (same && this.#opened) this.#show()
    // While the same source is still being read, nothing is done: when it is read, the address of that time decides.
    else if (!same || !this.#reading) this.#turnTo(source)
  }

  #turnTo(source: Source | Missing | undefined): void {
    this.#leave()
    this.#opened?.recording?.close()
    this.#opened = undefined
    this.#source = source
    if (source && 'open' in source) void this.#open(source)
    else
      this.#showWelcome(
        source && `Drop ${source.missing} again, or choose it, to see this view: only you have the file.`,
      )
  }

  // --- files ----------------------------------------------------------------------------------------------------------------

  #takeDrops(): void {
    addEventListener('dragover', event => event.preventDefault())
    addEventListener('drop', event => {
      event.preventDefault()
      const file = event.dataTransfer?.files[0]
      if (file) this.#take(file)
    })
  }

  /** Opens a user's file. If the address already names the file, its view is kept. */
  #take(file: File): void {
    this.#sources.add!(file)
    if (this.#address.get('file') !== file.name)
      history.pushState(null, '', `#${new URLSearchParams({ file: file.name })}`)
    this.follow()
  }

  async #open(source: Source): Promise<void> {
    const screen = reading(source.name)
    this.#showScreen(screen.element)
    this.#reading = true
    try {
      const opened = await source.open(screen.progress)
      // The user may have opened another source meanwhile.
      if (this.#source !== source) return opened.recording?.close()
      this.#reading = false
      this.#opened = opened
      this.#show()
    } catch (error) {
      if (this.#source !== source) return
      this.#reading = false
      const { message } = error as Error
      if (this.#sources.add) this.#showWelcome(undefined, message)
      else this.#fail(`${source.name} cannot be read: ${message}`)
    }
  }

  #fail(message: string): void {
    this.#main.replaceChildren(h('p', { class: 'failure', role: 'alert' }, message))
  }

  #showWelcome(wish?: string, failure?: string): void {
    this.#welcome.say(wish, failure)
    this.#showScreen(this.#welcome.element)
  }

  #showScreen(element: HTMLElement): void {
    this.#nav.replaceChildren()
    this.#main.replaceChildren(element)
    document.title = 'lastput'
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
      this.#fail(`this view cannot be shown: ${(error as Error).message}`)
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
    const { key } = event
    if (event.ctrlKey || event.metaKey || event.altKey || this.#keys.element.open) return
    if (isOwnKey(event.target, key)) {
      if (key === 'Escape' && takesText(event.target)) this.#main.focus()
      return
    }
    if (key === '?') this.#showKeys()
    else if ((key === '/' && this.#focusSearch()) || this.#view?.onKey?.(key)) event.preventDefault()
  }

  #showKeys(): void {
    this.#keys.show(this.#view?.keys ?? [])
  }

  /** Focuses the search field of the view. @returns false if the view has none */
  #focusSearch(): boolean {
    const search = this.#main.querySelector<HTMLInputElement>('input[type="search"]')
    search?.focus()
    search?.select()
    return search !== null
  }
}

/** Opens all folded parts before printing, since their content would not be printed. */
function unfold(): void {
  for (const details of document.querySelectorAll('details')) details.open = true
}

function tabsOf({ document: opened, recording }: Opened): Tab[] {
  if (opened.kind === 'explain') return [{ view: 'protocols', title: 'Protocols' }]
  if (opened.kind === 'run') return [{ view: 'run', title: 'Run' }]
  if (opened.kind === 'core') return [{ view: 'map', title: 'Page map' }]
  if (opened.kind !== 'trace') return [{ view: 'verdicts', title: 'Verdicts' }]
  return [
    { view: 'findings', title: 'Findings' },
    ...(recording ? [{ view: 'pages', title: 'Pages over time' }] : []),
    { view: 'laws', title: 'Laws' },
  ]
}

function viewOf(wanted: string, { document: opened, recording }: Opened, context: Context): View {
  if (opened.kind === 'explain') return protocolsView(context, opened.protocols)
  if (opened.kind === 'run') return runView(context, opened.run)
  if (opened.kind === 'core') return coreView(context, opened.core)
  if (opened.kind !== 'trace') {
    if (wanted !== 'counterexample') return verdictsView(context, opened)
    const found = findCounterexample(opened, context.address)
    if (!found) throw new Error('there is no such counterexample')
    return executionView(context, found)
  }
  const { trace } = opened
  if (wanted === 'laws') return lawsView(context, trace, recording !== undefined)
  if (wanted === 'pages' && recording) return pagesView(context, trace, recording)
  if (wanted !== 'life') return findingsView(context, trace, recording !== undefined)
  const finding = trace.findings[context.address.index('finding', trace.findings.length) ?? -1]
  if (!finding) throw new Error('there is no such finding')
  return lifeView(context, {
    life: { pfn: finding.pfn, ...finding.lifetime },
    finding,
    idle: finding.expected ?? undefined,
    trace,
  })
}

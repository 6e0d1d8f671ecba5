// SPDX-License-Identifier: GPL-2.0-or-later
/** The view of pages over time: the count of every page during the recording, and the selected lifetime. */

import { freeCount, lifeAround } from '../../../src/report/timeline.ts'
import { pfnText, plural } from '../../../src/report/words.ts'
import type { TraceJson } from '../documents.ts'
import { h } from '../dom.ts'
import type { KeyHelp } from '../keys.ts'
import type { LiveRecording } from '../recording.ts'
import { Board, type Picked } from '../timeline/board.ts'
import type { Bar } from '../timeline/minimap.ts'
import { palette, SHADE_WORDS } from '../timeline/palette.ts'
import { rangeText, readRange, type TimeRange } from '../timeline/range.ts'
import { RangePanel } from '../timeline/range-panel.ts'
import { firstAtOrAfter } from '../timeline/raster.ts'
import { type Choice, pageOf, Rows } from '../timeline/rows.ts'
import { Tooltip } from '../tooltip.ts'
import { findingSentence, unmapText } from '../words.ts'
import { pageSearch, tableControl } from './controls.ts'
import { findingLink } from './finding.ts'
import { lifeView } from './life.ts'
import { pageTable } from './page-table.ts'
import type { Context, View } from './view.ts'

/** Choices of pages to show, with their labels. */
const CHOICES: [Choice, string][] = [
  ['all', 'all pages'],
  ['held', 'pages that were held'],
  ['findings', 'pages with findings'],
]

const HINT =
  'w s zoom, a d move, f fits the selection, arrows select, Shift and drag marks a range; ? shows all keys; Ctrl and wheel zoom, drag moves'

const KEYS: KeyHelp = [
  ['w s', 'zoom in and out, at the pointer or the selected event'],
  ['a d', 'move to earlier and later'],
  ['f', 'fit the marked range into view, or the selected lifetime'],
  ['[ ]', 'mark the range from the selected event on, or up to it; so does a drag with Shift'],
  ['0', 'the whole recording'],
  ['↑ ↓', 'the page above, the page below'],
  ['← →', 'its event before, its event after'],
  ['Enter', 'to the lifetime below'],
  ['Esc', 'mark no range; then select nothing'],
]

export function pagesView(context: Context, trace: TraceJson, live: LiveRecording): View {
  return new PagesView(context, trace, live)
}

class PagesView implements View {
  readonly element: HTMLElement
  readonly keys = KEYS
  readonly #context: Context
  readonly #trace: TraceJson
  readonly #live: LiveRecording
  readonly #board: Board
  readonly #legend = legend()
  readonly #told = h('p', { class: 'muted told', role: 'status' }, ' ')
  readonly #tooltip = new Tooltip()
  readonly #range: RangePanel
  readonly #detail = h('section', { class: 'detail', 'aria-label': 'Lifetime of the selected page' })
  readonly #table = h('div', { class: 'twin' })
  #life: View | undefined
  #isGone = false

  constructor(context: Context, trace: TraceJson, live: LiveRecording) {
    this.#context = context
    this.#trace = trace
    this.#live = live
    const choice = CHOICES.find(([each]) => each === context.address.get('only'))?.[0] ?? 'all'
    this.#board = new Board(trace, live, new Rows(trace, live, choice), {
      hover: (picked, event) => {
        if (!picked || !event) this.#tooltip.hide()
        else if ('call' in picked) this.#tooltip.show(unmapText(picked.call, trace, live.times), event)
        else if ('marks' in picked) this.#tooltip.show(this.#tellBar(picked), event)
        else this.#tooltip.show(this.#tell(picked.page, picked.event), event)
      },
      marked: range => this.#onMark(range),
      click: picked => this.#onClick(picked),
      painted: firstPicture(live),
      // Browsers limit how often the address may change, so that it is updated only when scrolling has ended.
      settled: () => this.#note(),
    })
    this.#range = new RangePanel(
      live,
      () => this.#fit(),
      () => this.#board.mark(undefined),
    )
    this.element = h(
      'div',
      { class: 'pages', 'data-events': live.timeline.time.length },
      h('h1', {}, 'Pages over time'),
      this.#controls(choice),
      this.#board.minimap,
      this.#board.scroller,
      this.#range.element,
      this.#legend,
      this.#told,
      this.#tooltip.element,
      this.#table,
      this.#detail,
    )
  }

  // --- controls -----------------------------------------------------------------------------------------------------------

  #controls(choice: Choice): HTMLElement {
    const button = (text: string, does: () => void) => h('button', { type: 'button', on: { click: does } }, text)
    return h(
      'div',
      { class: 'filters' },
      this.#choiceControl(choice),
      pageSearch(pfn => this.#search(pfn), 'no such page is shown'),
      tableControl(
        this.#context.address,
        () => this.#table.hasChildNodes(),
        on => this.#showTable(on),
      ),
      button('Whole recording', () => this.#board.showAll()),
      button('Zoom in', () => this.#board.zoom(0.5)),
      button('Zoom out', () => this.#board.zoom(2)),
      h('small', { class: 'keys' }, HINT),
    )
  }

  #choiceControl(choice: Choice): HTMLElement {
    const options = CHOICES.map(([value, text]) => h('option', { value }, text))
    const select = h('select', { 'aria-label': 'Pages' }, ...options)
    select.value = choice
    select.addEventListener('change', () => {
      const { scene } = this.#board
      scene.rows = new Rows(this.#trace, this.#live, select.value as Choice)
      scene.selected = undefined
      this.#range.show(scene.range, scene.rows)
      this.#context.address.note({ only: select.value === 'all' ? undefined : select.value })
      this.#showTable(this.#table.hasChildNodes())
    })
    return select
  }

  /** Selects a page that was searched for. @returns false if the page has no row */
  #search(pfn: number): boolean {
    const { timeline } = this.#live
    const page = pageOf(timeline, pfn)
    const row = page === undefined ? -1 : this.#rowOf(page)
    if (page === undefined || row < 0) return false
    this.#select(row, this.#eventOf(page))
    this.#board.scroller.focus()
    return true
  }

  /** Switches between the timeline and the table. */
  #showTable(on: boolean): void {
    const { scroller, minimap, scene } = this.#board
    for (const drawn of [scroller, minimap, this.#legend]) drawn.hidden = on
    const select = (page: number, event: number) => this.#select(this.#rowOf(page), event)
    this.#table.replaceChildren(...(on ? [pageTable(scene, select)] : []))
    if (!on) this.#board.resize()
  }

  onKey(key: string): boolean {
    if (this.#detail.contains(document.activeElement) && this.#life?.onKey?.(key)) return true
    const { scene } = this.#board
    const does: Record<string, () => void> = {
      w: () => this.#board.zoom(0.8),
      s: () => this.#board.zoom(1.25),
      a: () => scene.window.pan(-0.1),
      d: () => scene.window.pan(0.1),
      f: () => this.#fit(),
      '[': () => this.#markTo('from'),
      ']': () => this.#markTo('to'),
      0: () => this.#board.showAll(),
      Escape: () => (scene.range ? this.#board.mark(undefined) : this.#deselect()),
      ArrowDown: () => this.#step(1),
      ArrowUp: () => this.#step(-1),
      ArrowRight: () => this.#stepEvent(1),
      ArrowLeft: () => this.#stepEvent(-1),
      Enter: () => this.#detail.querySelector<HTMLElement>('[tabindex="0"]')?.focus(),
    }
    if (!Object.hasOwn(does, key)) return false
    does[key]!()
    this.#board.changed()
    return true
  }

  // --- selection ----------------------------------------------------------------------------------------------------------

  #rowOf(page: number): number {
    return this.#board.scene.rows.list.indexOf(page)
  }

  #onClick(picked: Picked | undefined): void {
    if (picked) this.#select(picked.row, picked.event)
    this.#board.scroller.focus()
  }

  /** Returns the most informative event of a page: that of its first finding with a time, or the end of its last lifetime. */
  #eventOf(page: number): number {
    const { start, time, count } = this.#live.timeline
    const [first, end] = [start[page]!, start[page + 1]!]
    const found = this.#board.scene.rows.marks.get(page)?.find(mark => mark.time !== undefined)?.time
    if (found !== undefined) return Math.max(first, firstAtOrAfter(time, first, end, found + 1) - 1)
    const free = freeCount(this.#live.timeline, page)
    let at = end - 1
    // After the last lifetime, memunmap_pages() may have dropped the reference that is part of an idle page's count.
    while (at > first && count[at - 1]! <= free) at--
    return at > first ? at : end - 1
  }

  /** Selects the next page up or down. */
  #step(by: number): void {
    const { rows, selected } = this.#board.scene
    let row = selected ? selected.row + by : 0
    while (rows.list[row]! < 0) row += by < 0 ? -1 : 1
    const page = rows.list[row]
    if (page === undefined) return
    const { start, time } = this.#live.timeline
    const at = selected?.event
    const next =
      at === undefined ? this.#eventOf(page) : firstAtOrAfter(time, start[page]!, start[page + 1]!, time[at]!)
    this.#select(row, Math.min(next, start[page + 1]! - 1))
  }

  #stepEvent(by: number): void {
    const { rows, selected } = this.#board.scene
    if (selected?.event === undefined) return
    const page = rows.list[selected.row]!
    const { start } = this.#live.timeline
    this.#select(selected.row, Math.max(start[page]!, Math.min(start[page + 1]! - 1, selected.event + by)))
  }

  /** Zooms to the marked range, or without one to the lifetime of the selected event. */
  #fit(): void {
    const { range, window } = this.#board.scene
    const shown = range ?? this.#selectedLife()
    if (!shown) return
    const room = Math.max(50, (shown.to - shown.from) * 0.05)
    window.show(shown.from - room, shown.to + room)
    this.#board.changed()
  }

  #selectedLife(): TimeRange | undefined {
    const { selected, rows } = this.#board.scene
    if (selected?.event === undefined) return undefined
    const { timeline } = this.#live
    const { from, to } = lifeAround(timeline, rows.list[selected.row]!, selected.event)
    return { from: timeline.time[from]!, to: timeline.time[to - 1]! }
  }

  // --- the marked range -----------------------------------------------------------------------------------------------------

  /** Makes the selected event one end of the marked range. The other end stays; without a range it is the end of the view. */
  #markTo(end: keyof TimeRange): void {
    const { selected, range, window } = this.#board.scene
    if (selected?.event === undefined) return
    const at = this.#live.timeline.time[selected.event]!
    const { from, to } = range ?? { from: window.from, to: window.to }
    this.#board.mark(end === 'from' ? { from: at, to: Math.max(at, to) } : { from: Math.min(from, at), to: at })
  }

  #onMark(range: TimeRange | undefined): void {
    this.#context.address.note({ range: range && rangeText(range) })
    this.#range.show(range, this.#board.scene.rows)
  }

  #deselect(): void {
    this.#board.scene.selected = undefined
    this.#life = undefined
    this.#detail.replaceChildren()
    this.#told.textContent = ' '
    this.#context.address.note({ page: undefined, at: undefined, event: undefined })
  }

  /** @param keep true if the address already has the selected event of the lifetime */
  #select(row: number, event: number, keep = false): void {
    const { scene } = this.#board
    const page = scene.rows.list[row]
    if (page === undefined || page < 0) return
    scene.selected = { row, event }
    this.#board.reveal(row)
    const { pfns, start } = this.#live.timeline
    this.#context.address.note({
      page: pfnText(pfns[page]!),
      at: event - start[page]!,
      ...(keep ? {} : { event: undefined }),
    })
    this.#told.textContent = this.#tell(page, event)
    void this.#showLife(page, event)
    this.#board.changed()
  }

  #tell(page: number, event: number): string {
    const { timeline } = this.#live
    const mark = this.#board.scene.rows.marks.get(page)?.[0]
    const found = mark ? ` · ${mark.finding.kind}: ${findingSentence(mark.finding)}` : ''
    const { times } = this.#live
    const since = `${times.text(this.#live.at(timeline.time[event]!))} ${times.unit}`
    return `page ${pfnText(timeline.pfns[page]!)}: count ${timeline.count[event]} since ${since}${found}`
  }

  /** Describes a part of the overview: its time, its events, and its first finding. */
  #tellBar({ from, to, events, marks }: Bar): string {
    const { times } = this.#live
    const [start, end] = [from, to].map(time => times.text(this.#live.at(time)))
    const when = start === end ? `at ${start}` : `from ${start} to ${end}`
    const lines = [`${plural(events, 'event')} ${when} ${times.unit}`]
    const [first] = marks
    if (first) lines.push(`${first.finding.kind}: ${findingSentence(first.finding)}`)
    if (marks.length > 1) lines.push(`and ${plural(marks.length - 1, 'more finding')}`)
    return lines.join('\n')
  }

  async #showLife(page: number, event: number): Promise<void> {
    const told = await this.#live.life(page, event)
    const { selected, rows } = this.#board.scene
    // The user may have selected another event meanwhile.
    if (selected?.event !== event || this.#isGone) return
    const life = { pfn: told.pfn, ...told.lifetime }
    const marks = rows.marks.get(page) ?? []
    this.#life = lifeView(this.#context, {
      life,
      acting: marks.map(({ finding }) => finding),
      ...this.#boundsOf(page, event),
      isSetUp: told.isSetUp,
      idle: told.idle ?? undefined,
      trace: this.#trace,
      part: true,
    })
    const findings = marks.map(({ finding, i }) =>
      h('p', {}, h('a', { href: findingLink(finding, i) }, `${finding.kind}: ${findingSentence(finding)}`)),
    )
    this.#detail.replaceChildren(...findings, this.#life.element)
    this.#life.shown?.()
  }

  /** When the next lifetime of the page begins, and whether the lifetime of an event has more events than are shown. */
  #boundsOf(page: number, event: number): { until: number; isCut: boolean } {
    const { timeline } = this.#live
    const { start, time, count } = timeline
    const { from, to } = lifeAround(timeline, page, event)
    const [first, end] = [start[page]!, start[page + 1]!]
    const free = freeCount(timeline, page)
    const isCut = (from > first && count[from - 1] !== free) || (to < end && count[to - 1] !== free)
    return { until: to < end ? this.#live.at(time[to]!) : Infinity, isCut }
  }

  // --- the address --------------------------------------------------------------------------------------------------------

  shown(): void {
    this.#board.resize()
    this.#restore()
  }

  gone(): void {
    this.#isGone = true
    this.#board.stop()
  }

  #note(): void {
    const { window, scroll } = this.#board.scene
    const whole = window.from === window.first && window.to === window.last
    this.#context.address.note({
      from: whole ? undefined : Math.round(window.from),
      to: whole ? undefined : Math.round(window.to),
      scroll: Math.round(scroll),
    })
  }

  /** Restores the state from the address, ignoring what is not valid. */
  #restore(): void {
    const { address } = this.#context
    const number = (key: string) => Number(address.get(key) ?? Number.NaN)
    const [from, to, scroll] = [number('from'), number('to'), number('scroll')]
    if (to > from) this.#board.scene.window.show(from, to)
    const range = readRange(address.get('range'))
    if (range) this.#board.mark(range)
    const page = pageOf(this.#live.timeline, number('page'))
    const row = page === undefined ? -1 : this.#rowOf(page)
    this.#board.scrollTo(scroll >= 0 ? scroll : this.#board.middle(row >= 0 ? row : this.#firstOfInterest()))
    if (page === undefined || row < 0) return
    const { start } = this.#live.timeline
    const events = start[page + 1]! - start[page]!
    const at = address.index('at', events)
    this.#select(row, at === undefined ? this.#eventOf(page) : start[page]! + at, true)
  }

  /** Returns the row of the first page with a finding; without findings, that of the page with most events. */
  #firstOfInterest(): number {
    const { list, marks } = this.#board.scene.rows
    const found = list.findIndex(page => marks.has(page))
    if (found >= 0) return found
    const { start } = this.#live.timeline
    const events = (row: number) => (list[row]! < 0 ? 0 : start[list[row]! + 1]! - start[list[row]!]!)
    return list.reduce((most, _, row) => (events(row) > events(most) ? row : most), 0)
  }
}

/** Measures the time from the end of reading to the first drawing, as a `performance` entry. */
function firstPicture({ readingEnded }: LiveRecording): () => void {
  let first = true
  return () => {
    if (!first) return
    first = false
    const start = readingEnded - performance.timeOrigin
    performance.measure('lastput-first-picture', { start, end: performance.now() })
  }
}

/** The legend of shades, in the colours that the system prefers when it is created. */
function legend(): HTMLElement {
  const colours = palette()
  const shown = SHADE_WORDS.map((word, shade) => ({ word, colour: colours.shades[shade]! })).slice(1)
  const item = ({ word, colour }: (typeof shown)[number]) => {
    const swatch = h('span', { class: 'swatch' })
    swatch.style.background = colour
    return h('span', {}, swatch, word)
  }
  const mark = h('span', { class: 'mark' }, '\u25bc finding')
  return h('p', { class: 'legend', 'aria-label': 'Colours' }, 'References beyond idle: ', ...shown.map(item), mark)
}

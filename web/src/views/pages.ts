// SPDX-License-Identifier: GPL-2.0-or-later
/** Pages over time: the count of every page through the recording, and the life of the one that is selected. */
import { pfnText } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { TraceJson } from '../documents.ts'
import { h } from '../dom.ts'
import type { LiveRecording } from '../recording.ts'
import { Minimap } from '../timeline/minimap.ts'
import { AXIS, LABELS, Painter, ROW, type Scene } from '../timeline/painter.ts'
import { onPaletteChange, palette, SHADE_WORDS } from '../timeline/palette.ts'
import { onPress } from '../timeline/press.ts'
import { firstAtOrAfter } from '../timeline/raster.ts'
import { type Choice, pageOf, Rows } from '../timeline/rows.ts'
import { TimeWindow } from '../timeline/window.ts'
import { findingSentence, timeText } from '../words.ts'
import { lifeView } from './life.ts'
import { pageTable } from './page-table.ts'
import type { Context, View } from './view.ts'

/** CSS pixels of the timeline beside its rows: the axis, and room below the last row. */
const BELOW = AXIS + 8

/** Which pages are shown, as the control calls it. */
const CHOICES: [Choice, string][] = [
  ['all', 'all pages'],
  ['held', 'pages that were held'],
  ['findings', 'pages with findings'],
]

/** Milliseconds without movement after which the address is brought up to date; browsers limit how often that may be. */
const SETTLED = 250

export function pagesView(context: Context, trace: TraceJson, live: LiveRecording): View {
  return new PagesView(context, trace, live)
}

class PagesView implements View {
  readonly element: HTMLElement
  readonly #context: Context
  readonly #trace: TraceJson
  readonly #live: LiveRecording
  readonly #scene: Scene
  readonly #canvas = h('canvas', { 'aria-hidden': 'true' })
  readonly #painter = new Painter(this.#canvas)
  readonly #minimap: Minimap
  readonly #spacer = h('div', { class: 'spacer' })
  readonly #scroller = h('div', {
    class: 'timeline',
    tabindex: 0,
    role: 'application',
    'aria-label': 'Pages over time; the button "As a table" shows the same as a table',
  })
  readonly #legend = legend()
  readonly #hover = h('p', { class: 'muted hover', role: 'status' }, ' ')
  readonly #detail = h('section', { class: 'detail', 'aria-label': 'Life of the selected page' })
  readonly #table = h('div', { class: 'twin' })
  readonly #controller = new AbortController()
  #life: View | undefined
  #frame = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #first = true

  constructor(context: Context, trace: TraceJson, live: LiveRecording) {
    this.#context = context
    this.#trace = trace
    this.#live = live
    const { firstTime, lastTime } = live.timeline
    const window = new TimeWindow(firstTime, lastTime)
    const choice = CHOICES.find(([each]) => each === context.address.get('only'))?.[0] ?? 'all'
    this.#scene = {
      trace,
      live,
      window,
      rows: new Rows(trace, live, choice),
      scroll: 0,
      selected: undefined,
      hovered: undefined,
    }
    this.#minimap = new Minimap(live, window, () => this.#changed())
    this.#scroller.append(this.#canvas, this.#spacer)
    this.#listen()
    this.element = h(
      'div',
      { class: 'pages', 'data-events': live.timeline.time.length },
      h('h1', {}, 'Pages over time'),
      this.#controls(choice),
      this.#minimap.canvas,
      this.#scroller,
      this.#legend,
      this.#hover,
      this.#table,
      this.#detail,
    )
  }

  // --- controls and events ----------------------------------------------------------------------------------------------

  #controls(choice: Choice): HTMLElement {
    const button = (text: string, does: () => void) => h('button', { type: 'button', on: { click: does } }, text)
    return h(
      'div',
      { class: 'filters' },
      this.#choiceControl(choice),
      this.#tableControl(),
      button('Whole recording', () => this.#show(this.#scene.window.first, this.#scene.window.last)),
      button('Zoom in', () => this.#zoom(0.5)),
      button('Zoom out', () => this.#zoom(2)),
      h(
        'small',
        { class: 'keys' },
        'w s zoom, a d move, arrows select, Enter shows the life; Ctrl and wheel zoom, drag moves',
      ),
    )
  }

  #choiceControl(choice: Choice): HTMLElement {
    const select = h(
      'select',
      { 'aria-label': 'Pages' },
      ...CHOICES.map(([value, text]) => h('option', { value }, text)),
    )
    select.value = choice
    select.addEventListener('change', () => {
      this.#scene.rows = new Rows(this.#trace, this.#live, select.value as Choice)
      this.#scene.selected = undefined
      this.#context.address.note({ only: select.value === 'all' ? undefined : select.value })
      if (this.#scroller.hidden) this.#showTable(true)
      else this.#resize()
    })
    return select
  }

  #tableControl(): HTMLElement {
    const { address } = this.#context
    const button = h('button', { type: 'button', 'aria-pressed': 'false' }, 'As a table')
    const toggle = (on: boolean) => {
      button.setAttribute('aria-pressed', String(on))
      address.note({ table: on ? 1 : undefined })
      this.#showTable(on)
    }
    button.addEventListener('click', () => toggle(!this.#scroller.hidden))
    if (address.get('table') === '1') queueMicrotask(() => toggle(true))
    return button
  }

  /** The table in the timeline's place, or back. */
  #showTable(on: boolean): void {
    for (const drawn of [this.#scroller, this.#minimap.canvas, this.#legend]) drawn.hidden = on
    const select = (page: number, event: number) => this.#select(this.#rowOf(page), event)
    this.#table.replaceChildren(...(on ? [pageTable(this.#scene, select)] : []))
    if (!on) this.#resize()
  }

  #listen(): void {
    const scroller = this.#scroller
    const { signal } = this.#controller
    scroller.addEventListener('scroll', () => {
      this.#scene.scroll = scroller.scrollTop
      this.#changed()
    })
    scroller.addEventListener('wheel', event => this.#onWheel(event), { passive: false })
    onPress(scroller, {
      begin: () => {
        const { window } = this.#scene
        const [from, scroll] = [window.from, scroller.scrollTop]
        return (dx, dy) => {
          const left = from - (dx / this.#width) * window.span
          window.show(left, left + window.span)
          scroller.scrollTop = scroll - dy
          this.#changed()
        }
      },
      click: event => this.#onClick(event),
      hover: event => this.#onHover(event),
    })
    onPaletteChange(() => this.#changed(), signal)
    addEventListener('resize', () => this.#resize(), { signal })
  }

  get #width(): number {
    return Math.max(1, this.#canvas.clientWidth - LABELS)
  }

  /** Part of the shown time, and row, under the pointer. */
  #under(event: MouseEvent): { part: number; row: number } {
    const box = this.#canvas.getBoundingClientRect()
    return {
      part: (event.clientX - box.left - LABELS) / this.#width,
      row: Math.floor((event.clientY - box.top - AXIS + this.#scene.scroll) / ROW),
    }
  }

  #onWheel(event: WheelEvent): void {
    const { window } = this.#scene
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault()
      window.zoom(1.0015 ** event.deltaY, Math.max(0, this.#under(event).part))
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault()
      window.pan((event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX) / this.#width)
    } else return
    this.#changed()
  }

  /** The page under the pointer and its event that came last before it. */
  #pick(event: MouseEvent): { row: number; page: number; event: number } | undefined {
    const { part, row } = this.#under(event)
    const page = this.#scene.rows.list[row]
    if (page === undefined || page < 0) return undefined
    const { start, time } = this.#live.timeline
    const { window } = this.#scene
    // What is drawn at a pixel is what happened until its end.
    const at = window.from + (part + 1 / this.#width) * window.span
    const next = firstAtOrAfter(time, start[page]!, start[page + 1]!, at)
    return { row, page, event: Math.max(start[page]!, next - 1) }
  }

  #onHover(event: PointerEvent | undefined): void {
    const under = event && this.#pick(event)
    this.#scene.hovered = under?.row
    if (event) this.#hover.textContent = under ? this.#tell(under.page, under.event) : ' '
    this.#changed()
  }

  #tell(page: number, event: number): string {
    const { timeline } = this.#live
    const finding = this.#scene.rows.marks.get(page)?.[0]
    const found = finding ? ` · ${finding.finding.kind}: ${findingSentence(finding.finding)}` : ''
    const seconds = timeText(this.#live.seconds(timeline.time[event]!))
    return `page ${pfnText(timeline.pfns[page]!)}: count ${timeline.count[event]} since ${seconds} s${found}`
  }

  #onClick(event: PointerEvent): void {
    const picked = this.#pick(event)
    if (picked) this.#select(picked.row, picked.event)
    this.#scroller.focus()
  }

  onKey(key: string): boolean {
    if (this.#detail.contains(document.activeElement) && this.#life?.onKey?.(key)) return true
    const { window } = this.#scene
    const does: Record<string, () => void> = {
      w: () => this.#zoom(0.8),
      s: () => this.#zoom(1.25),
      a: () => window.pan(-0.1),
      d: () => window.pan(0.1),
    }
    if (document.activeElement === this.#scroller) {
      does.ArrowDown = () => this.#step(1)
      does.ArrowUp = () => this.#step(-1)
      does.ArrowRight = () => this.#stepEvent(1)
      does.ArrowLeft = () => this.#stepEvent(-1)
      does.Enter = () => this.#detail.querySelector<HTMLElement>('[tabindex="0"]')?.focus()
    }
    does[key]?.()
    if (key in does) this.#changed()
    return key in does
  }

  #zoom(factor: number): void {
    const { window, selected } = this.#scene
    const time = selected?.event === undefined ? undefined : this.#live.timeline.time[selected.event]!
    const part = time === undefined ? 0.5 : (time - window.from) / window.span
    window.zoom(factor, part >= 0 && part <= 1 ? part : 0.5)
    this.#changed()
  }

  #show(from: number, to: number): void {
    this.#scene.window.show(from, to)
    this.#changed()
  }

  // --- selection ----------------------------------------------------------------------------------------------------------

  #rowOf(page: number): number {
    return this.#scene.rows.list.indexOf(page)
  }

  /** The next page up or down. */
  #step(by: number): void {
    const { rows, selected } = this.#scene
    let row = selected ? selected.row + by : 0
    while (rows.list[row]! < 0) row += by < 0 ? -1 : 1
    const page = rows.list[row]
    if (page === undefined) return
    const { start, time } = this.#live.timeline
    const at = selected?.event === undefined ? Infinity : time[selected.event]!
    const next = firstAtOrAfter(time, start[page]!, start[page + 1]!, at)
    this.#select(row, Math.min(next, start[page + 1]! - 1))
  }

  #stepEvent(by: number): void {
    const { rows, selected } = this.#scene
    if (selected?.event === undefined) return
    const page = rows.list[selected.row]!
    const { start } = this.#live.timeline
    this.#select(selected.row, Math.max(start[page]!, Math.min(start[page + 1]! - 1, selected.event + by)))
  }

  #select(row: number, event: number, keep = false): void {
    const page = this.#scene.rows.list[row]
    if (page === undefined || page < 0) return
    this.#scene.selected = { row, event }
    const top = row * ROW
    const room = this.#scroller.clientHeight - AXIS - ROW
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top
    if (top > this.#scroller.scrollTop + room) this.#scroller.scrollTop = top - room
    this.#context.address.note({
      page: pfnText(this.#live.timeline.pfns[page]!),
      at: event - this.#live.timeline.start[page]!,
      ...(keep ? {} : { event: undefined }),
    })
    this.#hover.textContent = this.#tell(page, event)
    void this.#showLife(page, event)
    this.#changed()
  }

  async #showLife(page: number, event: number): Promise<void> {
    const told = await this.#live.life(page, event)
    // Another page may have been selected meanwhile.
    if (this.#scene.selected?.event !== event || this.#controller.signal.aborted) return
    const life = { pfn: told.pfn, ...told.life }
    this.#life = lifeView(this.#context, { life, idle: told.idle ?? undefined, trace: this.#trace, part: true })
    const marks = this.#scene.rows.marks.get(page) ?? []
    this.#detail.replaceChildren(
      ...marks.map(({ finding, i }) =>
        h(
          'p',
          {},
          h('a', { href: linkTo({ view: 'life', finding: i }) }, `${finding.kind}: ${findingSentence(finding)}`),
        ),
      ),
      this.#life.element,
    )
    this.#life.shown?.()
  }

  // --- drawing ------------------------------------------------------------------------------------------------------------

  shown(): void {
    this.#resize()
    this.#restore()
  }

  gone(): void {
    this.#controller.abort()
    cancelAnimationFrame(this.#frame)
    clearTimeout(this.#timer)
  }

  /** The canvas stays in view while the rows' length scrolls behind it. */
  #sizeRows(): void {
    const height = this.#scene.rows.list.length * ROW
    this.#scroller.style.height = `min(62vh, 44rem, ${height + BELOW}px)`
    this.#spacer.style.height = `${height}px`
    this.#spacer.style.marginTop = `${BELOW - 2 - this.#scroller.clientHeight}px`
  }

  #resize(): void {
    this.#sizeRows()
    this.#painter.resize(this.#scroller.clientWidth, this.#scroller.clientHeight)
    this.#changed()
  }

  /** Draws with the next frame, and notes the view in the address when it has come to rest. */
  #changed(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#paint())
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#note(), SETTLED)
  }

  #paint(): void {
    this.#frame = 0
    if (this.#scroller.hidden) return
    const colours = palette()
    this.#painter.paint(this.#scene, colours)
    this.#minimap.paint(this.#scene.rows, colours)
    if (!this.#first) return
    this.#first = false
    const start = this.#live.readingEnded - performance.timeOrigin
    performance.measure('lastput-first-picture', { start, end: performance.now() })
  }

  #note(): void {
    const { window, scroll } = this.#scene
    const whole = window.from === window.first && window.to === window.last
    this.#context.address.note({
      from: whole ? undefined : Math.round(window.from),
      to: whole ? undefined : Math.round(window.to),
      scroll: Math.round(scroll),
    })
  }

  /** How far to scroll for a row to be in the middle. */
  #scrollTo(row: number): number {
    return Math.max(0, row * ROW - this.#scroller.clientHeight / 2)
  }

  /** The first page with a finding; without one, the page with most events. */
  #firstOfInterest(): number {
    const { list, marks } = this.#scene.rows
    const found = list.findIndex(page => marks.has(page))
    if (found >= 0) return found
    const { start } = this.#live.timeline
    const events = (row: number) => (list[row]! < 0 ? 0 : start[list[row]! + 1]! - start[list[row]!]!)
    return list.reduce((most, _, row) => (events(row) > events(most) ? row : most), 0)
  }

  /** What the address says, as far as it makes sense. */
  #restore(): void {
    const { address } = this.#context
    const number = (key: string) => Number(address.get(key) ?? Number.NaN)
    const [from, to] = [number('from'), number('to')]
    if (to > from) this.#scene.window.show(from, to)
    const { start } = this.#live.timeline
    const page = pageOf(this.#live.timeline, Number(address.get('page')))
    const row = page === undefined ? -1 : this.#rowOf(page)
    const scroll = number('scroll')
    this.#scroller.scrollTop = scroll >= 0 ? scroll : this.#scrollTo(row >= 0 ? row : this.#firstOfInterest())
    this.#scene.scroll = this.#scroller.scrollTop
    if (page === undefined || row < 0) return
    const events = start[page + 1]! - start[page]!
    this.#select(row, start[page]! + (address.index('at', events) ?? events - 1), true)
  }
}

function legend(): HTMLElement {
  const colours = palette()
  const shown = SHADE_WORDS.map((word, shade) => ({ word, colour: colours.shades[shade]! })).slice(1)
  const item = ({ word, colour }: (typeof shown)[number]) => {
    const swatch = h('span', { class: 'swatch' })
    swatch.style.background = colour
    return h('span', {}, swatch, word)
  }
  return h('p', { class: 'legend', 'aria-label': 'Colours' }, 'References beyond idle: ', ...shown.map(item), mark())
}

function mark(): HTMLElement {
  return h('span', { class: 'mark' }, '\u25bc finding')
}

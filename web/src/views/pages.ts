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
import { firstAtOrAfter } from '../timeline/raster.ts'
import { pageOf, Rows } from '../timeline/rows.ts'
import { TimeWindow } from '../timeline/window.ts'
import { findingSentence, timeText } from '../words.ts'
import { lifeView } from './life.ts'
import { pageTable } from './page-table.ts'
import type { Context, View } from './view.ts'

/** CSS pixels of the timeline beside its rows: the axis, and room below the last row. */
const BELOW = AXIS + 8

/** Pointer movement, in CSS pixels, up to which a press is a click. */
const CLICK = 4

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
    const only = context.address.get('only') === 'findings'
    this.#scene = {
      trace,
      live,
      window,
      rows: new Rows(trace, live, only),
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
      this.#controls(only),
      this.#minimap.canvas,
      this.#scroller,
      legend(),
      this.#hover,
      this.#table,
      this.#detail,
    )
  }

  // --- controls and events ----------------------------------------------------------------------------------------------

  #controls(only: boolean): HTMLElement {
    const { address } = this.#context
    const findings = h('input', { type: 'checkbox' })
    findings.checked = only
    findings.addEventListener('change', () => {
      this.#scene.rows = new Rows(this.#trace, this.#live, findings.checked)
      this.#scene.selected = undefined
      address.note({ only: findings.checked ? 'findings' : undefined })
      this.#resize()
    })
    const table = h('button', { type: 'button', 'aria-pressed': 'false' }, 'As a table')
    const toggle = (on: boolean) => {
      table.setAttribute('aria-pressed', String(on))
      this.#scroller.hidden = this.#minimap.canvas.hidden = on
      this.#table.replaceChildren(...(on ? [this.#pageTable()] : []))
      address.note({ table: on ? 1 : undefined })
      if (!on) this.#resize()
    }
    table.addEventListener('click', () => toggle(table.getAttribute('aria-pressed') === 'false'))
    if (address.get('table') === '1') queueMicrotask(() => toggle(true))
    const button = (text: string, does: () => void) => h('button', { type: 'button', on: { click: does } }, text)
    return h(
      'div',
      { class: 'filters' },
      button('Whole recording', () => this.#show(this.#scene.window.first, this.#scene.window.last)),
      button('Zoom in', () => this.#zoom(0.5)),
      button('Zoom out', () => this.#zoom(2)),
      h('label', {}, findings, ' only pages with findings'),
      table,
      h(
        'span',
        { class: 'muted' },
        'w s zoom, a d move, arrows select, Enter shows the life; Ctrl and wheel zoom, drag moves',
      ),
    )
  }

  #pageTable(): HTMLElement {
    return pageTable(this.#scene, (page, event) => this.#select(this.#rowOf(page), event))
  }

  #listen(): void {
    const scroller = this.#scroller
    const { signal } = this.#controller
    scroller.addEventListener('scroll', () => {
      this.#scene.scroll = scroller.scrollTop
      this.#changed()
    })
    scroller.addEventListener('wheel', event => this.#onWheel(event), { passive: false })
    let drag: { x: number; y: number; from: number; scroll: number; moved: boolean } | undefined
    scroller.addEventListener('pointerdown', event => {
      if (event.button !== 0 || event.offsetX > scroller.clientWidth) return
      drag = {
        x: event.clientX,
        y: event.clientY,
        from: this.#scene.window.from,
        scroll: scroller.scrollTop,
        moved: false,
      }
      scroller.setPointerCapture(event.pointerId)
    })
    scroller.addEventListener('pointermove', event => {
      if (!drag) return this.#onHover(event)
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y]
      drag.moved ||= Math.hypot(dx, dy) > CLICK
      if (!drag.moved) return
      const { window } = this.#scene
      const from = drag.from - (dx / this.#width) * window.span
      window.show(from, from + window.span)
      scroller.scrollTop = drag.scroll - dy
      this.#changed()
    })
    scroller.addEventListener('pointerup', event => {
      if (drag && !drag.moved) this.#onClick(event)
      drag = undefined
    })
    scroller.addEventListener('pointerleave', () => {
      this.#scene.hovered = undefined
      this.#changed()
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

  #onHover(event: PointerEvent): void {
    const under = this.#pick(event)
    this.#scene.hovered = under?.row
    this.#hover.textContent = under ? this.#tell(under.page, under.event) : ' '
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

  /** How far to scroll for the first page with a finding to be in the middle. */
  #firstFinding(): number {
    const { list, marks } = this.#scene.rows
    const row = list.findIndex(page => marks.has(page))
    return Math.max(0, row * ROW - this.#scroller.clientHeight / 2)
  }

  /** What the address says, as far as it makes sense. */
  #restore(): void {
    const { address } = this.#context
    const number = (key: string) => Number(address.get(key) ?? Number.NaN)
    const [from, to] = [number('from'), number('to')]
    if (to > from) this.#scene.window.show(from, to)
    this.#scroller.scrollTop = number('scroll') >= 0 ? number('scroll') : this.#firstFinding()
    this.#scene.scroll = this.#scroller.scrollTop
    const page = pageOf(this.#live.timeline, Number(address.get('page')))
    if (page === undefined) return
    const { start } = this.#live.timeline
    const events = start[page + 1]! - start[page]!
    this.#select(this.#rowOf(page), start[page]! + (address.index('at', events) ?? events - 1), true)
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

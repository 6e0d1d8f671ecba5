// SPDX-License-Identifier: GPL-2.0-or-later
/** The element of the timeline: its canvas, the overview above it, and the handling of pointer and wheel. */
import type { TraceJson } from '../documents.ts'
import type { LiveRecording } from '../recording.ts'
import { ScrolledCanvas } from '../scrolled-canvas.ts'
import { type Bar, Minimap } from './minimap.ts'
import { AXIS, LABELS, Painter, ROW, type Scene } from './painter.ts'
import { palette } from './palette.ts'
import type { PressEvents } from './press.ts'
import type { TimeRange } from './range.ts'
import { firstAtOrAfter } from './raster.ts'
import type { Rows, Unmapping } from './rows.ts'
import { TimeWindow } from './window.ts'

/** Height in CSS pixels in addition to the rows: the axis, and room below the last row. */
const BELOW = AXIS + 8

/** Milliseconds without scrolling or zooming after which `settled` is called. */
const SETTLED = 250

/** A row, its page and one of the page's events, as indices into the timeline. */
export interface Picked {
  row: number
  page: number
  event: number
}

export interface BoardEvents {
  /** @param event undefined if the pointer has left */
  hover(picked: Picked | Unmapping | Bar | undefined, event: PointerEvent | undefined): void
  click(picked: Picked | undefined): void
  /** Called when the marked range has changed or was removed. */
  marked(range: TimeRange | undefined): void
  /** Called after each drawing. */
  painted(): void
  /** Called when zooming and scrolling have ended. */
  settled(): void
}

export class Board {
  readonly scene: Scene
  readonly scroller: HTMLElement
  readonly minimap: HTMLCanvasElement
  readonly #minimap: Minimap
  readonly #place = new ScrolledCanvas('timeline', 'Pages over time; the button "As a table" shows the same as a table')
  readonly #painter = new Painter(this.#place.canvas)
  readonly #events: BoardEvents
  /** Position of the pointer as a fraction of the window's time; undefined if it is elsewhere. */
  #pointer: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(trace: TraceJson, live: LiveRecording, rows: Rows, events: BoardEvents) {
    const { firstTime, lastTime } = live.timeline
    // The window ends with the last event, or with a call of memunmap_pages() that waits longer. The recording itself may go on
    // for long after its last event.
    const ends = rows.unmappings.flat().map(({ from, to = from }) => to)
    const window = new TimeWindow(
      firstTime,
      ends.reduce((last, end) => Math.max(last, end), lastTime),
    )
    this.scene = { trace, live, window, rows, scroll: 0, selected: undefined, hovered: undefined, range: undefined }
    this.#events = events
    this.#minimap = new Minimap(live, window, { moved: () => this.changed(), hover: events.hover })
    this.minimap = this.#minimap.canvas
    this.scroller = this.#place.scroller
    this.#place.show({
      scene: this.scene,
      press: this.#press(),
      paint: () => this.#paint(),
      resize: () => this.resize(),
    })
    this.scroller.addEventListener('wheel', event => this.#onWheel(event), { passive: false })
  }

  #press(): PressEvents {
    const { scroller, scene } = this
    return {
      begin: event => (event.shiftKey ? this.#markFrom(event) : this.#dragFrom(scene.window.from, scroller.scrollTop)),
      dropped: () => this.#events.marked(scene.range),
      click: event => this.#events.click(this.#pick(event)),
      hover: event => {
        const part = event && this.#under(event).part
        this.#pointer = part !== undefined && part >= 0 ? part : undefined
        const picked = event && this.#pick(event)
        scene.hovered = picked?.row
        this.#events.hover(picked ?? (event && this.#unmapping(event)), event)
        this.changed()
      },
    }
  }

  #dragFrom(from: number, scroll: number): (dx: number, dy: number) => void {
    const { window } = this.scene
    return (dx, dy) => {
      const left = from - (dx / this.#width) * window.span
      window.show(left, left + window.span)
      this.scroller.scrollTop = scroll - dy
      this.changed()
    }
  }

  /** Marks the range from the start of the drag to the pointer. */
  #markFrom(event: PointerEvent): (dx: number) => void {
    const { window } = this.scene
    const part = this.#under(event).part
    const at = (x: number) => window.from + Math.max(0, Math.min(1, x)) * window.span
    return dx => {
      const [one, other] = [at(part), at(part + dx / this.#width)]
      this.scene.range = { from: Math.min(one, other), to: Math.max(one, other) }
      this.changed()
    }
  }

  /** Sets or removes the marked range. */
  mark(range: TimeRange | undefined): void {
    this.scene.range = range
    this.#events.marked(range)
    this.changed()
  }

  #onWheel(event: WheelEvent): void {
    const { window } = this.scene
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault()
      window.zoom(1.0015 ** event.deltaY, Math.max(0, this.#under(event).part))
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault()
      window.pan((event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX) / this.#width)
    } else return
    this.changed()
  }

  get #width(): number {
    return Math.max(1, this.#place.canvas.clientWidth - LABELS)
  }

  /** Position of the pointer: fraction of the shown time, and row. */
  #under(event: MouseEvent): { part: number; row: number } {
    const box = this.#place.canvas.getBoundingClientRect()
    return {
      part: (event.clientX - box.left - LABELS) / this.#width,
      row: Math.floor((event.clientY - box.top - AXIS + this.scene.scroll) / ROW),
    }
  }

  /** The page under the pointer, and its last event before that time. */
  #pick(event: MouseEvent): Picked | undefined {
    const { part, row } = this.#under(event)
    const { window, rows, live } = this.scene
    const page = rows.list[row]
    if (page === undefined || page < 0) return undefined
    const { start, time } = live.timeline
    // A pixel shows everything up to its right edge.
    const at = window.from + (part + 1 / this.#width) * window.span
    const next = firstAtOrAfter(time, start[page]!, start[page + 1]!, at)
    return { row, page, event: Math.max(start[page]!, next - 1) }
  }

  /** The call of memunmap_pages() under the pointer. Calls are drawn in the heading of their pagemap. */
  #unmapping(event: MouseEvent): Unmapping | undefined {
    const { part, row } = this.#under(event)
    const { window, rows } = this.scene
    const entry = rows.list[row] ?? 0
    const at = window.from + part * window.span
    // A margin makes calls that are only a few pixels wide easier to hit.
    const near = (4 / this.#width) * window.span
    const calls = entry < 0 ? rows.unmappings[-1 - entry]! : []
    return calls.find(({ from, to = from }) => at >= from - near && at <= to + near)
  }

  /** Multiplies the span in view by `factor`, around the selected event if that is in view. */
  zoom(factor: number): void {
    const { window, selected, live } = this.scene
    const time = selected?.event === undefined ? undefined : live.timeline.time[selected.event]!
    const part = time === undefined ? 0.5 : (time - window.from) / window.span
    window.zoom(factor, this.#pointer ?? (part >= 0 && part <= 1 ? part : 0.5))
    this.changed()
  }

  showAll(): void {
    const { window } = this.scene
    window.show(window.first, window.last)
    this.changed()
  }

  /** Scrolls until a row is in view. */
  reveal(row: number): void {
    const top = row * ROW
    const room = this.scroller.clientHeight - AXIS - ROW
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top
    if (top > this.scroller.scrollTop + room) this.scroller.scrollTop = top - room
  }

  /** Returns the scroll position at which a row is in the middle. */
  middle(row: number): number {
    return Math.max(0, row * ROW - this.scroller.clientHeight / 2)
  }

  scrollTo(top: number): void {
    this.#place.scrollTo(top)
  }

  /** Adapts the drawing to the size of its element. Has to be called after a change of the rows as well. */
  resize(): void {
    this.#sizeRows()
    this.#painter.resize(this.scroller.clientWidth, this.scroller.clientHeight)
    this.changed()
  }

  /** Sizes the scroller and its spacer so that the canvas stays in view while the rows scroll. */
  #sizeRows(): void {
    const height = this.scene.rows.list.length * ROW
    this.scroller.style.height = `min(46vh, 44rem, ${height + BELOW}px)`
    this.#place.spacer.style.height = `${height}px`
    this.#place.spacer.style.marginTop = `${BELOW - 2 - this.scroller.clientHeight}px`
  }

  /** Schedules drawing for the next frame. */
  changed(): void {
    this.#place.changed()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#events.settled(), SETTLED)
  }

  #paint(): void {
    const colours = palette()
    this.#painter.paint(this.scene, colours)
    this.#minimap.paint(this.scene, colours, this.scroller.clientWidth)
    this.#events.painted()
  }

  stop(): void {
    this.#place.stop()
    clearTimeout(this.#timer)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The element with the map of device pages: handles scrolling, the pointer and the selected page. */
import { ScrolledCanvas } from '../scrolled-canvas.ts'
import { palette } from '../timeline/palette.ts'
import type { PressEvents } from '../timeline/press.ts'
import { shadesOf } from './colours.ts'
import type { CorePagemap } from './document.ts'
import { COLUMNS, Grid } from './grid.ts'
import { LABELS, MapPainter, type MapScene, type Place, ROW } from './painter.ts'
import type { Segments } from './segments.ts'

export interface MapEvents {
  /** @param event undefined if the pointer has left */
  hover(place: Place | undefined, event: PointerEvent | undefined): void
  click(place: Place): void
  /** Called when the system switches between light and dark colours. */
  repaint(): void
}

export class MapBoard {
  readonly scene: MapScene
  readonly scroller: HTMLElement
  readonly #place = new ScrolledCanvas(
    'page-map',
    'Map of the pages; the button "As a table" shows the same as a table',
  )
  readonly #painter = new MapPainter(this.#place.canvas)
  readonly #events: MapEvents

  constructor(pagemaps: readonly CorePagemap[], segments: readonly Segments[], events: MapEvents) {
    const grid = new Grid(pagemaps, segments)
    this.scene = { pagemaps, segments, grid, scroll: 0, selected: undefined, hovered: undefined, lit: [] }
    this.#events = events
    this.scroller = this.#place.scroller
    this.#place.show({
      scene: this.scene,
      press: this.#press(),
      paint: () => this.#painter.paint(this.scene, palette(), shadesOf()),
      resize: () => this.resize(),
      repaint: () => this.#events.repaint(),
    })
  }

  #press(): PressEvents {
    const { scroller, scene } = this
    return {
      begin: () => {
        const top = scroller.scrollTop
        return (_, dy) => {
          scroller.scrollTop = top - dy
        }
      },
      click: event => {
        const place = this.#under(event)
        if (place) this.#events.click(place)
        scroller.focus({ preventScroll: true })
      },
      hover: event => {
        scene.hovered = event && this.#under(event)
        this.#events.hover(scene.hovered, event)
        this.changed()
      },
    }
  }

  /** The page under the pointer; in a folded row, the first page of the row. */
  #under(event: MouseEvent): Place | undefined {
    const { grid, scroll } = this.scene
    const box = this.#place.canvas.getBoundingClientRect()
    const row = Math.floor((event.clientY - box.top + scroll) / ROW)
    if (row < 0 || row >= grid.length || grid.base[row]! < 0) return undefined
    const pagemap = grid.pagemap[row]!
    if (grid.isFolded(row)) return { pfn: grid.from[row]!, pagemap }
    const column = Math.floor((event.clientX - box.left - LABELS) / this.#painter.cell)
    const pfn = grid.base[row]! + Math.max(0, column)
    if (column >= COLUMNS || pfn < grid.from[row]! || pfn >= grid.end[row]!) return undefined
    return { pfn, pagemap }
  }

  /** Scrolls until a page is in view. */
  reveal({ pfn, pagemap }: Place): void {
    const row = this.scene.grid.rowOf(pfn, pagemap)
    if (row < 0) return
    const top = row * ROW
    const { clientHeight, scrollTop } = this.scroller
    if (top < scrollTop + ROW) this.scroller.scrollTop = top - clientHeight / 4
    if (top > scrollTop + clientHeight - 2 * ROW) this.scroller.scrollTop = top - clientHeight * 0.75
    this.scene.scroll = this.scroller.scrollTop
    this.changed()
  }

  scrollTo(top: number): void {
    this.#place.scrollTo(top)
  }

  /** Adapts the drawing to the size of its element. */
  resize(): void {
    const height = this.scene.grid.length * ROW + 4
    this.scroller.style.height = `min(66vh, 46rem, ${height + 2}px)`
    const { clientWidth, clientHeight } = this.scroller
    this.#place.spacer.style.height = `${Math.max(0, height - clientHeight)}px`
    this.#painter.resize(clientWidth, clientHeight)
    this.changed()
  }

  /** Schedules drawing for the next frame. */
  changed(): void {
    this.#place.changed()
  }

  stop(): void {
    this.#place.stop()
  }
}

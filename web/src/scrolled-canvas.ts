// SPDX-License-Identifier: GPL-2.0-or-later
/** A canvas that stays in place while its rows scroll. It is redrawn in the next frame after a change. */
import { h } from './dom.ts'
import { onPaletteChange } from './timeline/palette.ts'
import { onPress, type PressEvents } from './timeline/press.ts'

export interface Drawing {
  /** The part of the drawn scene that this class sets: the scroll position. */
  readonly scene: { scroll: number }
  readonly press: PressEvents
  /** Draws the scene. Not called while the scroller is hidden. */
  paint(): void
  /** Called when the size of the window has changed. */
  resize(): void
  /** Called before redrawing when the system switches between light and dark colours. */
  repaint?(): void
}

export class ScrolledCanvas {
  readonly scroller: HTMLElement
  readonly canvas = h('canvas', { 'aria-hidden': 'true' })
  /** Gives the scroller's content the height of all rows. */
  readonly spacer = h('div', { class: 'spacer' })
  readonly #controller = new AbortController()
  #drawing: Drawing | undefined
  #frame = 0

  /** @param kind class of the element. @param label description of the drawing for screen readers */
  constructor(kind: string, label: string) {
    this.scroller = h('div', { class: kind, tabindex: 0, role: 'application', 'aria-label': label })
    this.scroller.append(this.canvas, this.spacer)
  }

  /** Starts drawing. */
  show(drawing: Drawing): void {
    this.#drawing = drawing
    const { scroller } = this
    const { signal } = this.#controller
    scroller.addEventListener('scroll', () => {
      drawing.scene.scroll = scroller.scrollTop
      this.changed()
    })
    onPress(scroller, drawing.press)
    const repaint = () => {
      drawing.repaint?.()
      this.changed()
    }
    onPaletteChange(repaint, signal)
    addEventListener('resize', () => drawing.resize(), { signal })
  }

  scrollTo(top: number): void {
    this.scroller.scrollTop = top
    if (this.#drawing) this.#drawing.scene.scroll = this.scroller.scrollTop
  }

  /** Schedules drawing for the next frame. */
  changed(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#paint())
  }

  #paint(): void {
    this.#frame = 0
    if (!this.scroller.hidden) this.#drawing?.paint()
  }

  stop(): void {
    this.#controller.abort()
    cancelAnimationFrame(this.#frame)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** A canvas that stays while its rows scroll behind it, and is drawn with the next frame when something has changed. */
import { h } from './dom.ts'
import { onPaletteChange } from './timeline/palette.ts'
import { onPress, type PressEvents } from './timeline/press.ts'

export interface Drawing {
  /** What is drawn, as far as it has to do with its place: how far its rows are scrolled. */
  readonly scene: { scroll: number }
  readonly press: PressEvents
  /** Draws what has changed; not called while the scroller is hidden. */
  paint(): void
  /** Called when the window has another size. */
  resize(): void
  /** Called when the system turns from light to dark or back, before it is drawn anew. */
  repaint?(): void
}

export class ScrolledCanvas {
  readonly scroller: HTMLElement
  readonly canvas = h('canvas', { 'aria-hidden': 'true' })
  /** As high as makes the scroller's content as high as all rows. */
  readonly spacer = h('div', { class: 'spacer' })
  readonly #controller = new AbortController()
  #drawing: Drawing | undefined
  #frame = 0

  /** @param kind class of the element. @param label what it shows, for screen readers */
  constructor(kind: string, label: string) {
    this.scroller = h('div', { class: kind, tabindex: 0, role: 'application', 'aria-label': label })
    this.scroller.append(this.canvas, this.spacer)
  }

  /** Begins to draw. */
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

  /** Draws with the next frame. */
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

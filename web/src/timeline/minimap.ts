// SPDX-License-Identifier: GPL-2.0-or-later
/** An overview of the whole recording: the density of events, the findings, and the window in view. */
import { h } from '../dom.ts'
import type { LiveRecording } from '../recording.ts'
import { LABELS, type Scene } from './painter.ts'
import type { Palette } from './palette.ts'
import type { Mark } from './rows.ts'
import type { TimeWindow } from './window.ts'

const HEIGHT = 44
/** Border width in CSS pixels, as in style.css. */
const BORDER = 1
/** Distance in CSS pixels up to which the pointer is at the mark of a finding. */
const NEAR = 3

/** What is under the pointer: the part of the time that a bar stands for, its events, and the findings there. */
export interface Bar {
  from: number
  to: number
  events: number
  marks: Mark[]
}

export interface MinimapEvents {
  moved(): void
  /** @param bar undefined if there is nothing under the pointer, or if it has left */
  hover(bar: Bar | undefined, event: PointerEvent): void
}

export class Minimap {
  readonly canvas = h('canvas', { class: 'minimap', 'aria-hidden': 'true' })
  readonly #live: LiveRecording
  readonly #window: TimeWindow
  #scene: Scene | undefined

  constructor(live: LiveRecording, window: TimeWindow, { moved, hover }: MinimapEvents) {
    this.#live = live
    this.#window = window
    const move = (event: PointerEvent) => {
      hover(this.#under(event), event)
      if (event.buttons === 0) return
      const at = this.#timeAt(event.offsetX)
      window.show(at - window.span / 2, at + window.span / 2)
      moved()
    }
    this.canvas.addEventListener('pointerdown', event => {
      this.canvas.setPointerCapture(event.pointerId)
      move(event)
    })
    this.canvas.addEventListener('pointermove', move)
    this.canvas.addEventListener('pointerleave', event => hover(undefined, event))
  }

  /** @param x in CSS pixels from the left edge */
  #timeAt(x: number): number {
    const { first, last } = this.#window
    return first + ((x - LABELS) / Math.max(1, this.canvas.clientWidth - LABELS)) * (last - first)
  }

  #under({ offsetX }: PointerEvent): Bar | undefined {
    const { density, firstTime, lastTime } = this.#live.timeline
    const at = this.#timeAt(offsetX)
    const reach = this.#timeAt(offsetX + NEAR) - at
    const marks = [...(this.#scene?.rows.marks.values() ?? [])].flat()
    const near = marks.filter(({ time }) => time !== undefined && Math.abs(time - at) <= reach)
    if (near.length === 0 && (at < firstTime - reach || at > lastTime + reach)) return undefined
    const part = (lastTime - firstTime) / (density.length - 1)
    const last = density.length - 1
    const i = part > 0 ? Math.max(0, Math.min(last, Math.floor((at - firstTime) / part))) : 0
    const from = firstTime + i * part
    return { from, to: Math.min(lastTime, from + part), events: density[i]!, marks: near }
  }

  /** @param width width of the rows in CSS pixels, without a scroll bar */
  paint(scene: Scene, colours: Palette, width: number): void {
    const { rows, range } = scene
    this.#scene = scene
    const scale = devicePixelRatio
    this.canvas.style.width = `${width + 2 * BORDER}px`
    this.canvas.width = Math.max(1, Math.round(width * scale))
    this.canvas.height = HEIGHT * scale
    const context = this.canvas.getContext('2d')!
    context.scale(scale, scale)
    context.fillStyle = colours.raised
    context.fillRect(0, 0, width, HEIGHT)
    const { density, firstTime, lastTime } = this.#live.timeline
    const { first, last, from, to } = this.#window
    // The overview leaves the same room for labels as the rows, so that equal times are in the same column.
    const room = Math.max(1, width - LABELS)
    const x = (time: number) => LABELS + ((time - first) / (last - first)) * room
    // The last bucket of `density` has only the events at `lastTime` itself.
    const part = (lastTime - firstTime) / (density.length - 1)
    const most = density.reduce((max, events) => Math.max(max, events), 1)
    context.fillStyle = colours.shades[4]!
    density.forEach((events, i) => {
      const left = x(firstTime + i * part)
      // The scale is logarithmic, and a bar is higher than the window's frame, so that even a single event is visible.
      const height = events === 0 ? 0 : 6 + (Math.log(events) / Math.log(most + 1)) * (HEIGHT - 12)
      // Bars are rounded to device pixels, since a partly covered pixel is hardly visible.
      const [first, last] = [Math.floor(left * scale), Math.ceil((left + x(part) - x(0)) * scale)]
      context.fillRect(first / scale, HEIGHT - height, Math.max(1, last - first) / scale, height)
    })
    if (range) {
      context.fillStyle = colours.accent
      context.fillRect(x(range.from), 0, Math.max(2, x(range.to) - x(range.from)), 3)
    }
    context.strokeStyle = colours.accent
    context.lineWidth = 2
    context.strokeRect(x(from) + 1, 1, Math.max(2, x(to) - x(from) - 2), HEIGHT - 2)
    // Findings are drawn last, so that the window's frame does not hide them.
    context.fillStyle = colours.mark
    for (const marks of rows.marks.values())
      for (const { time } of marks) if (time !== undefined) context.fillRect(x(time) - 1, 0, 2, HEIGHT)
  }
}

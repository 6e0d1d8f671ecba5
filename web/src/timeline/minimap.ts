// SPDX-License-Identifier: GPL-2.0-or-later
/** The whole recording at a glance: how many events when, where the findings are, and what is in view. */
import { h } from '../dom.ts'
import type { LiveRecording } from '../recording.ts'
import { LABELS } from './painter.ts'
import type { Palette } from './palette.ts'
import type { Rows } from './rows.ts'
import type { TimeWindow } from './window.ts'

const HEIGHT = 44

export class Minimap {
  readonly canvas = h('canvas', { class: 'minimap', 'aria-hidden': 'true' })
  readonly #live: LiveRecording
  readonly #window: TimeWindow

  constructor(live: LiveRecording, window: TimeWindow, moved: () => void) {
    this.#live = live
    this.#window = window
    const move = (event: PointerEvent) => {
      if (event.buttons === 0) return
      const box = this.canvas.getBoundingClientRect()
      const part = (event.clientX - box.left - LABELS) / Math.max(1, box.width - LABELS)
      const at = window.first + part * (window.last - window.first)
      window.show(at - window.span / 2, at + window.span / 2)
      moved()
    }
    this.canvas.addEventListener('pointerdown', event => {
      this.canvas.setPointerCapture(event.pointerId)
      move(event)
    })
    this.canvas.addEventListener('pointermove', move)
  }

  paint(rows: Rows, colours: Palette): void {
    const scale = devicePixelRatio
    const width = this.canvas.clientWidth
    this.canvas.width = Math.max(1, Math.round(width * scale))
    this.canvas.height = HEIGHT * scale
    const context = this.canvas.getContext('2d')!
    context.scale(scale, scale)
    context.fillStyle = colours.raised
    context.fillRect(0, 0, width, HEIGHT)
    const { density, firstTime, lastTime } = this.#live.timeline
    const { first, last, from, to } = this.#window
    // The same room at the left as the rows have for their names, so that one time is in one column.
    const room = Math.max(1, width - LABELS)
    const x = (time: number) => LABELS + ((time - first) / (last - first)) * room
    const most = density.reduce((max, events) => Math.max(max, events), 1)
    context.fillStyle = colours.shades[4]!
    density.forEach((events, i) => {
      const left = x(firstTime + (i / density.length) * (lastTime - firstTime))
      // By its logarithm: one event in a quiet time must be seen.
      const height = events === 0 ? 0 : 2 + (Math.log(events) / Math.log(most + 1)) * (HEIGHT - 8)
      context.fillRect(left, HEIGHT - height, Math.max(1, room / density.length), height)
    })
    context.fillStyle = colours.mark
    for (const marks of rows.marks.values())
      for (const { time } of marks) if (time !== undefined) context.fillRect(x(time) - 1, 0, 2, HEIGHT)
    context.strokeStyle = colours.accent
    context.lineWidth = 2
    context.strokeRect(x(from) + 1, 1, Math.max(2, x(to) - x(from) - 2), HEIGHT - 2)
  }
}

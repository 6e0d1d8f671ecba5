// SPDX-License-Identifier: GPL-2.0-or-later
/** Draws the rows in view on a canvas: shades of counts, names, findings, the selection and the time axis. */
import { pfnText } from '../../../src/report/words.ts'
import type { TraceJson } from '../documents.ts'
import type { LiveRecording } from '../recording.ts'
import { axisTicks, type Tick } from './axis.ts'
import { type Palette, pixels } from './palette.ts'
import type { TimeRange } from './range.ts'
import { rasterRow, Shade } from './raster.ts'
import type { Rows, Unmapping } from './rows.ts'
import type { TimeWindow } from './window.ts'

/** Sizes in CSS pixels. */
export const ROW = 16
export const AXIS = 22
export const LABELS = 118

/** Least distance of two ticks on the axis. */
const TICK = 110

export interface Scene {
  trace: TraceJson
  live: LiveRecording
  rows: Rows
  window: TimeWindow
  /** Scroll position of the rows, in CSS pixels. */
  scroll: number
  /** The selected row and event. */
  selected: { row: number; event: number | undefined } | undefined
  hovered: number | undefined
  /** The marked range of time. */
  range: TimeRange | undefined
}

export class Painter {
  readonly canvas: HTMLCanvasElement
  readonly #context: CanvasRenderingContext2D
  #image = new ImageData(1, 1)
  #shades = new Uint8Array(1)
  #line = new Uint32Array(1)

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas
    this.#context = canvas.getContext('2d', { alpha: false })!
  }

  /** Adapts the canvas to a size in CSS pixels. */
  resize(width: number, height: number): void {
    const scale = devicePixelRatio
    this.canvas.width = Math.max(1, Math.round(width * scale))
    this.canvas.height = Math.max(1, Math.round(height * scale))
    const shown = Math.max(1, this.canvas.width - Math.round(LABELS * scale))
    this.#image = new ImageData(shown, Math.max(1, this.canvas.height - Math.round(AXIS * scale)))
    this.#shades = new Uint8Array(shown)
    this.#line = new Uint32Array(shown)
  }

  paint(scene: Scene, colours: Palette): void {
    const context = this.#context
    const scale = devicePixelRatio
    const width = this.canvas.width / scale
    const height = this.canvas.height / scale
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.fillStyle = colours.back
    context.fillRect(0, 0, this.canvas.width, this.canvas.height)
    const { timeBase, times } = scene.live
    const clock = { timeBase, unit: times.unit }
    const ticks = axisTicks(scene.window.from, scene.window.to, TICK / (width - LABELS), clock)
    this.#paintShades(scene, ticks, colours, scale)
    context.setTransform(scale, 0, 0, scale, 0, 0)
    this.#paintRows(scene, colours, width, height)
    this.#paintAxis(scene, ticks, colours, width)
    this.#paintRange(scene, colours, width, height)
  }

  /** The rows in view, with their distance from the top of the canvas. */
  *#visible({ rows, scroll }: Scene, height: number): Generator<{ row: number; entry: number; y: number }> {
    const first = Math.max(0, Math.floor(scroll / ROW))
    for (let row = first; row < rows.list.length; row++) {
      const y = AXIS + row * ROW - scroll
      if (y > height) return
      yield { row, entry: rows.list[row]!, y }
    }
  }

  #paintShades(scene: Scene, ticks: readonly Tick[], colours: Palette, scale: number): void {
    const { width, height, data } = this.#image
    const target = new Uint32Array(data.buffer)
    const shades = pixels(colours.shades)
    const { window, live } = scene
    // The grid is drawn behind the rows, so that it hides none of their pixels.
    const behind = new Uint32Array(width).fill(shades[0]!)
    const [line] = pixels([colours.line])
    for (const { time } of ticks) behind[Math.round(((time - window.from) / window.span) * width)] = line!
    for (let y = 0; y < height; y++) target.set(behind, y * width)
    for (const { entry, y } of this.#visible(scene, this.canvas.height / scale)) {
      if (entry < 0) continue
      rasterRow(live.timeline, entry, window.from, window.span / width, this.#shades)
      for (let x = 0; x < width; x++) {
        const shade = this.#shades[x]!
        this.#line[x] = shade === Shade.UNKNOWN ? behind[x]! : shades[shade]!
      }
      const top = Math.max(0, Math.round((y - AXIS + 1) * scale))
      const bottom = Math.min(height, Math.round((y - AXIS + ROW - 1) * scale))
      for (let line = top; line < bottom; line++) target.set(this.#line, line * width)
    }
    this.#context.putImageData(this.#image, this.canvas.width - width, this.canvas.height - height)
  }

  #paintRows(scene: Scene, colours: Palette, width: number, height: number): void {
    const context = this.#context
    const { rows, live, trace } = scene
    context.textBaseline = 'middle'
    for (const { row, entry, y } of this.#visible(scene, height)) {
      if (entry < 0) {
        const named = this.#paintHeading(trace.pagemaps[-1 - entry]!, y, colours, width)
        for (const each of rows.unmappings[-1 - entry]!) this.#paintUnmapping(scene, each, y, colours, [named, width])
        continue
      }
      const marks = rows.marks.get(entry)
      const selected = scene.selected?.row === row
      if (selected || scene.hovered === row) {
        context.fillStyle = selected ? colours.accent : colours.line
        context.fillRect(0, y, 3, ROW)
      }
      context.font = `${marks || selected ? '600 ' : ''}11px ui-monospace, "DejaVu Sans Mono", monospace`
      context.fillStyle = marks ? colours.mark : selected ? colours.text : colours.muted
      context.fillText(pfnText(live.timeline.pfns[entry]!), 10, y + ROW / 2 + 1)
      for (const { time } of marks ?? [])
        if (time !== undefined) this.#paintMark(this.x(scene, time, width), y, colours)
      if (selected) this.#paintSelection(scene, y, colours, width)
    }
  }

  /** Draws the heading of a pagemap. @returns the x coordinate at which its text ends */
  #paintHeading(map: TraceJson['pagemaps'][number], y: number, colours: Palette, width: number): number {
    const context = this.#context
    context.fillStyle = colours.raised
    context.fillRect(0, y, width, ROW)
    context.fillStyle = colours.text
    context.font = '600 11px system-ui, "DejaVu Sans", sans-serif'
    const type = map.type === undefined ? 'pagemap' : map.type
    const text = `${map.firstPfn}-${map.lastPfn}  ${type}, protocol ${map.protocol}`
    context.fillText(text, 10, y + ROW / 2 + 1)
    return 10 + context.measureText(text).width
  }

  /**
   * Draws a call of memunmap_pages() as a bar in the heading. A call that waits has the colour of findings.
   *
   * @param room x coordinates of the end of the heading's text, and of the end of the row
   */
  #paintUnmapping(
    scene: Scene,
    { call, from, to }: Unmapping,
    y: number,
    colours: Palette,
    [named, width]: readonly [number, number],
  ): void {
    const context = this.#context
    const left = Math.max(LABELS, this.x(scene, from, width))
    const right = Math.min(width, Math.max(left + 3, this.x(scene, to ?? from, width)))
    if (right <= LABELS || left >= width) return
    context.fillStyle = call.waits ? colours.mark : colours.muted
    context.fillRect(left, y + ROW - 3, right - left, 3)
    context.fillRect(left - 1, y + 1, 2, ROW - 1)
    const text = call.waits ? 'memunmap_pages() waits' : 'memunmap_pages()'
    context.font = '11px system-ui, "DejaVu Sans", sans-serif'
    // The label is beside the beginning of the bar, on the side that has room.
    const size = context.measureText(text).width
    const behind = Math.max(left, named + 8) + 5
    if (behind + size < width) context.fillText(text, behind, y + ROW / 2 - 1.5)
    else if (left - 5 - size > named) context.fillText(text, left - 5 - size, y + ROW / 2 - 1.5)
  }

  /** Draws the flag of a finding at its time. */
  #paintMark(x: number, y: number, colours: Palette): void {
    const context = this.#context
    if (x < LABELS) return
    context.fillStyle = colours.mark
    context.beginPath()
    context.moveTo(x - 5, y)
    context.lineTo(x + 5, y)
    context.lineTo(x, y + 7)
    context.fill()
    context.fillRect(x - 1, y, 2, ROW)
  }

  #paintSelection(scene: Scene, y: number, colours: Palette, width: number): void {
    const context = this.#context
    const { event } = scene.selected!
    context.strokeStyle = colours.accent
    context.lineWidth = 1
    context.strokeRect(LABELS - 0.5, y + 0.5, width - LABELS, ROW - 1)
    if (event === undefined) return
    const x = this.x(scene, scene.live.timeline.time[event]!, width)
    if (x < LABELS) return
    context.fillStyle = colours.accent
    context.fillRect(x - 1, y - 3, 2, ROW + 6)
  }

  #paintAxis(scene: Scene, ticks: readonly Tick[], colours: Palette, width: number): void {
    const context = this.#context
    context.fillStyle = colours.raised
    context.fillRect(0, 0, width, AXIS)
    context.font = '11px system-ui, "DejaVu Sans", sans-serif'
    context.fillStyle = colours.muted
    for (const { time, text } of ticks) {
      const x = Math.round(this.x(scene, time, width))
      context.fillRect(x, AXIS - 5, 1, 5)
      context.fillText(text, x + 4, AXIS / 2)
    }
    context.fillStyle = colours.raised
    context.fillRect(0, 0, LABELS, AXIS)
    context.fillStyle = colours.muted
    context.fillText('page', 10, AXIS / 2)
  }

  /** Draws the marked range: dims what is outside it, and draws its ends as lines. */
  #paintRange(scene: Scene, colours: Palette, width: number, height: number): void {
    if (!scene.range) return
    const context = this.#context
    const [from, to] = [scene.range.from, scene.range.to].map(time =>
      Math.max(LABELS, Math.min(width, this.x(scene, time, width))),
    ) as [number, number]
    context.globalAlpha = 0.45
    context.fillStyle = colours.back
    context.fillRect(LABELS, AXIS, from - LABELS, height)
    context.fillRect(to, AXIS, width - to, height)
    context.globalAlpha = 1
    context.fillStyle = colours.accent
    for (const x of [from, to]) context.fillRect(x - 1, 0, 2, height)
    this.#paintSpan(scene, (from + to) / 2, colours)
  }

  /** Writes the length of the marked range into its middle. */
  #paintSpan({ range, live }: Scene, x: number, colours: Palette): void {
    const context = this.#context
    const text = live.times.span((range!.to - range!.from) / live.times.scale)
    context.font = '600 11px system-ui, "DejaVu Sans", sans-serif'
    const half = context.measureText(text).width / 2 + 6
    context.fillStyle = colours.raised
    context.fillRect(x - half, 1, 2 * half, AXIS - 2)
    context.fillStyle = colours.accent
    context.fillText(text, x - half + 6, AXIS / 2)
  }

  /** Returns the x coordinate of a time, in CSS pixels. */
  x({ window }: Scene, time: number, width: number): number {
    return LABELS + ((time - window.from) / window.span) * (width - LABELS)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Draws the rows in view on a canvas: a coloured cell for each page, with addresses, headings and outlines. */
import { grouped, pfnText, plural } from '../../../src/report/words.ts'
import type { Palette } from '../timeline/palette.ts'
import type { Shades } from './colours.ts'
import type { CorePagemap } from './document.ts'
import { COLUMNS, type Grid } from './grid.ts'
import { type Segments, SHADES } from './segments.ts'

/** Sizes in CSS pixels. */
export const ROW = 14
export const LABELS = 118
const LEAST_CELL = 4
const MOST_CELL = 14
/** Room at the right, for the last cell's outline. */
const ROOM = 6
/** Least size of a cell that shows a sign in addition to its colour. */
const LEAST_SIGNED = 7

const MONO = '11px ui-monospace, "DejaVu Sans Mono", monospace'
const SANS = '600 11px system-ui, "DejaVu Sans", sans-serif'

/** A page of a pagemap. The pfn alone is ambiguous, because pagemaps read from damaged memory can overlap. */
export interface Place {
  pfn: number
  pagemap: number
}

export interface MapScene {
  pagemaps: readonly CorePagemap[]
  segments: readonly Segments[]
  grid: Grid
  /** Scroll position of the rows, in CSS pixels. */
  scroll: number
  selected: Place | undefined
  hovered: Place | undefined
  /** Pages of the selected finding, which are highlighted. */
  lit: readonly { first: number; end: number }[]
}

export class MapPainter {
  readonly canvas: HTMLCanvasElement
  readonly #context: CanvasRenderingContext2D
  /** Distance from one cell to the next, in CSS pixels. */
  cell = LEAST_CELL

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas
    this.#context = canvas.getContext('2d', { alpha: false })!
  }

  /** Adapts the canvas and its cells to a size in CSS pixels. */
  resize(width: number, height: number): void {
    this.canvas.width = Math.max(1, Math.round(width * devicePixelRatio))
    this.canvas.height = Math.max(1, Math.round(height * devicePixelRatio))
    this.cell = Math.max(LEAST_CELL, Math.min(MOST_CELL, Math.floor((width - LABELS - ROOM) / COLUMNS)))
  }

  paint(scene: MapScene, colours: Palette, shades: Shades): void {
    const context = this.#context
    const scale = devicePixelRatio
    context.setTransform(scale, 0, 0, scale, 0, 0)
    const [width, height] = [this.canvas.width / scale, this.canvas.height / scale]
    context.fillStyle = colours.back
    context.fillRect(0, 0, width, height)
    context.textBaseline = 'middle'
    const { grid, scroll } = scene
    for (let row = Math.floor(scroll / ROW); row < grid.length && row * ROW - scroll < height; row++) {
      const y = row * ROW - scroll
      if (grid.base[row]! < 0) this.#heading(scene.pagemaps[grid.pagemap[row]!]!, y, width, colours)
      else {
        this.#label(scene, row, y, colours)
        if (grid.isFolded(row)) this.#folded(scene, row, y, shades)
        else this.#cells(scene, row, y, shades)
        this.#outlines(scene, row, y, colours)
      }
    }
  }

  #heading({ ranges, type, typeNumber, driver, pages }: CorePagemap, y: number, width: number, colours: Palette): void {
    const context = this.#context
    context.fillStyle = colours.raised
    context.fillRect(0, y, width, ROW)
    context.fillStyle = colours.text
    context.font = SANS
    const used = pages.busy + pages.impossible + pages.unknown
    const from = ranges[0] ? pfnText(ranges[0].first) : ''
    const what = `${from}  ${type ?? `type ${typeNumber}`}${driver === null ? '' : ` of ${driver}`}`
    context.fillText(`${what}: ${grouped(used)} in use, ${grouped(pages.idle)} idle`, 10, y + ROW / 2 + 1, width - 20)
  }

  #label({ grid, selected }: MapScene, row: number, y: number, colours: Palette): void {
    const isSelected = selected !== undefined && isIn(grid, row, selected)
    this.#context.font = MONO
    this.#context.fillStyle = isSelected ? colours.text : colours.muted
    this.#context.fillText(pfnText(grid.base[row]!), 10, y + ROW / 2 + 1)
  }

  /** Draws one bar for rows of equal pages, labelled with their number. */
  #folded({ grid, segments }: MapScene, row: number, y: number, shades: Shades): void {
    const context = this.#context
    const shade = segments[grid.pagemap[row]!]!.shadeAt(grid.base[row]!)
    context.fillStyle = shades.fill[shade]!
    context.fillRect(LABELS, y + 1, COLUMNS * this.cell - 1, ROW - 2)
    context.fillStyle = shades.on[shade]!
    context.font = MONO
    const pages = plural(grid.end[row]! - grid.from[row]!, 'page')
    context.fillText(`${pages}, ${SHADES[shade]}`, LABELS + 6, y + ROW / 2 + 1)
  }

  #cells({ grid, segments }: MapScene, row: number, y: number, shades: Shades): void {
    const context = this.#context
    const own = segments[grid.pagemap[row]!]!
    const [base, end] = [grid.base[row]!, grid.end[row]!]
    let at = grid.from[row]!
    for (let segment = own.at(at); at < end && segment < own.length; segment++) {
      const to = Math.min(end, own.end[segment]!)
      const shade = own.shade[segment]!
      context.fillStyle = shades.fill[shade]!
      for (at = Math.max(at, own.first[segment]!); at < to; at++) {
        context.fillRect(LABELS + (at - base) * this.cell, y + 1, this.cell - 1, ROW - 2)
        if (this.cell >= LEAST_SIGNED) this.#sign(shade, LABELS + (at - base) * this.cell, y + 1, shades)
        if (shade > 0) context.fillStyle = shades.fill[shade]!
      }
    }
  }

  /** Draws a sign on a page with a finding, so that it can be recognised without colour. */
  #sign(shade: number, x: number, y: number, shades: Shades): void {
    const context = this.#context
    const [right, bottom] = [x + this.cell - 1, y + ROW - 2]
    const word = SHADES[shade]
    if (word === 'leaked') {
      context.fillStyle = shades.on[shade]!
      context.fillRect((x + right) / 2 - 1.5, (y + bottom) / 2 - 1.5, 3, 3)
    } else if (word === 'impossible' || word === 'count-mismatch') {
      context.strokeStyle = shades.on[shade]!
      context.lineWidth = 1
      context.beginPath()
      context.moveTo(x + 1.5, bottom - 1.5)
      context.lineTo(right - 1.5, y + 1.5)
      if (word === 'impossible') {
        context.moveTo(x + 1.5, y + 1.5)
        context.lineTo(right - 1.5, bottom - 1.5)
      }
      context.stroke()
    }
  }

  #outlines(scene: MapScene, row: number, y: number, colours: Palette): void {
    const { grid, lit, selected, hovered } = scene
    const context = this.#context
    context.fillStyle = colours.accent
    for (const { first, end } of lit) {
      const [from, to] = [Math.max(first, grid.from[row]!), Math.min(end, grid.end[row]!)]
      if (to <= from) continue
      const { x, width } = this.#span(grid, row, from, to)
      context.fillRect(x, y + ROW - 2, width, 2)
    }
    if (hovered && isIn(grid, row, hovered)) this.#outline(grid, row, y, hovered, colours.muted, 1)
    if (selected && isIn(grid, row, selected)) this.#outline(grid, row, y, selected, colours.accent, 2)
  }

  #outline(grid: Grid, row: number, y: number, { pfn }: Place, colour: string, lineWidth: number): void {
    const { x, width } = this.#span(grid, row, pfn, pfn + 1)
    this.#context.strokeStyle = colour
    this.#context.lineWidth = lineWidth
    this.#context.strokeRect(x - 0.5, y + 0.5, width + 1, ROW - 1)
  }

  /** The horizontal extent of pages in a row; in a folded row, the whole bar. */
  #span(grid: Grid, row: number, from: number, to: number): { x: number; width: number } {
    if (grid.isFolded(row)) return { x: LABELS, width: COLUMNS * this.cell - 1 }
    return { x: LABELS + (from - grid.base[row]!) * this.cell, width: (to - from) * this.cell - 1 }
  }
}

function isIn(grid: Grid, row: number, { pfn, pagemap }: Place): boolean {
  return grid.pagemap[row] === pagemap && pfn >= grid.from[row]! && pfn < grid.end[row]!
}

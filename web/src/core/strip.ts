// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows a pagemap as a strip of one row. Each pixel has the highest shade of the pages that share it. */
import { h } from '../dom.ts'
import type { Shades } from './colours.ts'
import type { CorePagemap } from './document.ts'
import type { Segments } from './segments.ts'

/** Height in CSS pixels. */
const HEIGHT = 16

export class Strip {
  readonly canvas = h('canvas', { class: 'strip', 'aria-hidden': 'true' })
  readonly #pagemap: CorePagemap
  readonly #segments: Segments

  /** @param chosen called with the page that was clicked */
  constructor(pagemap: CorePagemap, segments: Segments, chosen: (pfn: number) => void) {
    this.#pagemap = pagemap
    this.#segments = segments
    this.canvas.addEventListener('click', event => {
      const box = this.canvas.getBoundingClientRect()
      const pfn = this.#pageAt((event.clientX - box.left) / Math.max(1, box.width))
      if (pfn !== undefined) chosen(pfn)
    })
  }

  /** The page at a fraction of the strip's width. The ranges of the pagemap are drawn side by side. */
  #pageAt(part: number): number | undefined {
    let left = Math.floor(Math.max(0, Math.min(0.999999, part)) * pagesOf(this.#pagemap))
    for (const { first, end } of this.#pagemap.ranges) {
      if (left < end - first) return first + left
      left -= end - first
    }
    return undefined
  }

  paint({ fill }: Shades): void {
    const width = Math.max(1, Math.round(this.canvas.clientWidth * devicePixelRatio))
    this.canvas.width = width
    this.canvas.height = HEIGHT * devicePixelRatio
    const context = this.canvas.getContext('2d')!
    const shades = worstOf(this.#pagemap.ranges, this.#segments, width)
    for (let x = 0; x < width; x++) {
      context.fillStyle = fill[shades[x]!]!
      context.fillRect(x, 0, 1, this.canvas.height)
    }
  }
}

function pagesOf({ ranges }: Pick<CorePagemap, 'ranges'>): number {
  return ranges.reduce((sum, { first, end }) => sum + Math.max(0, end - first), 0)
}

/** The highest shade of the pages that share each of `width` pixels. */
export function worstOf(ranges: CorePagemap['ranges'], segments: Segments, width: number): Uint8Array {
  const shades = new Uint8Array(width)
  const pages = pagesOf({ ranges })
  let before = 0
  for (const { first, end } of ranges) {
    for (let at = segments.at(first); at < segments.length && segments.first[at]! < end; at++) {
      const from = before + Math.max(first, segments.first[at]!) - first
      const to = before + Math.min(end, segments.end[at]!) - first
      const last = Math.min(width - 1, Math.ceil((to / pages) * width) - 1)
      for (let x = Math.floor((from / pages) * width); x <= last; x++)
        shades[x] = Math.max(shades[x]!, segments.shade[at]!)
    }
    before += Math.max(0, end - first)
  }
  return shades
}

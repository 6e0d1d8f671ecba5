// SPDX-License-Identifier: GPL-2.0-or-later
/** The colour of each page: that of its finding, or otherwise of its state. Adjacent pages of one colour form a segment. */
import type { CoreFinding } from '../../../src/core/finding.ts'
import { growColumns, lengthFor } from '../../../src/util/growable.ts'
import { lowerBound } from '../../../src/util/lower-bound.ts'
import type { CorePagemap } from './document.ts'

/** Shades in ascending order of importance: where several pages share a place, the highest is shown. */
export const SHADES = [
  'not recorded',
  'reserved',
  'not in the dump',
  'idle',
  'unknown',
  'busy',
  'count-mismatch',
  'impossible',
  'leaked',
] as const

export type Shade = (typeof SHADES)[number]

const SHADE_OF_STATE: Record<string, Shade> = {
  idle: 'idle',
  busy: 'busy',
  impossible: 'impossible',
  unknown: 'unknown',
  absent: 'not in the dump',
  reserved: 'reserved',
}

const SHADE_OF_FINDING: Record<string, Shade> = {
  leaked: 'leaked',
  'count-mismatch': 'count-mismatch',
  'impossible-state': 'impossible',
}

/** Segments as columns, in order of their pages. */
export class Segments {
  length = 0
  first = new Float64Array(64)
  end = new Float64Array(64)
  /** Index into {@link SHADES}. */
  shade = new Uint8Array(64)

  /** Appends a segment. It has to lie behind the present ones. */
  add(first: number, end: number, shade: number): void {
    if (end <= first) return
    const last = this.length - 1
    if (last >= 0 && this.end[last] === first && this.shade[last] === shade) {
      this.end[last] = end
      return
    }
    const row = this.length++
    if (row >= this.first.length) growColumns(this, lengthFor(row, this.first.length))
    this.first[row] = first
    this.end[row] = end
    this.shade[row] = shade
  }

  /** Index of the segment that contains a page, or of the first one behind it. */
  at(pfn: number): number {
    return lowerBound(this.length, row => this.end[row]! <= pfn)
  }

  shadeAt(pfn: number): number {
    const row = this.at(pfn)
    return row < this.length && this.first[row]! <= pfn ? this.shade[row]! : 0
  }
}

interface Painted {
  first: number
  end: number
  shade: number
}

/** Segments of a pagemap. Findings take precedence over states; pages in no run are shown as not recorded. */
export function segmentsOf({ ranges, runs }: CorePagemap, findings: readonly CoreFinding[]): Segments {
  const states = runs.map(({ first, end, kind }) => ({ first, end, shade: shadeNumber(SHADE_OF_STATE[kind.state]) }))
  const found = findings
    .flatMap(({ kind, pages }) => {
      const shade = SHADE_OF_FINDING[kind]
      return shade === undefined ? [] : pages.map(range => ({ ...range, shade: shadeNumber(shade) }))
    })
    .sort((a, b) => a.first - b.first)
  const segments = new Segments()
  const wanted = ranges.filter(({ first, end }) => end > first).sort((a, b) => a.first - b.first)
  const lower = new Layer(states)
  const upper = new Layer(found)
  let done = 0
  for (const { first, end } of wanted) {
    for (let at = Math.max(first, done); at < end; ) {
      const over = upper.from(at)
      const under = lower.from(at)
      const isFound = over.shade !== undefined
      const to = Math.min(end, over.until, isFound ? Infinity : under.until)
      segments.add(at, to, over.shade ?? under.shade ?? 0)
      at = to
    }
    done = Math.max(done, end)
  }
  return segments
}

/** Sorted ranges with a cursor; the pages of successive queries must ascend. */
class Layer {
  readonly #ranges: readonly Painted[]
  #next = 0

  constructor(ranges: readonly Painted[]) {
    this.#ranges = ranges
  }

  /** Returns the shade at a page (undefined: none), and the page up to which it holds. */
  from(pfn: number): { shade: number | undefined; until: number } {
    while (this.#next < this.#ranges.length && this.#ranges[this.#next]!.end <= pfn) this.#next++
    const range = this.#ranges[this.#next]
    if (!range) return { shade: undefined, until: Infinity }
    if (range.first > pfn) return { shade: undefined, until: range.first }
    return { shade: range.shade, until: range.end }
  }
}

export function shadeNumber(shade: Shade | undefined): number {
  return shade === undefined ? 0 : SHADES.indexOf(shade)
}

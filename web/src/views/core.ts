// SPDX-License-Identifier: GPL-2.0-or-later
/** The view of a dump: a map of all device pages, the findings beside it, and the selected page. */
import { pfnText, plural } from '../../../src/report/words.ts'
import { MapBoard } from '../core/board.ts'
import { shadesOf } from '../core/colours.ts'
import type { CoreDocument, KindJson } from '../core/document.ts'
import type { Place } from '../core/painter.ts'
import { type Segments, SHADES, segmentsOf } from '../core/segments.ts'
import { Strip } from '../core/strip.ts'
import { h } from '../dom.ts'
import type { KeyHelp } from '../keys.ts'
import { Tooltip } from '../tooltip.ts'
import { pageSearch, tableControl } from './controls.ts'
import { type Entry, FindingList } from './core-findings.ts'
import { corePage } from './core-page.ts'
import { coreSummary, pagemapTable, SHOWN_PAGEMAPS } from './core-summary.ts'
import { coreTable } from './core-table.ts'
import type { Context, View } from './view.ts'

const KEYS: KeyHelp = [
  ['← →', 'the page before, the page after'],
  ['↑ ↓', 'the page above, the page below'],
  ['n p', 'the next, the previous page of another state'],
  ['j k', 'the finding below, the finding above'],
  ['Esc', 'select nothing'],
]

const HINT = 'click a page, or arrows; n p next of another state; j k findings; ? shows all keys'

export function coreView(context: Context, core: CoreDocument): View {
  return new CoreView(context, core)
}

class CoreView implements View {
  readonly element: HTMLElement
  readonly keys = KEYS
  readonly #context: Context
  readonly #core: CoreDocument
  readonly #segments: readonly Segments[]
  readonly #board: MapBoard
  readonly #strips: readonly Strip[]
  readonly #findings: FindingList
  readonly #legend = h('p', { class: 'legend', 'aria-label': 'Colours' })
  readonly #told = h('p', { class: 'muted told', role: 'status' }, ' ')
  readonly #tooltip = new Tooltip()
  readonly #detail = h('section', { class: 'detail', 'aria-label': 'The selected page' })
  readonly #table = h('div', { class: 'twin' })
  readonly #onResize = () => this.#paintStrips()

  constructor(context: Context, core: CoreDocument) {
    this.#context = context
    this.#core = core
    const { pagemaps } = core
    const found = pagemaps.map((_, i) => core.findings.filter(({ pagemap }) => pagemap === i))
    this.#segments = pagemaps.map((map, i) => segmentsOf(map, found[i]!))
    this.#board = new MapBoard(pagemaps, this.#segments, {
      hover: (place, event) => {
        if (place && event) this.#tooltip.show(this.#tell(place), event)
        else this.#tooltip.hide()
      },
      click: place => this.#select(place),
      repaint: () => this.#repaint(),
    })
    this.#strips = pagemaps
      .slice(0, SHOWN_PAGEMAPS)
      .map((map, i) => new Strip(map, this.#segments[i]!, pfn => this.#select({ pfn, pagemap: i })))
    this.#findings = new FindingList(context, core, entry => this.#choose(entry))
    this.element = this.#layout()
  }

  #layout(): HTMLElement {
    const { pagemaps } = this.#core
    const strips = this.#strips.map(({ canvas }) => canvas)
    const first = (pagemap: number) => this.#select({ pfn: pagemaps[pagemap]!.ranges[0]?.first ?? 0, pagemap })
    const map = h('div', {}, this.#board.scroller, this.#table, this.#legend, this.#told, this.#tooltip.element)
    const side = h('div', { class: 'side' }, this.#detail, this.#findings.element)
    return h(
      'div',
      { class: 'core' },
      coreSummary(this.#core),
      pagemaps.length > 0 && pagemapTable(pagemaps, strips, first),
      pagemaps.length > 0 && this.#controls(),
      pagemaps.length > 0 ? h('div', { class: 'beside' }, map, side) : side,
    )
  }

  // --- controls -----------------------------------------------------------------------------------------------------------

  #controls(): HTMLElement {
    return h(
      'div',
      { class: 'filters' },
      pageSearch(pfn => this.#search(pfn), 'no such page is a device page'),
      tableControl(
        this.#context.address,
        () => this.#table.hasChildNodes(),
        on => this.#showTable(on),
      ),
      h('small', { class: 'keys' }, HINT),
    )
  }

  /** Selects a page that was searched for. @returns false if it is not a device page */
  #search(pfn: number): boolean {
    const place = this.#placeOf(pfn)
    if (!place) return false
    this.#select(place)
    this.#board.scroller.focus({ preventScroll: true })
    return true
  }

  /** Switches between the map and the table. */
  #showTable(on: boolean): void {
    const { scroller } = this.#board
    for (const drawn of [scroller, this.#legend]) drawn.hidden = on
    const table = () => coreTable(this.#core.pagemaps, this.#segments, place => this.#select(place))
    this.#table.replaceChildren(...(on ? [table()] : []))
    if (!on) this.#board.resize()
  }

  onKey(key: string): boolean {
    const does: Record<string, () => void> = {
      j: () => this.#findings.step(1),
      k: () => this.#findings.step(-1),
      n: () => this.#stepSegment(1),
      p: () => this.#stepSegment(-1),
      Escape: () => this.#deselect(),
      ArrowRight: () => this.#step(1),
      ArrowLeft: () => this.#step(-1),
      ArrowDown: () => this.#step(64),
      ArrowUp: () => this.#step(-64),
    }
    if (!Object.hasOwn(does, key)) return false
    does[key]!()
    return true
  }

  // --- selection ----------------------------------------------------------------------------------------------------------

  #placeOf(pfn: number): Place | undefined {
    const pagemap = this.#core.pagemaps.findIndex(({ ranges }) => ranges.some(r => pfn >= r.first && pfn < r.end))
    return pagemap < 0 ? undefined : { pfn, pagemap }
  }

  #choose({ first, pages }: Entry): void {
    const pagemap = first.pagemap ?? -1
    if (pagemap < 0 || pagemap >= this.#core.pagemaps.length) return
    this.#board.scene.lit = pages
    this.#select({ pfn: first.pfn, pagemap }, true)
  }

  /** @param keep true if the pages of a finding stay highlighted */
  #select(place: Place, keep = false): void {
    const { scene } = this.#board
    if (!keep) scene.lit = []
    scene.selected = place
    this.#board.reveal(place)
    this.#context.address.note({ page: pfnText(place.pfn) })
    this.#told.textContent = this.#tell(place)
    this.#context.say(this.#tell(place))
    this.#detail.replaceChildren(...corePage(this.#context, this.#core, place))
    this.#board.changed()
  }

  #deselect(): void {
    const { scene } = this.#board
    scene.selected = undefined
    scene.lit = []
    this.#detail.replaceChildren()
    this.#told.textContent = ' '
    this.#context.address.note({ page: undefined })
    this.#board.changed()
  }

  /** Selects the page `by` pages further on. */
  #step(by: number): void {
    const { selected } = this.#board.scene
    const next = selected ? this.#placeBeside(selected, by) : this.#firstPlace()
    if (next) this.#select(next)
  }

  /** Returns the page `by` pages further on; beyond the end of a range, the first page of the next range. */
  #placeBeside({ pfn, pagemap }: Place, by: number): Place | undefined {
    const { pagemaps } = this.#core
    const isIn = (at: number) => (range: { first: number; end: number }) => at >= range.first && at < range.end
    if (pagemaps[pagemap]!.ranges.some(isIn(pfn + by))) return { pfn: pfn + by, pagemap }
    const all = pagemaps.flatMap(({ ranges }, i) => ranges.map(range => ({ ...range, pagemap: i })))
    const next = all[all.findIndex(range => range.pagemap === pagemap && isIn(pfn)(range)) + Math.sign(by)]
    return next && { pfn: by > 0 ? next.first : next.end - 1, pagemap: next.pagemap }
  }

  /** Selects the first page of the next or the previous segment. */
  #stepSegment(by: number): void {
    const { selected } = this.#board.scene
    const next = selected ? this.#segmentBeside(selected, by) : this.#firstPlace()
    if (next) this.#select(next)
  }

  #segmentBeside({ pfn, pagemap }: Place, by: number): Place | undefined {
    const segments = this.#segments[pagemap]!
    const at = segments.at(pfn) + by
    if (at >= 0 && at < segments.length) return { pfn: segments.first[at]!, pagemap }
    const other = this.#segments[pagemap + by]
    if (!other || other.length === 0) return undefined
    return { pfn: other.first[by > 0 ? 0 : other.length - 1]!, pagemap: pagemap + by }
  }

  #firstPlace(): Place | undefined {
    const pagemap = this.#segments.findIndex(({ length }) => length > 0)
    return pagemap < 0 ? undefined : { pfn: this.#segments[pagemap]!.first[0]!, pagemap }
  }

  #tell({ pfn, pagemap }: Place): string {
    const shade = SHADES[this.#segments[pagemap]!.shadeAt(pfn)]!
    const kind = this.#kindOf(pfn, pagemap)
    const numbers =
      kind?.count === undefined ? '' : `, count ${kind.count}, mapped ${plural(kind.mapcount ?? 0, 'time')}`
    return `page ${pfnText(pfn)}: ${shade}${numbers}`
  }

  #kindOf(pfn: number, pagemap: number): KindJson | undefined {
    return this.#core.pagemaps[pagemap]!.runs.find(({ first, end }) => pfn >= first && pfn < end)?.kind
  }

  // --- drawing ------------------------------------------------------------------------------------------------------------

  #repaint(): void {
    this.#paintStrips()
    const { fill } = shadesOf()
    const present = new Set(this.#segments.flatMap(({ shade, length }) => [...new Set(shade.subarray(0, length))]))
    const items = [...SHADES.keys()].filter(shade => present.has(shade))
    this.#legend.replaceChildren(
      'Pages: ',
      ...items.map(shade => {
        const swatch = h('span', { class: 'swatch' })
        swatch.style.background = fill[shade]!
        return h('span', {}, swatch, SHADES[shade]!)
      }),
    )
  }

  #paintStrips(): void {
    const shades = shadesOf()
    for (const strip of this.#strips) strip.paint(shades)
  }

  shown(): void {
    this.#board.resize()
    this.#repaint()
    addEventListener('resize', this.#onResize)
    const page = this.#context.address.get('page')
    const place = page === undefined ? undefined : this.#placeOf(Number(page))
    const [found] = this.#core.findings
    if (place) this.#select(place)
    else if (found?.pagemap !== undefined && found.pagemap < this.#segments.length)
      this.#board.reveal({ pfn: found.pfn, pagemap: found.pagemap })
  }

  gone(): void {
    removeEventListener('resize', this.#onResize)
    this.#board.stop()
  }
}

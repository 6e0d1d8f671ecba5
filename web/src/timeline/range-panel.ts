// SPDX-License-Identifier: GPL-2.0-or-later
/** Describes the marked range of time in words: its length, and what happened in it. */
import { grouped, plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import { h } from '../dom.ts'
import type { LiveRecording } from '../recording.ts'
import { figuresOf, type TimeRange } from './range.ts'
import type { Rows } from './rows.ts'

export class RangePanel {
  readonly element = h('div', { class: 'range', hidden: true })
  readonly #live: LiveRecording
  readonly #text = h('p', { role: 'status' })
  readonly #link = h('a', { href: '#' })

  /** @param fit zooms to the range @param clear removes the range */
  constructor(live: LiveRecording, fit: () => void, clear: () => void) {
    this.#live = live
    const button = (text: string, does: () => void) => h('button', { type: 'button', on: { click: does } }, text)
    this.element.append(this.#text, this.#link, button('Zoom to it', fit), button('Clear', clear))
  }

  /** @param rows the shown pages, which are the ones that are counted */
  show(range: TimeRange | undefined, rows: Rows): void {
    this.element.hidden = range === undefined
    if (!range) return
    const { timeline, times } = this.#live
    const { events, pages, lifetimes, findings } = figuresOf(timeline, rows, range)
    const [from, to] = [range.from, range.to].map(time => times.text(this.#live.at(time)))
    const span = times.span((range.to - range.from) / times.scale)
    const many = `${plural(events, 'event')} on ${plural(pages, 'page')}, ${plural(lifetimes, 'lifetime')}`
    this.#text.textContent = `${span}, from ${from} to ${to} ${times.unit}: ${many}, ${plural(findings.length, 'finding')}`
    this.#link.hidden = findings.length === 0
    this.#link.textContent = `Show ${findings.length === 1 ? 'it' : `the ${grouped(findings.length)}`} in the list`
    this.#link.href = linkTo({ view: 'findings', from, to })
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Tracks the lines of a text that are no events but may have been: damaged and torn ones, and those from elsewhere. */
import type { Damage } from '../events.ts'
import { isSeparator, isTorn } from './strange-lines.ts'
import type { Unframed } from './unframed.ts'

/** Damaged lines reported one by one; the rest is counted. */
const MAX_DAMAGE = 100

export class LineDamage {
  /** Damage that is certain, in the order of the text. */
  readonly reports: Damage[] = []
  readonly #input: Unframed
  /** Lines since the last event that may have been events. */
  #torn: Damage[] = []
  #tornCount = 0
  /** One of them looks like a part of an event. */
  #isPartTorn = false
  /** Lines between events that come from elsewhere, and where the first of them stands. */
  #foreign = 0
  #firstForeign = 0
  #count = 0

  constructor(input: Unframed) {
    this.#input = input
  }

  /** True if lines since the last event may have been events. */
  get isTorn(): boolean {
    return this.#tornCount > 0
  }

  /** Takes note of a line between two events that ftrace has not written. Positions count from the start of the text. */
  strange(position: number, text: string): void {
    if (isSeparator(text)) return
    const { offset, isForeign } = this.#input.placeOf(position)
    const isPart = isTorn(text)
    this.#isPartTorn ||= isPart
    if (!isForeign || isPart) this.tear(position, 'expected a line of ftrace text')
    else if (this.#foreign++ === 0) this.#firstForeign = offset
  }

  /** Takes note of a line that may have been an event, which is damage if an event follows. */
  tear(position: number, expected: string): void {
    if (this.#tornCount++ < MAX_DAMAGE) this.#torn.push(this.#at(position, expected))
  }

  /** Reports the lines since the last event as damage. */
  reportTorn(): void {
    this.#count += this.#tornCount
    this.reports.push(...this.#torn.slice(0, Math.max(0, MAX_DAMAGE - this.reports.length)))
    this.#torn = []
    this.#tornCount = 0
    this.#isPartTorn = false
  }

  report(position: number, expected: string): void {
    if (++this.#count <= MAX_DAMAGE) this.reports.push(this.#at(position, expected))
  }

  #at(position: number, expected: string): Damage {
    return { file: this.#input.name, offset: this.#input.placeOf(position).offset, expected }
  }

  /** What follows the last event is no loss, unless the text was cut there. */
  finish(): void {
    if (this.#isPartTorn) this.reportTorn()
  }

  /** Returns what is to be said of lines that are not reported one by one. */
  foreignNotes(): string[] {
    if (this.#foreign === 0) return []
    return [
      `lines between the events that come from elsewhere: ${this.#foreign}, the first at offset ${this.#firstForeign}`,
    ]
  }

  moreNotes(): string[] {
    return this.#count > MAX_DAMAGE ? [`${this.#count - MAX_DAMAGE} more damaged lines`] : []
  }
}

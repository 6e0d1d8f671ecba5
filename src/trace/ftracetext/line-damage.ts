// SPDX-License-Identifier: GPL-2.0-or-later
/** Keeps track of lines that are not events but may have been: damaged and torn lines, and lines that do not come from ftrace. */
import type { Damage } from '../events.ts'
import { isSeparator, isTorn } from './strange-lines.ts'
import type { Unframed } from './unframed.ts'

/** Maximum number of damaged lines that are reported one by one. Further ones are only counted. */
const MAX_DAMAGE = 100

export class LineDamage {
  /** Confirmed damage, in the order of the text. */
  readonly reports: Damage[] = []
  readonly #input: Unframed
  /** Lines since the last event that may have been events. */
  #torn: Damage[] = []
  #tornCount = 0
  /** True if one of these lines looks like a part of an event. */
  #isPartTorn = false
  /** Number of lines between events that do not come from the trace, and the offset of the first. */
  #foreign = 0
  #firstForeign = 0
  #count = 0

  constructor(input: Unframed) {
    this.#input = input
  }

  /** True if there are lines since the last event that may have been events. */
  get isTorn(): boolean {
    return this.#tornCount > 0
  }

  /** Notes a line between two events that ftrace did not write. Positions count from the start of the text. */
  strange(position: number, text: string): void {
    if (isSeparator(text)) return
    const { offset, isForeign } = this.#input.placeOf(position)
    const isPart = isTorn(text)
    this.#isPartTorn ||= isPart
    if (!isForeign || isPart) this.tear(position, 'expected a line of ftrace text')
    else if (this.#foreign++ === 0) this.#firstForeign = offset
  }

  /** Notes a line that may have been an event. It counts as damage if another event follows. */
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

  /** Ends the text. Lines after the last event are no loss, unless one of them looks like a part of an event. */
  finish(): void {
    if (this.#isPartTorn) this.reportTorn()
  }

  /** Returns notes about lines that are not reported one by one. */
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

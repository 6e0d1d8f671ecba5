// SPDX-License-Identifier: GPL-2.0-or-later

/** Shortest time that fills the view, in ns. */
const SHORTEST = 100

/** The part of the recording's time that is in view, in ns since its time base. */
export class TimeWindow {
  readonly first: number
  readonly last: number
  from: number
  to: number

  constructor(first: number, last: number) {
    // Room at both ends keeps the first and the last event apart from the edges.
    const room = Math.max(SHORTEST, (last - first) * 0.01)
    this.first = this.from = first - room
    this.last = this.to = last + room
  }

  get span(): number {
    return this.to - this.from
  }

  /** Shows [from, to), limited to the recording. */
  show(from: number, to: number): void {
    const span = Math.min(this.last - this.first, Math.max(SHORTEST, to - from))
    this.from = Math.max(this.first, Math.min(from, this.last - span))
    this.to = this.from + span
  }

  /** Multiplies the span by `factor`. The time at the fraction `part` (0 left, 1 right) keeps its position. */
  zoom(factor: number, part: number): void {
    const at = this.from + part * this.span
    const span = Math.min(this.last - this.first, Math.max(SHORTEST, this.span * factor))
    this.show(at - part * span, at - part * span + span)
  }

  /** Moves by a fraction of the span. */
  pan(part: number): void {
    this.show(this.from + part * this.span, this.to + part * this.span)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The closed lifetimes of each page, with their events. A fault may show on its page only some lifetimes later, so all are kept
 * while there is room. When it runs out, lifetimes that obey every law are dropped, except the latest ones.
 */
import { type Arena, plainArena } from './arena.ts'
import { MAX_EVENTS, MAX_LIFETIMES, NO_LIFETIME } from './hot-layout.ts'

/** Number of latest lifetimes that are never dropped. */
const LATEST = 1 << 12

/** How a lifetime was seen. */
export const LifetimeState = {
  /** From idle to idle, with no event out of the ordinary. */
  COMPLETE: 0,
  /** Begun before the recording, or with events that may be missing. */
  PARTIAL: 1,
  /** Closed after an event that no order explains. */
  BROKEN: 2,
} as const
export type LifetimeState = (typeof LifetimeState)[keyof typeof LifetimeState]

export class LifetimeLog {
  length = 0
  readonly row: Int32Array
  /** Kind in the lifetime counts; -1: not counted. */
  readonly kind: Int32Array
  readonly state: Uint8Array
  /** Last event in the pool. */
  readonly tail: Int32Array
  readonly events: Int32Array
  /** Entry of the same page's previous lifetime; `NO_LIFETIME`: none, or dropped. */
  readonly before: Int32Array
  /** Rows of pages of which a lifetime had to be dropped although it broke a law. */
  readonly incomplete = new Set<number>()
  /** True once lifetimes were dropped. */
  isCompacted = false
  /** Number of events of all kept lifetimes. */
  allEvents = 0

  constructor(arena: Arena = plainArena()) {
    this.row = arena.column(Int32Array, MAX_LIFETIMES)
    this.kind = arena.column(Int32Array, MAX_LIFETIMES)
    this.state = arena.column(Uint8Array, MAX_LIFETIMES)
    this.tail = arena.column(Int32Array, MAX_LIFETIMES)
    this.events = arena.column(Int32Array, MAX_LIFETIMES)
    this.before = arena.column(Int32Array, MAX_LIFETIMES)
  }

  get isFull(): boolean {
    return this.length === MAX_LIFETIMES || this.allEvents > MAX_EVENTS
  }

  /** Adds a lifetime and returns its entry. @param before entry of the same page's lifetime before */
  add(row: number, kind: number, state: LifetimeState, tail: number, events: number, before: number): number {
    const entry = this.length++
    this.row[entry] = row
    this.kind[entry] = kind
    this.state[entry] = state
    this.tail[entry] = tail
    this.events[entry] = events
    this.before[entry] = before
    this.allEvents += events
    return entry
  }

  /**
   * Drops lifetimes that obey every law, and renumbers the entries. The caller has to free their events.
   *
   * @param lawful by kind, 1 if its lifetimes obey every law
   * @param lastClosed by page, its last entry, which is renumbered, too
   */
  compact(lawful: Uint8Array, lastClosed: Int32Array): void {
    this.isCompacted = true
    const { row, kind, state, tail, events, before, length } = this
    let surplus = this.#surplus(lawful)
    // By old entry its new number; for a dropped entry, that of the same page's latest earlier lifetime that is kept.
    const moved = new Int32Array(length)
    let kept = 0
    // Entries only move towards the front, and links point to earlier entries: nothing is overwritten before it was read.
    for (let entry = 0; entry < length; entry++) {
      const page = row[entry]!
      const link = before[entry]!
      const isLatest = entry >= length - LATEST
      const isOdd = !isLatest && (kind[entry]! < 0 || lawful[kind[entry]!] === 0)
      const isSurplus = isOdd && surplus-- > 0
      if (isSurplus) this.incomplete.add(page)
      moved[entry] = link < 0 ? NO_LIFETIME : moved[link]!
      if (isSurplus || !(isOdd || isLatest)) this.allEvents -= events[entry]!
      else {
        row[kept] = page
        kind[kept] = kind[entry]!
        state[kept] = state[entry]!
        tail[kept] = tail[entry]!
        events[kept] = events[entry]!
        before[kept] = moved[entry]!
        moved[entry] = kept++
      }
      if (lastClosed[page] === entry) lastClosed[page] = moved[entry]!
    }
    this.length = kept
  }

  /** Returns how many lifetimes have to be dropped although they break a law. */
  #surplus(lawful: Uint8Array): number {
    const { kind, length } = this
    const latest = length - LATEST
    let odd = 0
    for (let entry = 0; entry < latest; entry++) if (kind[entry]! < 0 || lawful[kind[entry]!] === 0) odd++
    // Half of the room has to become free, even if many lifetimes break a law.
    const surplus = Math.max(0, odd + LATEST - MAX_LIFETIMES / 2)
    return this.allEvents > MAX_EVENTS && odd * 4 > latest ? Math.max(surplus, odd >> 1) : surplus
  }
}

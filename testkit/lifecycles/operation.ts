// SPDX-License-Identifier: GPL-2.0-or-later
/** An operation on a page's count as it really was, with the references that it took or gave back. */
import type { Op } from '../../src/trace/events.ts'

/** A reference, or several that can only be given back at once (a pin). */
export interface Token {
  id: number
  page: number
  units: number
  /** Who took it, when, and in which life of the page. */
  function: string
  taken: number
  life: number
  /** Who gave it back. */
  givenBy: string | undefined
  given: number | undefined
  /** By a fault, nobody will give it back. */
  leaked: boolean
  /** Of a page that was handed out without its count being set: to forget it does no harm. */
  uncounted: boolean
  /** Recorded in an object, but never taken: get_page_unless_zero() had failed. */
  phantom: boolean
}

export interface Operation {
  sequence: number
  time: number
  page: number
  op: Op
  val: number
  ret: number
  before: number
  after: number
  life: number
  function: string
  take: readonly Token[]
  give: readonly Token[]
  /** A put without a reference to give back. */
  surplus: boolean
  /** When the event was stamped, by a clock that is right; undefined where the simulation stopped before. */
  stamped: number | undefined
}

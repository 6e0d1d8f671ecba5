// SPDX-License-Identifier: GPL-2.0-or-later
/** The true operations on a page's count, with the references that they took or put. */
import type { Op } from '../../src/trace/events.ts'

/** A reference, or several that can only be put at once (a pin). */
export interface Token {
  id: number
  page: number
  units: number
  /** The function that took it; below, when, and in which lifetime of the page. */
  function: string
  taken: number
  life: number
  /** The function that put it. */
  givenBy: string | undefined
  given: number | undefined
  /** True if, by a fault, it will never be put. */
  leaked: boolean
  /** True if the page was allocated without setting its count, so that a missing put does no harm. */
  uncounted: boolean
  /** True if an object records the reference, but get_page_unless_zero() had failed. */
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
  /** True for a put without a reference. */
  surplus: boolean
  /** True time of the event's stamp; undefined if the simulation ended before it. */
  stamped: number | undefined
}

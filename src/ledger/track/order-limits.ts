// SPDX-License-Identifier: GPL-2.0-or-later
/** How far the stamps of events may be from the order of their operations, and how much is spent on finding that order. */

/** Time for which events that contradict the count are held back, in ns: longer than a CPU is taken from its task. */
export const ORDER_WINDOW = 50_000_000

/** Clocks of two CPUs differ by up to this and tick as coarsely, in ns. */
export const CLOCK_SLACK = 20_000

/** An interrupt can come between an operation and its stamp, and be stamped first; this much apart, in ns. */
export const INTERRUPT_WINDOW = 200_000

/** Events of one task and its neighbours are mostly stamped within this, in ns. */
export const NEAR = 100_000

/** Events of one page that are held back at most: what another CPU does meanwhile on a page that two fight over. */
export const MAX_WAITING = 1 << 15

/** Events that are held back at most of a page of which nothing can be claimed: less depends on their order. */
export const MAX_WAITING_UNSURE = 256

/** Applied events that are put into question again when others contradict. */
export const MAX_RECENT = 24

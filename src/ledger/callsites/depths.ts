// SPDX-License-Identifier: GPL-2.0-or-later
/** Identity of call sites, as the laws use it. */
export interface CallSiteDepths {
  /** Number of frames of a signature, the acting one included. */
  readonly depth: number
  /** Returns a number that is equal for signatures with the same first `depth` frames, counted from the acting one outwards. */
  at(signature: number, depth: number): number
  /** True if two signatures have a function in common. */
  related(a: number, b: number): boolean
}

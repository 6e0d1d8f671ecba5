// SPDX-License-Identifier: GPL-2.0-or-later
/** What laws need to know of call sites. */
export interface CallSiteDepths {
  /** Callers that a signature has, the acting frame included. */
  readonly depth: number
  /** Number of the call site that a signature stands for with so many frames, from the acting one outwards. */
  at(signature: number, depth: number): number
  /** True if two signatures have a function in common. */
  related(a: number, b: number): boolean
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** A check of one kind of sentence: its pattern, and what recomputes its numbers. */
import type { Problem, Subject, UNCHECKED } from './subject.ts'

/** Recomputes a sentence. @param match the sentence and the groups of its pattern */
export type Recompute = (subject: Subject, match: readonly string[]) => Problem | typeof UNCHECKED

export interface Check {
  pattern: RegExp
  recompute: Recompute
}

export function check(pattern: RegExp, recompute: Recompute): Check {
  return { pattern, recompute }
}

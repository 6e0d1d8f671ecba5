// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The definition of a kind of finding. Reports, help, schema and documentation all use it, so that none needs a list of its own.
 */

import type { PromiseId } from '../../promises/promises.ts'

/** Parts of the sentence about a finding, or about several that one bug made. Names in it are already escaped. */
export interface Said {
  /** Whoever is accused: a function's name, or words for several candidates. */
  who: string
  /** `page 0x1234`, or `200 pages`. */
  pages: string
  /** True if it is about more than one page. */
  isMany: boolean
  /** Number of references that are missing or surplus, over all these pages. */
  references: number
  /** False if nobody is known to hold the page. */
  isKnown: boolean
}

export interface KindOfFinding {
  readonly id: string
  /** The promise that it breaks or, for kinds that only report, that may be broken. */
  readonly promise: PromiseId
  /** False if it is no evidence against its promise, as for a page that is merely in use. */
  readonly isEvidence: boolean
  /** False for kinds that only report: they do not change the exit code. */
  readonly accuses: boolean
  /** `counts` if recorded counts alone show it, `probes` if probes are needed. */
  readonly shownBy: 'counts' | 'probes'
  /** One sentence without a full stop: what happened, to be pasted into a mail. */
  sentence(said: Said): string
  /** When the page had the count that is shown with it, as in `count 1 at the end`. */
  readonly countedWhen: string
  /** A few words for `lastput trace --help`. */
  readonly help: string
  /** How it is detected, for docs/findings.md. */
  readonly docs: string
}

/** The references of a sentence: `a reference`, `7 references`. */
export function someReferences({ references }: Said): string {
  return references === 1 ? 'a reference' : `${references} references`
}

/** `it was` or `they were`, of the pages of a sentence. */
export function theyWere({ isMany }: Said): string {
  return isMany ? 'they were' : 'it was'
}

/** `was` or `were`, of the pages of a sentence. */
export function were({ isMany }: Said): string {
  return isMany ? 'were' : 'was'
}

/** `countedWhen` of kinds in which an event contradicts the count. */
export const BEFORE_THE_EVENT = 'before the event that showed it'
export const AT_THE_END = 'at the end'

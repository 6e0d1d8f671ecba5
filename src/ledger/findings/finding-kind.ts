// SPDX-License-Identifier: GPL-2.0-or-later
/** What every kind of finding says of itself, so that reports, help, schema and documentation need no list of their own. */

import type { PromiseId } from '../../promises/promises.ts'

/** What the sentence of a finding, or of several that one bug made, is built from. Names are safe to show. */
export interface Said {
  /** Whoever is accused: a function's name, or words for several candidates. */
  who: string
  /** `page 0x1234`, or `200 pages`. */
  pages: string
  /** True if it tells of more than one page. */
  isMany: boolean
  /** References that are missing or too many, of all these pages. */
  references: number
  /** False if nobody is known to hold the page. */
  isKnown: boolean
}

export interface KindOfFinding {
  readonly id: string
  /** The promise that it breaks; of kinds that only report, the one that may turn out to be broken. */
  readonly promise: PromiseId
  /** False for what says nothing against its promise: a page that is merely in use. */
  readonly isEvidence: boolean
  /** False for kinds that only report: they change no exit code. */
  readonly accuses: boolean
  /** Whether counts alone show it, or only probes beside them. */
  readonly shownBy: 'counts' | 'probes'
  /** One sentence without a full stop: what happened, to be pasted into a mail. */
  sentence(said: Said): string
  /** When the page had the count that is told with it: `count 1 at the end`. */
  readonly countedWhen: string
  /** A few words for `lastput trace --help`. */
  readonly help: string
  /** What it is found by, for docs/findings.md. */
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

/** When an event contradicted the count. */
export const BEFORE_THE_EVENT = 'before the event that showed it'
export const AT_THE_END = 'at the end'

// SPDX-License-Identifier: GPL-2.0-or-later
/** Words for findings, shared by the text report and the viewer. The words of each kind are in src/ledger/findings/kinds. */
import { kindOf } from '../ledger/findings/kinds.ts'
import { printable } from './printable.ts'
import { grouped, plural } from './words.ts'

/** Parts of the sentence about a finding, or about all findings of one cause. */
export interface SentenceParts {
  kind: string
  /** The page as text in hex, or how many pages there are. */
  pages: string | number
  references: number
  /** Whether one actor is accused, several are possible, or none is known. */
  by: 'culprit' | 'candidates' | 'nobody'
  /** Name of the culprit's call site; undefined where the recording has no stack. */
  who: string | undefined
}

/** Returns one sentence, without a full stop, that says what happened: to be pasted into a mail. */
export function findingSentence({ kind, pages, references, by, who }: SentenceParts): string {
  const words = kindOf(kind)
  const text = typeof pages === 'string' ? `page ${pages}` : plural(pages, 'page')
  if (!words) return `${printable(kind)} on ${text}`
  return words.sentence({
    who: whoText(by, who),
    pages: text,
    isMany: typeof pages === 'number',
    references,
    isKnown: by !== 'nobody',
  })
}

function whoText(by: SentenceParts['by'], who: string | undefined): string {
  if (by === 'candidates') return 'one of these'
  return who === undefined ? 'an unknown site (no stack)' : printable(who)
}

/** Returns whether a sentence accuses one actor, several candidates (who are listed after it), or nobody. */
export function byWhom(culprit: unknown, candidates: readonly unknown[]): SentenceParts['by'] {
  if (culprit) return 'culprit'
  return candidates.length > 0 ? 'candidates' : 'nobody'
}

export interface Certainties {
  kind: string
  certainty: string
  culpritCertainty: string | null | undefined
}

/** Returns the certainty of the fault, and that of the culprit. */
export function certaintyText({ kind, certainty, culpritCertainty }: Certainties): string {
  // A kind that only reports claims no fault, so only the certainty of the report is shown.
  if (kindOf(kind)?.accuses === false) return certainty
  return culpritCertainty ? `fault ${certainty}, culprit ${culpritCertainty}` : `fault ${certainty}`
}

/** The count of a page; null if none was recorded. */
export interface Counted {
  kind: string
  count: number | null
  expected: number | null
  isRest?: true | undefined
}

/** Returns the count that showed the fault, as text; empty if none was recorded. */
export function countText({ kind, count, expected, isRest }: Counted): string {
  if (count === null) return ''
  const when = kindOf(kind)?.countedWhen ?? 'then'
  const otherwise = isRest ? `with what was held before, it has ${expected}` : `an idle page has ${expected}`
  return `count ${grouped(count)} ${when}; ${otherwise}`
}

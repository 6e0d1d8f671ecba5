// SPDX-License-Identifier: GPL-2.0-or-later
/** Findings in words, as text, viewer and mails share them. What a kind says stands with the kind (src/ledger/findings/kinds). */
import { kindOf } from '../ledger/findings/kinds.ts'
import { printable } from './printable.ts'
import { grouped, plural } from './words.ts'

/** What the sentence about a finding, or about all findings of one cause, is made of. */
export interface SentenceParts {
  kind: string
  /** The page as text in hex, or how many pages there are. */
  pages: string | number
  references: number
  /** Whether somebody is named alone, several could be it, or nothing tells who it was. */
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

/** Says whose word "one of these" is: who could be it is told after the sentence. */
export function byWhom(culprit: unknown, candidates: readonly unknown[]): SentenceParts['by'] {
  if (culprit) return 'culprit'
  return candidates.length > 0 ? 'candidates' : 'nobody'
}

export interface Certainties {
  kind: string
  certainty: string
  culpritCertainty: string | null | undefined
}

/** How sure it is that something went wrong, and how sure who did it. */
export function certaintyText({ kind, certainty, culpritCertainty }: Certainties): string {
  // What only reports has no fault to be sure of.
  if (kindOf(kind)?.accuses === false) return certainty
  return culpritCertainty ? `fault ${certainty}, culprit ${culpritCertainty}` : `fault ${certainty}`
}

/** What a page's count was; null where none was recorded. */
export interface Counted {
  kind: string
  count: number | null
  expected: number | null
  isRest?: true | undefined
}

/** The count that gave the fault away; empty where none was recorded. */
export function countText({ kind, count, expected, isRest }: Counted): string {
  if (count === null) return ''
  const when = kindOf(kind)?.countedWhen ?? 'then'
  const otherwise = isRest ? `with what was held before, it has ${expected}` : `an idle page has ${expected}`
  return `count ${grouped(count)} ${when}; ${otherwise}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** A page that is merely in use when the recording ends. */
import { AT_THE_END, type KindOfFinding } from '../finding-kind.ts'

export const heldAtEnd = {
  id: 'held-at-end',
  promise: 'leak',
  isEvidence: false,
  accuses: false,
  shownBy: 'counts',
  sentence: ({ who, pages, isMany, isKnown }) =>
    isKnown
      ? `${pages} ${isMany ? 'are' : 'is'} held by a reference that ${who} took`
      : `${pages} ${isMany ? 'are' : 'is'} held`,
  countedWhen: AT_THE_END,
  help: 'a page that is in use, which may be right',
  docs: 'a page whose references are out at the end, and nothing says that they will not come back',
} as const satisfies KindOfFinding

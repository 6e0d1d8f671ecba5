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
  help: 'a page in use at the end, which may be legitimate',
  docs: 'references to a page are held at the end, and nothing says that they will not be put',
} as const satisfies KindOfFinding

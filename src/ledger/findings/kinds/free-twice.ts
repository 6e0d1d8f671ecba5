// SPDX-License-Identifier: GPL-2.0-or-later
/** A page that was freed again before it was handed out. */
import { BEFORE_THE_EVENT, type KindOfFinding } from '../finding-kind.ts'

export const freeTwice = {
  id: 'free-twice',
  promise: 'free-twice',
  isEvidence: true,
  accuses: true,
  shownBy: 'probes',
  sentence: ({ who, pages }) => `${who} freed ${pages} a second time`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a page freed twice',
  docs: '`page_free()` is called twice, and the page was not handed out between',
} as const satisfies KindOfFinding

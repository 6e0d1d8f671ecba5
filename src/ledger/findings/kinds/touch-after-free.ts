// SPDX-License-Identifier: GPL-2.0-or-later
/** A use of a page that had been given back. */
import { BEFORE_THE_EVENT, type KindOfFinding, theyWere } from '../finding-kind.ts'

export const touchAfterFree = {
  id: 'touch-after-free',
  promise: 'touch-after-free',
  isEvidence: true,
  accuses: true,
  shownBy: 'probes',
  sentence: said => `${said.who} touched ${said.pages} after ${theyWere(said)} freed`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a page used after it was freed',
  docs: 'a page is used between `page_free()` and the next hand-out, but not within `page_free()` itself; or the task that freed it sets its count after another task has been handed the page; or the call that freed it still uses it in the next lifetime',
} as const satisfies KindOfFinding

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
  docs: 'used between `page_free()` and the next hand-out, but not within `page_free()` itself; or its count set by the task that gave it back, when another has been handed it; or used in that next lifetime by the very call that gave it back',
} as const satisfies KindOfFinding

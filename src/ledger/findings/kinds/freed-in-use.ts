// SPDX-License-Identifier: GPL-2.0-or-later
/** A page that was freed while somebody used it. */
import { BEFORE_THE_EVENT, type KindOfFinding, theyWere } from '../finding-kind.ts'

export const freedInUse = {
  id: 'freed-in-use',
  promise: 'freed-in-use',
  isEvidence: true,
  accuses: true,
  shownBy: 'probes',
  sentence: said => `${said.who} freed ${said.pages} while ${theyWere(said)} in use`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a page freed while it was in use',
  docs: '`page_free()` is called while a page table maps the page, or after a new owner has taken a reference between the last put and `page_free()`',
} as const satisfies KindOfFinding

// SPDX-License-Identifier: GPL-2.0-or-later
/** A reference taken to a page that nobody had handed out. */
import { BEFORE_THE_EVENT, type KindOfFinding, someReferences, theyWere } from '../finding-kind.ts'

export const getOnFreePage = {
  id: 'get-on-free-page',
  promise: 'get-on-free-page',
  isEvidence: true,
  accuses: true,
  shownBy: 'counts',
  sentence: said => `${said.who} took ${someReferences(said)} to ${said.pages} while ${theyWere(said)} free`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a reference taken to a free page',
  docs: 'a reference is taken at the count of an idle page, although only setting the count hands pages out there; with probes, a reference is taken between `page_free()` and the next `lastput_alloc`',
} as const satisfies KindOfFinding

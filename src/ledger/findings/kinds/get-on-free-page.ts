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
  docs: 'a get at the count of an idle page where only a set hands pages out; with probes, a get between `page_free()` and the next `lastput_alloc`',
} as const satisfies KindOfFinding

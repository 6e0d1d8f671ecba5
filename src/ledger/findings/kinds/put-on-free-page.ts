// SPDX-License-Identifier: GPL-2.0-or-later
/** A put of a page that nobody held. */
import { BEFORE_THE_EVENT, type KindOfFinding, theyWere } from '../finding-kind.ts'

export const putOnFreePage = {
  id: 'put-on-free-page',
  promise: 'put-on-free-page',
  isEvidence: true,
  accuses: true,
  shownBy: 'counts',
  sentence: said => `${said.who} put ${said.pages} while ${theyWere(said)} free`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a put of a page that was free',
  docs: 'a put takes the count below that of an idle page, in every order that the time stamps allow',
} as const satisfies KindOfFinding

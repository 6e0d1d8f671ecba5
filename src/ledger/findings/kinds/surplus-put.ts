// SPDX-License-Identifier: GPL-2.0-or-later
/** A reference given back by somebody who had none. */
import { BEFORE_THE_EVENT, type KindOfFinding, someReferences } from '../finding-kind.ts'

export const surplusPut = {
  id: 'surplus-put',
  promise: 'surplus-put',
  isEvidence: true,
  accuses: true,
  shownBy: 'counts',
  sentence: said =>
    `${said.who} put ${someReferences(said)} to ${said.pages} that ${said.references === 1 ? 'was' : 'were'} not its own`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a put without a reference of its own',
  docs: 'under one law, more references to a page were put than taken, while others still held the page',
} as const satisfies KindOfFinding

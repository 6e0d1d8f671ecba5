// SPDX-License-Identifier: GPL-2.0-or-later
/** A count that its recorded changes do not add up to. */
import { BEFORE_THE_EVENT, type KindOfFinding } from '../finding-kind.ts'

export const countMismatch = {
  id: 'count-mismatch',
  promise: 'count-mismatch',
  isEvidence: true,
  accuses: true,
  shownBy: 'counts',
  sentence: ({ who, pages, isMany }) =>
    isMany
      ? `the counts of ${pages} are not what their events add up to, as seen by ${who}`
      : `the count of ${pages} is not what its events add up to, as seen by ${who}`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a count that is not the sum of its events',
  docs: 'a page is handed out while references to it are held, or an event has a result that no order of the recorded events gives',
} as const satisfies KindOfFinding

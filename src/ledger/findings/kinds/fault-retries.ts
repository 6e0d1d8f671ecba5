// SPDX-License-Identifier: GPL-2.0-or-later
/** A CPU fault that is tried again and again. */
import { AT_THE_END, type KindOfFinding } from '../finding-kind.ts'

export const faultRetries = {
  id: 'fault-retries',
  promise: 'fault-retries',
  isEvidence: true,
  accuses: false,
  shownBy: 'counts',
  sentence: ({ who, pages }) => `a fault on ${pages} was tried again and again by ${who}`,
  countedWhen: AT_THE_END,
  help: 'a page fault that is retried again and again',
  docs: 'one task tries 64 times or more in one lifetime of a page to migrate it back; each attempt takes a reference and puts it',
} as const satisfies KindOfFinding

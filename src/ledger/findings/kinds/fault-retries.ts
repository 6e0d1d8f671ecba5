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
  help: 'a fault that is tried again and again',
  docs: '64 or more attempts of one task to migrate a page back in one lifetime of the page, each of which takes a reference and gives it back',
} as const satisfies KindOfFinding

// SPDX-License-Identifier: GPL-2.0-or-later
/** A page that was handed out while its pagemap went away. */
import { BEFORE_THE_EVENT, type KindOfFinding } from '../finding-kind.ts'

export const allocAfterKill = {
  id: 'alloc-after-kill',
  promise: 'alloc-after-kill',
  isEvidence: true,
  accuses: true,
  shownBy: 'probes',
  sentence: ({ who, pages }) => `${who} handed out ${pages} after memunmap_pages() began`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a page handed out during memunmap_pages()',
  docs: 'handed out when `memunmap_pages()` had been entered: likely at most, the driver may know what it does',
} as const satisfies KindOfFinding

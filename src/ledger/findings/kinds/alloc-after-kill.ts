// SPDX-License-Identifier: GPL-2.0-or-later
/** A page that was handed out while its pagemap went away. */
import { BEFORE_THE_EVENT, type KindOfFinding } from '../finding-kind.ts'

export const allocAfterKill = {
  id: 'alloc-after-kill',
  promise: 'no page is handed out once memunmap_pages() has begun',
  // A page that is handed out when memunmap_pages() has returned is in use without a pagemap: its first wrong is this one.
  properties: ['alloc-after-kill', 'pagemap-outlives'],
  accuses: true,
  shownBy: 'probes',
  sentence: ({ who, pages }) => `${who} handed out ${pages} after memunmap_pages() began`,
  countedWhen: BEFORE_THE_EVENT,
  help: 'a page handed out during memunmap_pages()',
  docs: 'handed out when `memunmap_pages()` had been entered: likely at most, the driver may know what it does',
} as const satisfies KindOfFinding

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
  help: 'a page allocated during memunmap_pages()',
  docs: 'a page was handed out after `memunmap_pages()` was entered. Likely at most, because the driver may intend it',
} as const satisfies KindOfFinding

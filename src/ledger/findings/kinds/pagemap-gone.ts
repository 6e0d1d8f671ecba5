// SPDX-License-Identifier: GPL-2.0-or-later
/** A pagemap that was torn down while a page of it was in use. */
import { type KindOfFinding, were } from '../finding-kind.ts'

export const pagemapGone = {
  id: 'pagemap-gone',
  promise: 'pagemap-gone',
  isEvidence: true,
  accuses: true,
  shownBy: 'probes',
  sentence: said =>
    `memunmap_pages() returned while ${said.pages} ${were(said)} in use${said.isKnown ? ` by ${said.who}` : ''}`,
  countedWhen: 'when memunmap_pages() returned',
  help: 'memunmap_pages() returned with a page in use',
  docs: '`memunmap_pages()` returned, and references to a page of its range were never put, or later than a late time stamp can explain; or the page was handed out and mapped',
} as const satisfies KindOfFinding

// SPDX-License-Identifier: GPL-2.0-or-later
/** A memunmap_pages() that has not returned when the recording ends. */
import { AT_THE_END, type KindOfFinding } from '../finding-kind.ts'

export const teardownWaits = {
  id: 'teardown-waits',
  promise: 'teardown-waits',
  isEvidence: true,
  accuses: false,
  shownBy: 'counts',
  sentence: ({ who, pages, references, isKnown }) =>
    references === 0
      ? 'memunmap_pages() waits, and not for a page that is in use'
      : `memunmap_pages() waits for ${pages}${isKnown ? `, held by ${who}` : ''}`,
  countedWhen: AT_THE_END,
  help: 'memunmap_pages() has not returned',
  docs: '`memunmap_pages()` was entered and has not returned. If no page of the range is in use, it waits for a reference on the pagemap itself, which no event shows',
} as const satisfies KindOfFinding

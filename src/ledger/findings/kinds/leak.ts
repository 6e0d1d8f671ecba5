// SPDX-License-Identifier: GPL-2.0-or-later
/** A reference that was taken and will not come back. */
import { AT_THE_END, type KindOfFinding, someReferences } from '../finding-kind.ts'

export const leak = {
  id: 'leak',
  promise: 'leak',
  isEvidence: true,
  accuses: true,
  shownBy: 'counts',
  sentence: said => `${said.who} took ${someReferences(said)} to ${said.pages} that never came back`,
  countedWhen: AT_THE_END,
  help: 'a reference that was never put',
  docs: 'a reference is held at the end, and far more later references of its law, or lifetimes of its pagemap, have ended meanwhile than ever overtook one that was put; or `memunmap_pages()` waits for its page, or an eviction failed',
} as const satisfies KindOfFinding

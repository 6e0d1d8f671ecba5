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
  help: 'a reference that never came back',
  docs: 'a reference that is out at the end, and was overtaken by far more references of its law, or lifetimes of its pagemap, than any that came back; or that `memunmap_pages()` or an eviction waits for',
} as const satisfies KindOfFinding

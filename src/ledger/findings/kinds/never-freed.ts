// SPDX-License-Identifier: GPL-2.0-or-later
/** A page that was handed out and will not come back, as probes alone show it. */
import { AT_THE_END, type KindOfFinding } from '../finding-kind.ts'

export const neverFreed = {
  id: 'never-freed',
  promise: 'leak',
  isEvidence: true,
  accuses: true,
  shownBy: 'probes',
  sentence: said => `${said.pages} that ${said.who} handed out never came back`,
  countedWhen: AT_THE_END,
  help: 'a page that never came back to its driver',
  docs: 'without counts, a page that was handed out and has not come back, while far more pages that the same calls handed out later have come back than ever overtook one that did; or the only one out of a driver that has come to rest; or passed over by the exit that gave back those before and after it; or that `memunmap_pages()` waits for',
} as const satisfies KindOfFinding

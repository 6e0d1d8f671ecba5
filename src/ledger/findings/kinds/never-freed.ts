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
  help: 'a page that never returned to its driver',
  docs: 'without counts: a page was handed out and not freed, and one of these holds: far more pages that the same calls handed out later were freed meanwhile than ever overtook one that was freed; it is the only page in use of a driver that has become idle; an exit freed the pages before and after it; `memunmap_pages()` waits for it',
} as const satisfies KindOfFinding

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The counts of one page under a refcount protocol, as data: by these rules the ledger judges a recording.
 * They are per type, not only per version: under F and G a DAX fault takes a page from 0 to 1 by a plain get, which is
 * a bug for every other type. Checked against Linux 5.10, 6.12 and 7.3; B, C and C' are those of the mails of 2020.
 */

export type ProtocolId = 'A' | 'B' | 'C' | "C'" | 'D' | 'E' | 'F' | 'G'
export type PageType = 'PRIVATE' | 'COHERENT' | 'FS_DAX' | 'GENERIC' | 'PCI_P2PDMA'

export const PROTOCOL_IDS: readonly ProtocolId[] = ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G']

export interface PageRule {
  /** Count of a page that the driver (or DAX) owns and nobody uses. */
  idle: 0 | 1
  /** How an idle page becomes a busy one: by a set of its count, by a get, or without an operation on the count. */
  handOut: 'set' | 'get' | 'none'
  /** True if the core sets the count back to 1 after the last put. */
  coreResets: boolean
  /** True if memunmap_pages() puts every page once (1 -> 0). */
  teardownPuts: boolean
}

const EXTRA_REF: PageRule = { idle: 1, handOut: 'get', coreResets: false, teardownPuts: true }
const ONE_BASED: PageRule = { idle: 1, handOut: 'get', coreResets: false, teardownPuts: false }
const RESET_TO_ONE: PageRule = { idle: 1, handOut: 'none', coreResets: true, teardownPuts: false }
const ZERO_SET: PageRule = { idle: 0, handOut: 'set', coreResets: false, teardownPuts: false }
const ZERO_GET: PageRule = { idle: 0, handOut: 'get', coreResets: false, teardownPuts: false }

const same = (rule: PageRule): Record<PageType, PageRule> => ({
  PRIVATE: rule,
  COHERENT: rule,
  FS_DAX: rule,
  GENERIC: rule,
  PCI_P2PDMA: rule,
})

/** By protocol and type of memory, the rule of a page. */
export const PAGE_RULES: Record<ProtocolId, Record<PageType, PageRule>> = {
  A: same(EXTRA_REF),
  B: { ...same(RESET_TO_ONE), FS_DAX: ONE_BASED, GENERIC: ONE_BASED },
  C: same(ZERO_SET),
  "C'": { ...same(RESET_TO_ONE), FS_DAX: ONE_BASED, GENERIC: ONE_BASED },
  D: { ...same(RESET_TO_ONE), FS_DAX: ONE_BASED, GENERIC: ONE_BASED },
  E: { ...same(ONE_BASED), PRIVATE: ZERO_SET, COHERENT: ZERO_SET, PCI_P2PDMA: RESET_TO_ONE },
  F: { ...same(ZERO_SET), FS_DAX: ZERO_GET, GENERIC: ONE_BASED },
  G: { ...same(ZERO_SET), FS_DAX: ZERO_GET, GENERIC: ONE_BASED },
}

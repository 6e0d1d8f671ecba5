// SPDX-License-Identifier: GPL-2.0-or-later
/** Accounts for the page references in a recording. Runs in Node and in browsers. */
export {
  type Account,
  type AccountOptions,
  account,
  type PageHolders,
  type PagemapSummary,
  type PairSummary,
  whoHolds,
} from './account.ts'
export {
  ACCUSATIONS,
  type Actor,
  type Certainty,
  type ErrorReport,
  type Finding,
  type FindingKind,
} from './findings.ts'
export type { Holder } from './open-findings.ts'

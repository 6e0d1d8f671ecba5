// SPDX-License-Identifier: GPL-2.0-or-later
/** Accounts for the page references in a recording. Runs in Node and in browsers. */
export {
  type Account,
  type AccountOptions,
  account,
  type PageHolders,
  type PagemapSummary,
  type LawSummary,
  whoHolds,
} from './account.ts'
export type { Cause } from './diagnose/causes.ts'
export {
  ACCUSATIONS,
  type Actor,
  type Candidate,
  type Certainty,
  type ErrorReport,
  type Finding,
  type FindingKind,
} from './findings.ts'
export type { Holder } from './diagnose/open-findings.ts'

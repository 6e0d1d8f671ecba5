// SPDX-License-Identifier: GPL-2.0-or-later
/** Accounts for the page references in a recording. Runs in Node and in browsers. */
export {
  type Account,
  type AccountOptions,
  account,
  type LawSummary,
  type PageHolders,
  type PagemapSummary,
  whoHolds,
} from './account.ts'
export type { Cause } from './diagnose/causes.ts'
export type { Holder } from './diagnose/open-findings.ts'
export type { Actor, Candidate, Certainty, ErrorReport, Finding } from './findings/finding.ts'
export type { KindOfFinding } from './findings/finding-kind.ts'
export { ACCUSATIONS, kindOf } from './findings/kinds.ts'
export { type FindingKind, KINDS } from './findings/registry.ts'

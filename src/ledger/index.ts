// SPDX-License-Identifier: GPL-2.0-or-later
/** Accounts for the page references in a recording. Runs in Node and in browsers. */
export { type Account, type AccountOptions, account, type PagemapSummary, type PairSummary } from './account.ts'
export { ACCUSATIONS, type Actor, type Certainty, type Finding, type FindingKind } from './findings.ts'

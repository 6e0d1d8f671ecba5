// SPDX-License-Identifier: GPL-2.0-or-later
/** Library entry: reads memory dumps and reports what they show of device pages. */
export { CoreError } from './error.ts'
export { type Examination, type ExamineOptions, examine } from './examine.ts'
export { CORE_ACCUSATIONS, type CoreFinding, type CoreFindingKind, type Holder } from './finding.ts'
export { type DumpOptions, openDump } from './memory/open.ts'
export type { Dump } from './memory/physical.ts'
export { BytesCoreSource, type CoreSource } from './memory/source.ts'
export { type PageFacts, readPage, visitPages } from './page-queries.ts'

// SPDX-License-Identifier: GPL-2.0-or-later
import type { Frame } from '../../trace/events.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import { PageBit } from '../track/page-state.ts'
import type { Diagnosis } from './diagnosis.ts'

/** Open references by the frame that took them and their law. */
type OpenSites = Map<Frame | undefined, Map<number | undefined, OpenReferences>>

/** Most pages whose references are paired; hundreds of thousands of ordinary pages may be held. */
const MAX_PAGES = 20_000

/** References of one call site that are out when the recording ends. */
export interface OpenReferences {
  /** undefined: no stack was recorded, or they are from before the recording. */
  get: Frame | undefined
  /** Number of the law that gives them back; undefined where no law tells. */
  law: number | undefined
  references: number
  pages: number
  /** One of the pages. */
  pfn: number
}

/**
 * Returns the references that are out at the end by call site, largest number first. `more` is the number of held pages not
 * examined.
 */
export function openReferences(
  ledger: LearningTracker,
  diagnosis: Diagnosis,
): { sites: OpenReferences[]; more: number } {
  const sites: OpenSites = new Map()
  let looked = 0
  let more = 0
  for (const row of ledger.pages.inUse()) {
    if (!isHeld(ledger, row)) continue
    if (looked++ >= MAX_PAGES) more++
    else addPage(sites, ledger, diagnosis, row)
  }
  const all = [...sites.values()].flatMap(byLaw => [...byLaw.values()])
  return { sites: all.sort((a, b) => b.references - a.references), more }
}

/** True if a page in use has references that are out, as far as its events are known. */
function isHeld(ledger: LearningTracker, row: number): boolean {
  const { pages, gaps } = ledger
  const bits = pages.bits[row]!
  if (bits & (PageBit.lossy | PageBit.countUncertain | PageBit.frozen)) return false
  if (pages.epoch[row] !== gaps.epoch || !ledger.isCounted(row)) return false
  return pages.count[row]! > Math.max(0, ledger.idleCount(row) ?? 0)
}

function addPage(sites: OpenSites, ledger: LearningTracker, diagnosis: Diagnosis, row: number): void {
  const seen = new Set<OpenReferences>()
  for (const { actor, units, law } of diagnosis.holders(ledger.stateOf(row))) {
    const site = openSite(sites, actor?.frame, law, ledger.pages.pfn[row]!)
    site.references += units
    if (!seen.has(site)) site.pages++
    seen.add(site)
  }
}

function openSite(sites: OpenSites, get: Frame | undefined, law: number | undefined, pfn: number): OpenReferences {
  const byLaw = sites.get(get) ?? new Map<number | undefined, OpenReferences>()
  sites.set(get, byLaw)
  const site = byLaw.get(law) ?? { get, law, references: 0, pages: 0, pfn }
  byLaw.set(law, site)
  return site
}

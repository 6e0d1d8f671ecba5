// SPDX-License-Identifier: GPL-2.0-or-later
/** From pages in use and their holders to findings. */
import type { CoreFinding } from './finding.ts'
import type { HolderSearch } from './holders/find.ts'
import type { Kernel } from './kernel/kernel.ts'
import type { DevicePages, PagemapAccount, PagesInUse } from './mm/device-pages.ts'

/** Findings in order of pages; those that accuse first. */
export function diagnose(_kernel: Kernel, pages: DevicePages, holders: HolderSearch | undefined): CoreFinding[] {
  const findings: CoreFinding[] = []
  for (let row = 0; row < pages.inUse.length; row++) {
    findings.push(judge(pages, row, holders))
  }
  return findings
}

function judge({ pagemaps, inUse }: DevicePages, row: number, holders: HolderSearch | undefined): CoreFinding {
  const pagemap = pagemaps[inUse.pagemap[row]!]!
  const base = {
    pfn: inUse.pfn[row]!,
    pages: pagesOf(inUse, row),
    pagemap: inUse.pagemap[row]!,
    count: inUse.count[row]!,
    mapcount: inUse.mapcount[row]! + 1,
    explained: undefined,
    holders: holders?.of(row) ?? [],
  }
  if (inUse.stateOf(row) === 'impossible') {
    return { ...base, kind: 'impossible-state', certainty: 'certain', evidence: [impossibleBecause(pagemap, base)] }
  }
  return { ...base, kind: 'held', certainty: 'certain', evidence: [] }
}

function pagesOf(inUse: PagesInUse, row: number): number[] {
  return Array.from({ length: 2 ** inUse.order[row]! }, (_, i) => inUse.pfn[row]! + i)
}

function impossibleBecause({ rule, protocol }: PagemapAccount, page: { count: number; mapcount: number }): string {
  if (page.count < 0) return `its count is ${page.count}: more references were put than taken`
  if (page.mapcount < 0) return `its mapcount is ${page.mapcount}: it was unmapped more often than mapped`
  return `its count is ${page.count}, but under protocol ${protocol} a page that nobody uses has ${rule?.idle}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Turns the pages in use and their holders into findings. */

import { type Balance, balanceOf } from './balance.ts'
import type { CoreFinding } from './finding.ts'
import type { HolderSearch } from './holders/find.ts'
import type { Kernel } from './kernel/kernel.ts'
import type { DevicePages, PagemapAccount } from './mm/device-pages.ts'
import type { MemoryMap } from './mm/memory-map.ts'
import { PageView } from './mm/page-layout.ts'
import { pagemapAt } from './mm/pagemaps.ts'
import { doubleRecorded } from './recorded-twice.ts'
import { teardowns } from './teardown.ts'

/** Maximum number of held pages that get a finding each. Further ones are only counted. */
export const MOST_HELD = 1 << 18

/** Returns the findings that accuse, in order of their pages, followed by those that only report. */
export function diagnose(
  kernel: Kernel,
  map: MemoryMap,
  pages: DevicePages,
  holders: HolderSearch | undefined,
): CoreFinding[] {
  const findings: CoreFinding[] = []
  const twice = holders?.searched ? doubleRecorded(pages, holders) : new Map<number, string>()
  let held = 0
  for (let row = 0; row < pages.inUse.length; row++) {
    const balance = balanceOf(pages, row, holders)
    const finding = judge({ map, pages, row, holders, balance, twice: twice.get(row) })
    if (finding.kind !== 'held' || held++ < MOST_HELD) findings.push(finding)
  }
  for (const pfn of holders?.mappedIdle ?? []) findings.push(...mappedIdle(map, pages, pfn, holders!))
  findings.push(...teardowns(kernel, pages, holders))
  const order = (finding: CoreFinding) => (finding.kind === 'held' ? 1 : 0)
  return findings.sort((a, b) => order(a) - order(b) || a.pfn - b.pfn)
}

interface Case {
  map: MemoryMap
  pages: DevicePages
  row: number
  holders: HolderSearch | undefined
  balance: Balance | undefined
  /** Why the page has more pointers to it than it should have; undefined if it does not. */
  twice: string | undefined
}

type Verdict = Pick<CoreFinding, 'kind' | 'certainty' | 'evidence'>

function judge(known: Case): CoreFinding {
  const { pages, row, holders, balance } = known
  const { inUse } = pages
  const found = holders?.of(inUse.pfn[row]!)
  return {
    pfn: inUse.pfn[row]!,
    pages: [{ first: inUse.pfn[row]!, end: inUse.pfn[row]! + 2 ** inUse.order[row]! }],
    pagemap: inUse.pagemap[row]!,
    count: inUse.count[row]!,
    mapcount: inUse.mapcount[row]! + 1,
    explained: balance?.explained,
    holders: [...(found?.holders ?? []), ...(balance?.counted ?? [])],
    ...verdict(known),
  }
}

function verdict(known: Case): Verdict {
  const { pages, row, holders, balance, twice } = known
  const { inUse, pagemaps } = pages
  const pagemap = pagemaps[inUse.pagemap[row]!]!
  if (inUse.stateOf(row) === 'impossible') {
    const page = { count: inUse.count[row]!, mapcount: inUse.mapcount[row]! + 1 }
    const free = holders?.of(inUse.pfn[row]!)?.freeList
    const evidence = [impossibleBecause(pagemap, page), ...(free === undefined ? [] : [onFreeList(free)])]
    return { kind: 'impossible-state', certainty: 'certain', evidence }
  }
  const held = (...evidence: string[]): Verdict => ({ kind: 'held', certainty: 'certain', evidence })
  if (!balance || !holders) return held()
  const found = holders.of(inUse.pfn[row]!)
  if (holders.live && hasChanged(known))
    return held('it changed while memory was read, so its references are not judged')
  if (balance.missing < 0) return tooMany(balance, holders)
  if (twice !== undefined) return { kind: 'count-mismatch', certainty: 'possible', evidence: [twice] }
  if (balance.missing === 0) return held()
  const of = inUse.count[row] === 1 ? 'its reference' : `${balance.missing} of its ${inUse.count[row]} references`
  const open = `nothing was found that holds ${of}`
  if (found?.freeList !== undefined && found.holders.length === 0) {
    return { kind: 'leaked', certainty: 'likely', evidence: [open, onFreeList(found.freeList)] }
  }
  const doubt = doubtOf(balance, holders)
  if (doubt !== undefined) return held(open, `no leak is claimed: ${doubt}`)
  const numbers = found?.chance ?? 0
  if (numbers > 0) {
    const rate = Math.round(100 * holders.numberRate)
    const why = `its frame number stands in ${numbers === 1 ? 'one place' : `${numbers} places`}, but so do those of ${rate} % of idle pages`
    return { kind: 'leaked', certainty: 'possible', evidence: [open, why] }
  }
  return { kind: 'leaked', certainty: holders.live ? 'possible' : 'likely', evidence: [open, LOOKED_AT] }
}

/** Reads a page of a running kernel again after the search for holders. @returns true if its count or mapcount has changed */
function hasChanged({ map, pages: { inUse }, row }: Case): boolean {
  const now = new PageView()
  if (!map.read(inUse.pfn[row]!, now)) return true
  return now.count !== inUse.count[row] || now.mapcount !== inUse.mapcount[row]
}

const LOOKED_AT = "looked at: page tables and pipes of all processes, and all of the kernel's memory for pointers to it"

function onFreeList(how: string): string {
  return `it is on its driver's list of free pages: ${how}`
}

/** Returns why unexplained references need not be leaked; undefined if nothing speaks against a leak. */
function doubtOf(balance: Balance, holders: HolderSearch): string | undefined {
  if (holders.incomplete.length > 0) return holders.incomplete.slice(0, 3).join('; ')
  return balance.doubt
}

function tooMany(balance: Balance, { live }: HolderSearch): Verdict {
  const evidence = [
    `page tables and pipes hold ${balance.certain} references${balance.base > 0 ? `, and an idle page has ${balance.base}` : ''}: ${-balance.missing} more than its count says`,
  ]
  return { kind: 'count-mismatch', certainty: live ? 'possible' : 'certain', evidence }
}

function impossibleBecause({ rule, protocol }: PagemapAccount, page: { count: number; mapcount: number }): string {
  if (page.count < 0) return `its count is ${page.count}: more references were put than taken`
  if (page.mapcount < 0) return `its mapcount is ${page.mapcount}: it was unmapped more often than mapped`
  return `its count is ${page.count}, but under protocol ${protocol} a page that nobody uses has ${rule?.idle}`
}

/** Reports a page that looks idle but is mapped, which violates the rule that no page table maps a free page. */
function mappedIdle(map: MemoryMap, pages: DevicePages, pfn: number, holders: HolderSearch): CoreFinding[] {
  const view = new PageView()
  if (!map.read(pfn, view) || view.isTail) return []
  const found = holders.of(pfn)
  const pagemap = pagemapAt(pages.pagemaps, pfn)
  return [
    {
      kind: 'impossible-state',
      certainty: holders.live ? 'possible' : 'certain',
      pfn,
      pages: [{ first: pfn, end: pfn + 1 }],
      pagemap,
      count: view.count,
      mapcount: view.mapcount + 1,
      explained: view.count,
      holders: found?.holders ?? [],
      evidence: [`page tables map it, but its count is ${view.count}, that of a page that nobody uses`],
    },
  ]
}

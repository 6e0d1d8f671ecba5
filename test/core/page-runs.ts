// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs of pages against the pages one by one. */
import type { Examination } from '../../src/core/examine.ts'
import { type PageFacts, visitPages } from '../../src/core/page-queries.ts'

/** Pages that the runs tell otherwise than the page itself, as lines; those of a folio by its head. */
export function differingRuns(found: Examination): string[] {
  const told = new Map<string, string>()
  found.pagemaps.forEach(({ runs, address }) => {
    for (let row = 0; row < runs.length; row++) {
      const { state, count, mapcount, flagsLow, flagsHigh, folio } = runs.kinds[runs.kind[row]!]!
      const [first, pages] = [runs.first[row]!, runs.pages[row]!]
      for (let pfn = first; pfn < first + pages; pfn++) {
        const isHead = (pfn - first) % folio === 0
        const numbers = isHead && state !== 'reserved' ? ` ${count} ${mapcount} ${flagsLow} ${flagsHigh}` : ''
        const key = `${address} ${pfn}`
        told.set(key, told.has(key) ? 'twice' : `${state}${numbers}`)
      }
    }
  })
  const wrong: string[] = []
  visitPages(found, ({ view, state, pagemap }: PageFacts) => {
    const key = `${pagemap!.address} ${view.pfn}`
    const { count, mapcount, flagsLow, flagsHigh } = view
    const numbers = view.isTail || state === 'reserved' ? '' : ` ${count} ${mapcount} ${flagsLow} ${flagsHigh}`
    if (told.get(key) !== `${state}${numbers}`) wrong.push(`${key}: ${told.get(key)}, but ${state}${numbers}`)
    told.delete(key)
  })
  const absent = found.pagemaps.reduce((sum, { pages }) => sum + pages.absent, 0)
  const rest = [...told].filter(([, words]) => words !== 'absent')
  if (told.size - rest.length !== absent) wrong.push(`${told.size - rest.length} absent, but ${absent}`)
  return [...wrong, ...rest.map(([key, words]) => `${key}: ${words}, but there is none`)]
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Adds page-table entries as holders. An entry holds one reference if the kernel's protocol and the kind of entry say so. */

import { protocols } from '../../linux/protocols/index.ts'
import type { Holder } from '../finding.ts'
import type { DevicePages, PagemapAccount } from '../mm/device-pages.ts'
import { pagemapAt } from '../mm/pagemaps.ts'
import type { DevicePageIndex } from './device-index.ts'
import { EntryForm, type Mappings } from './mappings.ts'

/** Minimum lead, in votes, for the meaning of a type of swap entry to count as known. */
const ENOUGH_VOTES = 1

/**
 * Adds the mappings to the holders of their pages.
 * @returns idle pages that are mapped with a reference
 */
export function mappingHolders(mappings: Mappings, index: DevicePageIndex, pages: DevicePages): number[] {
  const maps = devicePrivateTypes(mappings, index, pages)
  const idle = new Set<number>()
  const seen = new Set<string>()
  for (let row = 0; row < mappings.length; row++) {
    const pagemap = pages.pagemaps[pagemapAt(pages.pagemaps, mappings.pfn[row]!)]
    if (!pagemap) continue
    for (const pfn of headsOf(mappings, row, index, pagemap)) {
      // A large entry that maps one large folio holds one reference, and one that maps 512 small folios holds 512. So each folio
      // is counted once per entry.
      const key = `${row}:${pfn}`
      if (seen.has(key)) continue
      seen.add(key)
      addEntry({ mappings, row, index, pagemap, maps }, pfn, idle)
    }
  }
  return [...idle]
}

interface Entry {
  mappings: Mappings
  row: number
  index: DevicePageIndex
  pagemap: PagemapAccount
  maps: ReadonlyMap<number, boolean>
}

function addEntry({ mappings, row, index, pagemap, maps }: Entry, pfn: number, idle: Set<number>): void {
  const form = mappings.form[row]!
  const meaning = form === EntryForm.swap ? maps.get(mappings.swapType[row]!) : true
  const holds = meaning === true && form !== EntryForm.special && holdsReference(pagemap)
  const inUse = index.isInUse(pfn)
  if (!inUse && holds) idle.add(pfn)
  if (!inUse && !holds) return
  const page = index.holdersOf(pfn)
  if (meaning === undefined) page.unclear++
  index.addCertain(pfn, entryHolder(mappings, row, meaning, holds))
}

function entryHolder(mappings: Mappings, row: number, meaning: boolean | undefined, holds: boolean): Holder {
  const task = mappings.processes[mappings.process[row]!]!
  const address = BigInt(mappings.page[row]!) * 4096n
  const form = mappings.form[row]!
  const how =
    form !== EntryForm.swap ? 'maps it' : meaning ? 'maps it (device-private entry)' : 'has an entry that stands for it'
  const without = holds ? '' : meaning === false ? ' while it migrates' : ', without a reference'
  return {
    kind: meaning === false ? 'migration-entry' : 'mapping',
    references: holds ? 1 : 0,
    words: `${task.name}-${task.pid} ${how} at 0x${address.toString(16)}${without}`,
    address,
    pid: task.pid,
    task: task.name,
  }
}

function holdsReference({ protocol, type }: PagemapAccount): boolean {
  const found = protocols.find(({ id }) => id === protocol)
  return found !== undefined && type !== undefined && found.pte_holds_reference(type)
}

/** Returns the heads of the folios that an entry maps. The entry holds one reference on each. */
function headsOf(mappings: Mappings, row: number, index: DevicePageIndex, pagemap: PagemapAccount): number[] {
  const first = mappings.pfn[row]!
  const heads: number[] = []
  for (let pfn = first; pfn < first + mappings.pages[row]!; ) {
    const known = index.folioOf(pfn)
    const head = known?.head ?? pfn
    heads.push(head)
    // An idle folio is not in the index. It has the size of the pagemap's folios.
    pfn = Math.max(pfn + 1, head + (known?.pages ?? 2 ** pagemap.order))
  }
  return heads
}

/**
 * Determines which types of swap entries map a page as a present entry does (device-private memory: true) and which stand for a
 * page during migration (false). The numbers of the types have changed with almost every type that was added, so they are told
 * apart by the mapcounts of their pages: these include device-private entries, but not migration entries.
 */
function devicePrivateTypes(mappings: Mappings, index: DevicePageIndex, pages: DevicePages): Map<number, boolean> {
  const entries = new Map<number, Map<number, number>>()
  for (let row = 0; row < mappings.length; row++) {
    if (mappings.form[row] !== EntryForm.swap) continue
    const byType = entries.get(mappings.pfn[row]!) ?? new Map<number, number>()
    byType.set(mappings.swapType[row]!, (byType.get(mappings.swapType[row]!) ?? 0) + 1)
    entries.set(mappings.pfn[row]!, byType)
  }
  const votes = new Map<number, { maps: number; migrates: number }>()
  for (const [pfn, byType] of entries) {
    const row = index.rowOf(pfn)
    if (row === undefined || byType.size !== 1) continue
    const [[type, count]] = [...byType] as [[number, number]]
    const vote = votes.get(type) ?? { maps: 0, migrates: 0 }
    const mapped = pages.inUse.mapcount[row]! + 1
    if (mapped === count) vote.maps++
    else if (mapped === 0) vote.migrates++
    votes.set(type, vote)
  }
  const meaning = new Map<number, boolean>()
  for (const [type, { maps, migrates }] of votes) {
    if (Math.abs(maps - migrates) >= ENOUGH_VOTES) meaning.set(type, maps > migrates)
  }
  return meaning
}

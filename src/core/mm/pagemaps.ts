// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads every `struct dev_pagemap`. The kernel's `pgmap_array` maps ranges of pages to them. */
import { PAGE_RULES, type PageType } from '../../linux/protocols/rules.ts'
import { lowerBound } from '../../util/lower-bound.ts'
import type { Kernel, Typed } from '../kernel/kernel.ts'
import { xarrayEntries } from '../kernel/lists.ts'
import { type PercpuRef, readPercpuRef } from '../kernel/percpu.ts'
import { addressOf, has, integer, pointer, u32 } from '../kernel/typed.ts'

const PAGE_SHIFT = 12n
/** Maximum number of ranges of one pagemap, and of all together, which is enough for 4 TiB in pieces of 256 MiB. */
const MOST_RANGES = 1024
const MOST_RANGES_OF_ALL = 16384
const PGMAP_ALTMAP_VALID = 1n
const PAGE_TYPES = Object.keys(PAGE_RULES.G) as PageType[]

/** Pages [first, end) that belong to a pagemap. */
export interface PagemapRange {
  readonly first: number
  readonly end: number
  /** Number of pages at the beginning that hold the pagemap's own struct pages and are not device pages (altmap). */
  readonly reserved: number
}

export interface Pagemap {
  readonly address: bigint
  /** Undefined if the kernel's types have no name for the number. */
  readonly type: PageType | undefined
  readonly typeNumber: number
  readonly ranges: readonly PagemapRange[]
  readonly owner: bigint
  readonly ops: bigint
  /** Symbols of the `ops` and of its callback for freed pages. */
  readonly opsName: string | undefined
  readonly pageFree: string | undefined
  /** Owner of the callbacks: the name of a module, or `vmlinux`. */
  readonly driver: string | undefined
  /** Order of the folios that the memory consists of (`vmemmap_shift`). */
  readonly order: number
  readonly ref: PercpuRef | undefined
}

/** Number of ranges that may still be read. */
export interface RangeBudget {
  ranges: number
}

export function rangeBudget(): RangeBudget {
  return { ranges: MOST_RANGES_OF_ALL }
}

/** Notes if the budget was used up, so that pagemaps may have been left out. */
export function tellBudget(kernel: Kernel, { ranges }: RangeBudget): void {
  if (ranges <= 0) kernel.damage.push(`pagemaps have more than ${MOST_RANGES_OF_ALL} ranges, which is all that is read`)
}

/** Index of the pagemap that a page belongs to; -1 for other pages. */
export function pagemapAt(pagemaps: readonly Pagemap[], pfn: number): number {
  return pagemaps.findIndex(({ ranges }) => ranges.some(({ first, end }) => pfn >= first && pfn < end))
}

/** Number of pages of all ranges, including reserved ones. */
export function pagesOf(pagemaps: readonly Pagemap[]): number {
  return pagemaps.flatMap(({ ranges }) => ranges).reduce((sum, { first, end }) => sum + end - first, 0)
}

/** Reads every pagemap in pgmap_array, in order of their first pages. */
export function readPagemaps(kernel: Kernel, budget: RangeBudget = rangeBudget()): Pagemap[] {
  const array = kernel.address('pgmap_array')
  const found = new Map<bigint, Pagemap>()
  if (array !== undefined) {
    for (const { entry } of xarrayEntries(kernel, array, 'pgmap_array')) {
      if (budget.ranges <= 0) break
      if (found.has(entry)) continue
      const pagemap = kernel.try(`the pagemap at 0x${entry.toString(16)}`, () => readPagemap(kernel, entry, budget))
      if (pagemap && pagemap.ranges.length > 0) found.set(entry, pagemap)
    }
  }
  return inOrder([...found.values()])
}

/** Sorts pagemaps by their first pages. */
export function inOrder(pagemaps: Pagemap[]): Pagemap[] {
  return pagemaps.sort((a, b) => (a.ranges[0]?.first ?? 0) - (b.ranges[0]?.first ?? 0))
}

/**
 * Removes ranges that overlap others. A page belongs to one pagemap, so one of the two is damaged. The shorter one is kept, because
 * most wrong lengths are too large, and would otherwise hide all other pagemaps.
 */
export function withoutOverlaps(kernel: Kernel, pagemaps: readonly Pagemap[]): Pagemap[] {
  const kept: PagemapRange[] = []
  const all = pagemaps.flatMap(({ ranges }) => ranges).sort((a, b) => a.end - a.first - (b.end - b.first))
  for (const range of all) {
    const at = lowerBound(kept.length, i => kept[i]!.end <= range.first)
    if (kept[at] === undefined || kept[at].first >= range.end) kept.splice(at, 0, range)
  }
  if (kept.length === all.length) return [...pagemaps]
  kernel.damage.push(`pagemaps overlap: ${all.length - kept.length} of their ranges are left out`)
  const isKept = new Set(kept)
  return pagemaps
    .map(pagemap => ({ ...pagemap, ranges: pagemap.ranges.filter(range => isKept.has(range)) }))
    .filter(({ ranges }) => ranges.length > 0)
}

/**
 * Reads one pagemap.
 * @throws NotInDump
 */
export function readPagemap(kernel: Kernel, address: bigint, budget: RangeBudget): Pagemap {
  const pagemap = kernel.at('dev_pagemap', address)
  const typeNumber = u32(pagemap, 'type')
  const ops = pointer(pagemap, 'ops')
  const opsName = ops === 0n ? undefined : kernel.nameOf(ops)
  const freeFunction = ops === 0n ? 0n : (kernel.try('the operations of a pagemap', () => freeOf(kernel, ops)) ?? 0n)
  const pageFree = freeFunction === 0n ? undefined : kernel.nameOf(freeFunction)
  return {
    address,
    type: typeOf(kernel, typeNumber),
    typeNumber,
    ranges: rangesOf(pagemap, budget),
    owner: has(pagemap, 'owner') ? pointer(pagemap, 'owner') : 0n,
    ops,
    opsName,
    pageFree,
    driver: driverOf(pageFree ?? opsName),
    // 5.17 (c4386bd8ee3a) introduced folios in device-dax.
    order: has(pagemap, 'vmemmap_shift') ? Number(integer(pagemap, 'vmemmap_shift') & 63n) : 0,
    ref: kernel.try('the reference count of a pagemap', () => readPercpuRef(kernel, refOf(pagemap))),
  }
}

/** Types are identified by name, because their numbers have changed (COHERENT, new in 5.18, moved those after it). */
function typeOf(kernel: Kernel, number: number): PageType | undefined {
  const name = kernel.btf.enumerators('memory_type').get(number)
  return PAGE_TYPES.find(type => name === `MEMORY_DEVICE_${type}`)
}

function freeOf(kernel: Kernel, ops: bigint): bigint {
  const table = kernel.at('dev_pagemap_ops', ops)
  // 6.19 renamed `page_free` to `folio_free`.
  return pointer(table, has(table, 'folio_free') ? 'folio_free' : 'page_free')
}

/** A symbol `function [module]` belongs to that module, and `function` alone to vmlinux. */
function driverOf(symbol: string | undefined): string | undefined {
  return symbol === undefined ? undefined : (/^[^[]*\[(.+)\]$/.exec(symbol)?.[1] ?? 'vmlinux')
}

/** Up to 5.16, `ref` pointed to a counter that could belong to the driver (b80892ca022e). */
function refOf(pagemap: Typed): bigint {
  const { kernel } = pagemap
  const member = kernel.btf.member('dev_pagemap.ref')
  return member && kernel.btf.isPointer(member.type) ? pointer(pagemap, 'ref') : addressOf(pagemap, 'ref')
}

function rangesOf(pagemap: Typed, budget: RangeBudget): PagemapRange[] {
  const { kernel } = pagemap
  // 5.10 (b7b3c01b1915) replaced the single resource by an array of ranges.
  const count = has(pagemap, 'nr_range') ? Math.max(1, u32(pagemap, 'nr_range')) : 1
  const most = Math.min(count, MOST_RANGES, budget.ranges)
  budget.ranges -= most
  if (count > MOST_RANGES) kernel.damage.push(`the pagemap at 0x${pagemap.address.toString(16)} has ${count} ranges`)
  const ranges: PagemapRange[] = []
  const at = addressOf(pagemap, has(pagemap, 'range') ? 'range' : 'res')
  for (let i = 0; i < most; i++) {
    const range = at + BigInt(16 * i)
    const first = Number(kernel.memory.u64(range) >> PAGE_SHIFT)
    const end = Number((kernel.memory.u64(range + 8n) + 1n) >> PAGE_SHIFT)
    // Frame numbers have at most 40 bits.
    if (end <= first || end > 2 ** 40) continue
    ranges.push({ first, end, reserved: i === 0 ? Math.min(end - first, altmapPages(pagemap)) : 0 })
  }
  return ranges
}

/** vmem_altmap_offset(): number of pages at the start of the memory that hold its own struct pages. */
function altmapPages(pagemap: Typed): number {
  if (!has(pagemap, 'altmap') || (BigInt(u32(pagemap, 'flags')) & PGMAP_ALTMAP_VALID) === 0n) return 0
  return Number(integer(pagemap, 'altmap.reserve') + integer(pagemap, 'altmap.free'))
}

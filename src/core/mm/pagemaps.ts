// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads every `struct dev_pagemap`. The kernel's `pgmap_array` maps ranges of pages to them. */
import { PAGE_RULES, type PageType } from '../../linux/protocols/rules.ts'
import type { Kernel, Typed } from '../kernel/kernel.ts'
import { xarrayEntries } from '../kernel/lists.ts'
import { type PercpuRef, readPercpuRef } from '../kernel/percpu.ts'
import { addressOf, has, integer, pointer, u32 } from '../kernel/typed.ts'

const PAGE_SHIFT = 12n
const MOST_PAGEMAPS = 65536
const MOST_RANGES = 1024
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

/** Reads every pagemap, in order of their first pages. */
export function readPagemaps(kernel: Kernel): Pagemap[] {
  const array = kernel.address('pgmap_array')
  const found = new Map<bigint, Pagemap>()
  if (array !== undefined) {
    for (const { entry } of xarrayEntries(kernel, array, 'pgmap_array')) {
      if (found.has(entry) || found.size >= MOST_PAGEMAPS) continue
      const pagemap = kernel.try(`the pagemap at 0x${entry.toString(16)}`, () => readPagemap(kernel, entry))
      if (pagemap && pagemap.ranges.length > 0) found.set(entry, pagemap)
    }
  }
  return [...found.values()].sort((a, b) => (a.ranges[0]?.first ?? 0) - (b.ranges[0]?.first ?? 0))
}

/**
 * Reads one pagemap.
 * @throws NotInDump
 */
export function readPagemap(kernel: Kernel, address: bigint): Pagemap {
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
    ranges: rangesOf(pagemap),
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

function rangesOf(pagemap: Typed): PagemapRange[] {
  const { kernel } = pagemap
  // 5.10 (b7b3c01b1915) replaced the single resource by an array of ranges.
  const count = has(pagemap, 'nr_range') ? Math.min(MOST_RANGES, u32(pagemap, 'nr_range')) : 1
  const ranges: PagemapRange[] = []
  const at = addressOf(pagemap, has(pagemap, 'range') ? 'range' : 'res')
  for (let i = 0; i < Math.max(1, count); i++) {
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

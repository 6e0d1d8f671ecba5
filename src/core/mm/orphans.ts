// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds device pages that belong to no known pagemap, by the zone in their flags. A filter can drop a node of pgmap_array or a
 * pagemap (makedumpfile -d 31 does on 7.x) while keeping the device pages.
 */
import type { Kernel } from '../kernel/kernel.ts'
import type { MemoryMap } from './memory-map.ts'
import { type Pagemap, type RangeBudget, readPagemap } from './pagemaps.ts'

/** Position of the zone in the flags of a page. */
interface ZoneBits {
  shift: number
  mask: number
  device: number
}

interface Run {
  pgmap: bigint
  first: number
  end: number
}

/** Returns pagemaps for the device pages that belong to none of the known ones. */
export function findOrphans(kernel: Kernel, map: MemoryMap, known: readonly Pagemap[], budget: RangeBudget): Pagemap[] {
  const zone = zoneBits(kernel)
  if (!zone) return []
  const runs = new Map<bigint, Run[]>()
  const covered = known.flatMap(({ ranges }) => ranges).sort((a, b) => a.first - b.first)
  for (const { first, end } of map.mapped()) {
    for (const range of without(first, end, covered)) collect(map, zone, range, runs)
  }
  return [...runs.values()].flatMap(each => pagemapOf(kernel, each, budget) ?? [])
}

function collect(
  map: MemoryMap,
  zone: ZoneBits,
  range: { first: number; end: number },
  runs: Map<bigint, Run[]>,
): void {
  let last: Run | undefined
  map.visit(range.first, range.end, page => {
    const inZone =
      ((zone.shift < 32 ? page.flagsLow >>> zone.shift : page.flagsHigh >>> (zone.shift - 32)) & zone.mask) ===
      zone.device
    if (!inZone) {
      last = undefined
      return
    }
    if (page.isTail && last && page.head >= last.first) {
      last.end = page.pfn + 1
      return
    }
    // In the pages of an altmap's reserved area, this word is a list head that points to itself, not a pagemap.
    const own = map.addressOf(page.pfn)
    if (page.isTail || page.pgmap === 0n || (page.pgmap >= own && page.pgmap < own + BigInt(map.layout.size))) return
    if (last && last.pgmap === page.pgmap && last.end === page.pfn) last.end++
    else {
      last = { pgmap: page.pgmap, first: page.pfn, end: page.pfn + 1 }
      const known = runs.get(page.pgmap)
      if (known) known.push(last)
      else runs.set(page.pgmap, [last])
    }
  })
}

/** Returns the pagemap that pages point to or, if the dump lacks it, one with only what the pages show. */
function pagemapOf(kernel: Kernel, runs: readonly Run[], budget: RangeBudget): Pagemap | undefined {
  const address = runs[0]!.pgmap
  if (budget.ranges <= 0) return undefined
  const read = kernel.try(`the pagemap at 0x${address.toString(16)}`, () => readPagemap(kernel, address, budget))
  if (read?.type !== undefined && read.ranges.length > 0) return read
  const ranges = runs.slice(0, budget.ranges).map(({ first, end }) => ({ first, end, reserved: 0 }))
  budget.ranges -= ranges.length
  return {
    address,
    type: undefined,
    typeNumber: 0,
    ranges,
    owner: 0n,
    ops: 0n,
    opsName: undefined,
    pageFree: undefined,
    driver: undefined,
    order: 0,
    ref: undefined,
  }
}

/** Yields the parts of [first, end) that are outside all of the sorted `ranges`. */
function* without(first: number, end: number, ranges: readonly { first: number; end: number }[]) {
  let at = first
  for (const range of ranges) {
    if (range.end <= at || range.first >= end) continue
    if (range.first > at) yield { first: at, end: range.first }
    at = Math.max(at, range.end)
  }
  if (at < end) yield { first: at, end }
}

/**
 * Position of the zone by include/linux/page-flags-layout.h with SPARSEMEM_VMEMMAP: the node is in the top bits, the zone below
 * it.
 */
function zoneBits(kernel: Kernel): ZoneBits | undefined {
  const device = kernel.btf.enumerator('ZONE_DEVICE')
  const zones = kernel.btf.enumerator('__MAX_NR_ZONES')
  if (device === undefined || zones === undefined) return undefined
  const nodes = kernel.info.length('node_data') ?? 1
  const nodeBits = Math.ceil(Math.log2(Math.max(1, nodes)))
  const zoneBits = zones <= 1 ? 0 : zones <= 2 ? 1 : zones <= 4 ? 2 : 3
  return { shift: 64 - nodeBits - zoneBits, mask: 2 ** zoneBits - 1, device }
}

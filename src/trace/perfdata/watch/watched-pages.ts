// SPDX-License-Identifier: GPL-2.0-or-later
/** Determines which pages' counts a recording watches, from the addresses of its breakpoints. */
import type { PerfAttr, PerfInfo } from '../header.ts'
import type { WatchedCount } from './changes.ts'

/** Size of struct page, and the offset of its _refcount, on 64-bit kernels (include/linux/mm_types.h). */
const PAGE_STRUCT_BYTES = 64n
const REFCOUNT_OFFSET = 0x34n
const COUNT_BYTES = 4n

/** HW_BREAKPOINT_R and HW_BREAKPOINT_W of include/uapi/linux/hw_breakpoint.h */
const READ = 1
const WRITE = 2

/**
 * On x86-64, KASLR moves the memory map (`vmemmap_base`) by multiples of 1 GiB (arch/x86/mm/kaslr.c), and 1 GiB of it describes
 * 64 GiB of memory. So for memory below 64 GiB, the addresses alone determine the frame numbers.
 */
const MAP_ALIGNMENT = 1n << 30n
const PAGES_PER_GIB_OF_MAP = 2 ** 24
const KB_PER_PAGE = 4
/** Number of the first page after the hole below 4 GiB. */
const HOLE_PAGES = 2 ** 20

/** The watched counts of a recording. */
export interface WatchedPages {
  /** The watched count by the event's index; undefined for events that watch no count. */
  counts: readonly (WatchedCount | undefined)[]
  /** Frame numbers, in the order of the events. */
  pfns: readonly number[]
  notes: readonly string[]
}

/**
 * Finds the watched counts among events.
 *
 * @param given address of the memory map, if known
 * @param known frame numbers some of which may be watched
 */
export function watchedPages(
  attrs: readonly PerfAttr[],
  info: PerfInfo,
  given: bigint | undefined,
  known: readonly number[] = [],
): WatchedPages {
  const counts = new Array<WatchedCount | undefined>(attrs.length)
  const others: bigint[] = []
  const places = attrs.flatMap(({ breakpoint }, event) => {
    if (!breakpoint || (breakpoint.access & WRITE) === 0) return []
    const page = pageOf(breakpoint)
    if (page === undefined) others.push(breakpoint.address)
    return page === undefined ? [] : [{ event, page, readsToo: (breakpoint.access & READ) !== 0 }]
  })
  const structs = places.map(({ page }) => page)
  const base = given ?? baseOf(structs, known)
  const map = base ?? inferredBase(structs)
  for (const { event, page, readsToo } of places) {
    const pfn = Number((page - map) / PAGE_STRUCT_BYTES)
    if (page >= map && Number.isSafeInteger(pfn)) counts[event] = { pfn, address: page + REFCOUNT_OFFSET, readsToo }
    else others.push(page + REFCOUNT_OFFSET)
  }
  const pfns = [...new Set(counts.flatMap(count => count?.pfn ?? []))]
  const notes = others.length > 0 ? [noCount(others, base)] : []
  if (base === undefined && pfns.length > 0) notes.push(...doubtfulBase(info))
  return { counts, pfns, notes }
}

/** Address of the struct page whose _refcount is among the watched bytes; undefined if there is none. */
function pageOf({ address, bytes }: { address: bigint; bytes: number }): bigint | undefined {
  const page = (address / PAGE_STRUCT_BYTES) * PAGE_STRUCT_BYTES
  const count = page + REFCOUNT_OFFSET
  return address <= count && count + COUNT_BYTES <= address + BigInt(bytes) ? page : undefined
}

/** Returns an address of the memory map with which all pages are among the known ones; undefined if there is none. */
function baseOf(pages: readonly bigint[], known: readonly number[]): bigint | undefined {
  const [first] = pages
  if (first === undefined) return undefined
  const frames = new Set(known)
  return known
    .map(pfn => first - PAGE_STRUCT_BYTES * BigInt(pfn))
    .find(
      base => base % MAP_ALIGNMENT === 0n && pages.every(page => frames.has(Number((page - base) / PAGE_STRUCT_BYTES))),
    )
}

function inferredBase(pages: readonly bigint[]): bigint {
  const gibs = pages.map(page => Number(page / MAP_ALIGNMENT))
  return BigInt(Math.min(...gibs, Number.MAX_SAFE_INTEGER)) * MAP_ALIGNMENT
}

function noCount(addresses: readonly bigint[], base: bigint | undefined): string {
  const shown = addresses.slice(0, 4).map(address => `0x${address.toString(16)}`)
  const more = addresses.length > shown.length ? ', ...' : ''
  const where = base === undefined ? "a struct page's _refcount, at offset 0x34 of 64 bytes" : 'the memory map given'
  return `watched addresses that do not lie in ${where}, are left out: ${shown.join(', ')}${more}`
}

/**
 * Returns a note if the frame numbers may be wrong: on x86-64 if the machine may have memory beyond 64 GiB, on other machines
 * always.
 */
function doubtfulBase({ machine, totalMemory }: PerfInfo): string[] {
  if (machine !== undefined && machine !== 'x86_64')
    return ['page frame numbers are not known: they count from a multiple of 64 GiB (--vmemmap ADDRESS tells)']
  const isSmall = totalMemory > 0 && totalMemory / KB_PER_PAGE + HOLE_PAGES <= PAGES_PER_GIB_OF_MAP
  return isSmall
    ? []
    : ['page frame numbers are those of memory below 64 GiB; of other memory, --vmemmap ADDRESS tells']
}

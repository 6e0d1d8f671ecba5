// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The causes of violations in the matrix, in a line each: what a kernel of that time does, what a proposal would have done, or
 * what the scenario asks for. A violated cell without an entry has not been investigated; a test checks that there is none.
 */
import type { MemoryType } from '../types.ts'

/** A cell of the matrix. */
export interface CellOf {
  readonly driver: string
  readonly type: MemoryType
  readonly protocol: string
  readonly scenario: string
  readonly property: string
}

export interface Cause {
  /** Id of a row of the corpus (`check --bugs`), if there is one. */
  readonly bug?: string
  /** What else it is called in a summary. */
  readonly tag?: string
  readonly words: string
}

/** The cells that a cause applies to. An omitted field matches all; protocols are separated by blanks. */
interface Where {
  readonly drivers?: readonly string[]
  readonly types?: readonly MemoryType[]
  readonly protocols: string
  readonly scenarios?: readonly string[]
  readonly properties?: readonly string[]
}

/** Causes by priority: of several that apply to a cell, the first one counts. */
const list: readonly (Where & Cause)[] = [
  {
    protocols: "A B C C' D E F G",
    scenarios: ['unguarded unplug'],
    properties: ['alloc-after-kill'],
    tag: 'unguarded',
    words: 'nothing keeps users out: pages are handed out while memunmap_pages() runs, and after',
  },
  {
    drivers: ['fsdax'],
    protocols: 'F G',
    scenarios: ['mappings stay'],
    properties: ['deadlock', 'finishes'],
    bug: 'new-8',
    words:
      'truncate sleeps for a pin and does not unmap again what was mapped meanwhile; the put from 2 to 1 wakes nobody',
  },
  {
    drivers: ['fsdax'],
    protocols: "B C'",
    properties: ['deadlock', 'finishes'],
    tag: 'lost wake-up',
    words:
      'a pin goes from 2 to 1, which is the idle count of these pages, but who waits for that is woken at 0 alone: ' +
      "what Dan Williams' objection of 14 September 2020 comes to",
  },
  {
    drivers: ['book3s_hv_uvmem'],
    protocols: "A B C C' E F G",
    scenarios: ['teardown', 'users only', 'two migrations'],
    properties: ['touch-after-free'],
    bug: 'new-3',
    words: 'page_free() reads zone_device_data after it has cleared the bit',
  },
  {
    drivers: ['book3s_hv_uvmem'],
    protocols: "B C C' E F G",
    properties: ['touch-after-free'],
    bug: 'new-3',
    words: 'page_free() reads zone_device_data after it has cleared the bit',
  },
  {
    types: ['PRIVATE'],
    protocols: 'D',
    properties: ['touch-after-free', 'warn', 'bounds'],
    bug: '4',
    words: 'set_page_count(page, 1) comes after page_free(), when another thread has the page',
  },
  {
    types: ['PRIVATE'],
    protocols: "B C C' D",
    properties: ['pagemap-gone'],
    bug: '5',
    words: 'pages in use hold nothing on the pagemap, so memunmap_pages() does not wait for them',
  },
  {
    types: ['PRIVATE'],
    protocols: 'A',
    scenarios: ['unguarded unplug'],
    properties: ['warn'],
    tag: 'unguarded',
    words: 'nothing keeps users out: a page that memunmap_pages() has put to 0 is handed out',
  },
  {
    types: ['PRIVATE'],
    protocols: 'A',
    scenarios: ['teardown', 'two migrations', 'unguarded unplug'],
    tag: 'teardown put',
    words:
      "memunmap_pages()'s own put calls page_free() for a page in use (2 to 1), and overtakes who is freeing one (1 to 0): " +
      'up to 5.17 the driver must have got all its pages back before',
  },
  {
    types: ['PRIVATE'],
    protocols: "A B C' D",
    scenarios: ['pfn walker'],
    properties: ['get-on-free-page'],
    tag: 'question',
    words:
      'a free page of count one lets a speculative get in. A question, not a bug: the kernels of that time have nobody who tries',
  },
  {
    types: ['PRIVATE'],
    protocols: 'A',
    scenarios: ['pfn walker'],
    tag: 'question',
    words:
      'the put of a speculative get on a free page, 2 to 1, calls page_free(). As a question only, see get-on-free-page',
  },
  {
    drivers: ['nouveau_dmem'],
    protocols: 'E F G',
    scenarios: ['teardown', 'two migrations'],
    properties: ['warn'],
    bug: 'new-6',
    words: 'nouveau_dmem_fini() counts a page that is just being freed',
  },
  {
    drivers: ['nouveau_dmem_large'],
    protocols: 'G',
    properties: ['warn', 'finishes'],
    bug: 'new-9',
    words: 'nouveau_dmem_evict_chunk() evicts no large folio (and counts one that is just being freed, new-6)',
  },
  {
    types: ['PRIVATE', 'COHERENT'],
    protocols: 'E F G',
    scenarios: ['unguarded unplug'],
    properties: ['pagemap-gone', 'warn'],
    tag: 'unguarded',
    words: 'nothing keeps users out: pages are handed out while memunmap_pages() runs, and after',
  },
  {
    drivers: ['kfd_migrate'],
    protocols: 'D E F G',
    bug: '20',
    words: 'VRAM that was migrated out is used again while do_swap_page() has yet to put the page',
  },
  {
    drivers: ['test_hmm_coherent'],
    protocols: 'E F G',
    scenarios: ['mappings stay'],
    properties: ['deadlock', 'finishes'],
    tag: 'pinned',
    words:
      'eviction passes by a page that somebody has pinned, once, and memunmap_pages() waits for its mapping: ' +
      'device memory that the CPU can use may be pinned for a short time',
  },
  {
    drivers: ['device_dax', 'fsdax'],
    protocols: 'C',
    properties: ['warn'],
    tag: 'count 0 mapped',
    words: 'DAX maps pages of count zero, of which get_user_pages() warns: what RFC v2 and v3 left open',
  },
  {
    drivers: ['device_dax'],
    protocols: "B C' D E F G",
    scenarios: ['teardown'],
    properties: ['pagemap-gone'],
    bug: 'new-4',
    words: 'nobody waits for pins of GENERIC pages since memunmap_pages() does not',
  },
  {
    drivers: ['fsdev'],
    protocols: 'G',
    scenarios: ['unguarded unplug'],
    properties: ['bounds'],
    bug: 'new-12',
    words: 'unbind takes folios apart that are in use: the put of a pin goes to a page that has no count',
  },
  {
    drivers: ['fsdax', 'fsdev'],
    protocols: "A B C C' D E F G",
    scenarios: ['unguarded unplug'],
    properties: ['pagemap-gone'],
    tag: 'unguarded',
    words: 'the device goes from under a mounted file system, and memunmap_pages() does not wait for mappings',
  },
  {
    drivers: ['fsdax'],
    protocols: "A B C' D E",
    properties: ['get-on-free-page'],
    tag: 'fast GUP',
    words:
      'fast GUP read the entry before the block was freed, and gets a count of one; it looks again and gives it back. ' +
      'Not where unmapping interrupts every CPU of the process, as on most x86',
  },
  {
    drivers: ['fsdax'],
    protocols: "A B C' D E",
    scenarios: ['teardown'],
    properties: ['warn'],
    tag: 'umount',
    words: 'umount does not wait for pins; from 6.15 dax_break_layout_final() does (0e2f80afcfa6)',
  },
  {
    drivers: ['fsdax'],
    protocols: "A B C' D E",
    scenarios: ['users only', 'mappings stay'],
    properties: ['warn'],
    tag: 'fast GUP',
    words: 'truncate frees the block while fast GUP holds the reference that it is about to give back',
  },
  {
    drivers: ['p2pdma'],
    protocols: 'E',
    properties: ['get-on-free-page'],
    tag: 'fast GUP',
    words: 'fast GUP read the entry before the page went back to the pool, and gets a count of one; it gives it back',
  },
  {
    drivers: ['p2pdma'],
    protocols: 'E',
    bug: 'new-2',
    words: 'page_free() gives the page to the pool before the core sets its count to 1',
  },
  {
    drivers: ['p2pdma'],
    protocols: 'F G',
    bug: 'new-1',
    words: 'the error path gives the page to the pool and then sets its count to 0, whoever has a reference by then',
  },
]

function applies(where: Where, { driver, type, protocol, scenario, property }: CellOf): boolean {
  return (
    (where.drivers?.includes(driver) ?? true) &&
    (where.types?.includes(type) ?? true) &&
    where.protocols.split(' ').includes(protocol) &&
    (where.scenarios?.includes(scenario) ?? true) &&
    (where.properties?.includes(property) ?? true)
  )
}

export const causes: readonly Cause[] = list

/** Returns the cause of a violated cell that is no consequence of another violation; undefined if it was not investigated. */
export function causeOf(cell: CellOf): Cause | undefined {
  return list.find(c => applies(c, cell))
}

export function causeText({ bug, words }: Cause): string {
  return bug === undefined ? words : `bug ${bug}: ${words}`
}

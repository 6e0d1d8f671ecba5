// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * lib/test_hmm.c of 6.19 and later with folios of order 0 and 1. Only protocol G has such folios. Memory is allocated in
 * chunks of small pages or of large folios, with a free list for each. A large folio is handed out as small pages only after
 * a split.
 */
import { cell, cells, type Shared, type Steps, step } from '../../checker/index.ts'
import { type Driver, driver } from '../driver.ts'
import { folios, type Order } from '../mm/folio.ts'
import { huge_memory } from '../mm/huge_memory.ts'
import { memunmap_pages } from '../mm/memremap.ts'
import { file_free, hand_out } from '../page_list.ts'
import { IDLE, type Kernel, MAPPINGS_GO_AWAY, type MemoryType, type Page } from '../types.ts'

/** The kind of folio as which a page is, or was last, handed out; `none` in a chunk that is not allocated yet. */
const CHUNKS = ['none', 'small', 'large']
const [NONE, SMALL, LARGE] = [0, 1, 2]

/** How drivers of large folios differ. */
export interface LargeFolios {
  readonly name: string
  readonly type: MemoryType
  /** True if free pages of any kind may become a folio, as in the buddy allocator behind drm_pagemap. */
  readonly reuses_at_any_order?: boolean
  /** True if removal sets MIGRATE_PFN_COMPOUND for the destination of a large folio that it evicts. */
  readonly evicts_whole: (kernel: Kernel) => boolean
  /** True if removal, between eviction and memunmap_pages(), warns of folios that are still handed out. */
  readonly counts_allocated?: boolean
}

export const test_hmm_large = large_folios({ name: 'test_hmm_large', type: 'PRIVATE', evicts_whole: () => true })
export const test_hmm_large_coherent = large_folios({
  name: 'test_hmm_large_coherent',
  type: 'COHERENT',
  evicts_whole: () => true,
})

export function large_folios(of: LargeFolios): Driver {
  return driver({ name: of.name, type: of.type, protocols: ['G'], setup: kernel => setup(kernel, of) })
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
function setup(kernel: Kernel, of: LargeFolios) {
  const { pgmap, mm } = kernel
  const chunk = cells(kernel.page_sort, 'chunk', { max: LARGE, show: v => CHUNKS[v]! })
  const allocated = cell('allocated', { max: pgmap.pages.length })
  const users = cell('driver.users', { max: kernel.threads })
  const removed = cell('driver.removed', { max: 1 })
  kernel.cells.push(users, removed)
  if (!of.reuses_at_any_order) kernel.cells.push(...chunk)
  if (of.counts_allocated) kernel.cells.push(allocated)

  const folio = folios(kernel, folio_free, folio_split)
  const memory = huge_memory(kernel, folio)
  const at = (index: number) => mm.addresses[index % mm.addresses.length]!

  function count(s: Shared, change: number): void {
    if (of.counts_allocated) s.add(allocated, change)
  }

  function fits(s: Shared, page: Page, kind: number): boolean {
    if (s.get(page.life) !== IDLE) return false
    return of.reuses_at_any_order || [NONE, kind].includes(s.get(chunk[page.index]!))
  }

  function* alloc_folio(order: Order): Steps<Page | undefined> {
    const kind = order === 1 ? LARGE : SMALL
    const found = yield* step('alloc_folio', s => {
      const pair = pgmap.pages.slice(0, 2)
      const free = (order === 1 ? pair : pgmap.pages).filter(p => fits(s, p, kind!))
      if (free.length < 1 << order) return undefined
      const head = order === 1 ? pair[0]! : free[s.choose(free.length)]!
      for (const p of order === 1 ? pair : [head]) {
        hand_out(s, p)
        if (!of.reuses_at_any_order) s.set(chunk[p.index]!, kind!)
      }
      count(s, 1)
      return head
    })
    if (found) yield* folio.zone_device_folio_init(found, order)
    return found
  }

  function* folio_free(head: Page): Steps<void> {
    yield* step('folio_free', s => {
      for (const p of folio.folio_pages(s, head)) file_free(s, p)
      count(s, -1)
    })
  }

  function folio_split(s: Shared, head: Page, tail: Page): void {
    if (!of.reuses_at_any_order) for (const p of [head, tail]) s.set(chunk[p.index]!, SMALL!)
    count(s, 1)
  }

  function* populate(index: number, order: Order): Steps<void> {
    const opened = yield* step('open', s => {
      if (s.get(removed) === 1) return false
      s.add(users, 1)
      return true
    })
    if (!opened) return
    const found = yield* alloc_folio(order)
    if (found) yield* memory.migrate_to_device(at(index), found)
    yield* step('close', s => s.add(users, -1))
  }

  /** A process that populates a large folio and unmaps it again. */
  function* large_and_gone(index: number): Steps<void> {
    yield* populate(index + 1, 1)
    yield* memory.zap(at(index + 1))
  }

  function* exit_mmap(): Steps<void> {
    for (const address of mm.addresses) yield* memory.zap(address)
  }

  function* unbind(): Steps<void> {
    yield* step('module_exit', s => {
      s.wait(s.get(users) === 0)
      s.set(removed, 1)
    })
    yield* memory.evict(of.evicts_whole(kernel))
    if (of.counts_allocated && !kernel.fixes.has('nouveau_waits_for_pages'))
      yield* step('device_remove', s => s.warn(s.get(allocated) !== 0, 'warn', 'WARN_ON(chunk->callocated)'))
    yield* memunmap_pages(pgmap)
  }

  return {
    ops: { page_free: folio_free },
    roles: {
      small: { body: (i: number) => populate(i, 0), times: 2, finishes: true },
      large: { body: (i: number) => populate(i, 1), times: 1, finishes: true },
      'large-and-gone': { body: large_and_gone, times: 1, finishes: true },
      fault: { body: (i: number) => memory.fault(at(i)), finishes: true },
      fork: { body: (i: number) => memory.fork(at(i), at(i + 1)) },
      split: { body: (i: number) => memory.split(at(i)), times: 1 },
      exit: { body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
      unbind: { body: unbind, times: 1, finishes: true },
    },
    threads: { small: 1, large: 1, exit: 1, unbind: 1 },
    scenarios: {
      'users only': { large: 1, fault: 1, fork: 1, exit: 1 },
      'mappings stay': { small: 1, large: 1, fault: 1, unbind: 1 },
    },
  }
}

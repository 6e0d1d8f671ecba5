// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * mm/memremap.c and the percpu ref of a pagemap (lib/percpu-refcount.c): the operations of which protocols consist.
 *
 * Not modelled: percpu mode (only the sum matters here), altmap, more than one range, and memcg.
 */
import { type Shared, type Steps, step } from '../../checker/index.ts'
import { type DevPagemap, DRAINED, DYING, GONE, IDLE, LIVE, type Page } from '../types.ts'
import { each_step, first_step, type StepRule, step_rule } from './each_step.ts'
import { page_exists, set_page_count } from './page_ref.ts'
import { emit, entering, type PagemapProbe } from './trace_events.ts'

/** percpu_ref_tryget_live(): fails once the ref was killed. */
export function percpu_ref_tryget_live(s: Shared, pgmap: DevPagemap): boolean {
  if (s.get(pgmap.state) !== LIVE) return false
  s.add(pgmap.ref, 1)
  return true
}

/** percpu_ref_tryget_many(): fails only at zero, so that it also succeeds between kill and drain. */
export function percpu_ref_tryget_many(s: Shared, pgmap: DevPagemap, nr: number): boolean {
  if (s.get(pgmap.ref) === 0) return false
  s.add(pgmap.ref, nr)
  return true
}

/** percpu_ref_get(): for a caller that already holds a reference. */
export function percpu_ref_get(s: Shared, pgmap: DevPagemap): void {
  s.warn(s.get(pgmap.ref) === 0, 'warn', 'percpu_ref_get() of a pagemap that has drained')
  s.add(pgmap.ref, 1)
}

export function* percpu_ref_put_many(pgmap: DevPagemap, nr: number): Steps<void> {
  yield* step('percpu_ref_put_many', s => percpu_ref_put(s, pgmap, nr), 'plain')
}

function percpu_ref_put(s: Shared, pgmap: DevPagemap, nr: number): void {
  if (s.get(pgmap.state) === GONE) s.fail('pagemap-gone', 'percpu_ref_put() of a pagemap that was removed')
  if (s.add(pgmap.ref, -nr) === 0 && s.get(pgmap.state) === DYING) s.set(pgmap.state, DRAINED)
}

export function* put_dev_pagemap(pgmap: DevPagemap): Steps<void> {
  yield* percpu_ref_put_many(pgmap, 1)
}

/** get_dev_pagemap(): looks the pagemap up by pfn and takes a reference; false once the pagemap is dying. */
export function* get_dev_pagemap(pgmap: DevPagemap): Steps<boolean> {
  return yield* step('get_dev_pagemap', s => percpu_ref_tryget_live(s, pgmap), 'plain')
}

/** percpu_ref_kill(): drops the initial reference and makes tryget_live fail. */
export function* percpu_ref_kill(pgmap: DevPagemap): Steps<void> {
  yield* step('percpu_ref_kill', s => {
    s.set(pgmap.state, DYING)
    percpu_ref_put(s, pgmap, 1)
  })
}

/**
 * wait_for_completion(&pgmap->done), which the release of the ref at zero completes. Killing a percpu ref takes a grace
 * period, so that every CPU which was reading page tables with interrupts off at the time of the kill has finished.
 */
export function* wait_for_drain(pgmap: DevPagemap): Steps<void> {
  for (const irqs_off of pgmap.kernel.rcu_readers) yield* step('synchronize_rcu', s => s.wait(s.get(irqs_off) === 0))
  yield* step('wait_for_completion', s => s.wait(s.get(pgmap.state) === DRAINED))
}

/**
 * pageunmap_range(), which frees the struct pages. mem_hotplug_begin() takes a percpu rwsem for writing, which waits for a
 * grace period, and so for every CPU that with interrupts off has read an entry while it still mapped a page. Not modelled:
 * writers that follow each other closely share a grace period.
 */
export function* pageunmap_range(pgmap: DevPagemap): Steps<void> {
  for (const irqs_off of pgmap.kernel.rcu_readers) yield* step('mem_hotplug_begin', s => s.wait(s.get(irqs_off) === 0))
  yield* step('pageunmap_range', s => {
    s.set(pgmap.state, GONE)
    probe_pagemap(s, 'lastput_memunmap_end', pgmap)
  })
}

/** lock_page() */
export function* lock_page(page: Page): Steps<void> {
  const lock = (s: Shared) => {
    page_exists(s, page)
    s.wait(s.get(page.locked) === 0)
    s.set(page.locked, 1)
  }
  // An acquire operation does not wait for earlier stores.
  yield* step('lock_page', lock, 'relaxed')
}

export function trylock_page(s: Shared, page: Page): boolean {
  page_exists(s, page)
  if (s.get(page.locked) !== 0) return false
  s.set(page.locked, 1)
  return true
}

export function* unlock_page(page: Page): Steps<void> {
  yield* step('unlock_page', s => {
    page_exists(s, page)
    if (s.get(page.life) === IDLE) s.fail('touch-after-free', `unlock_page() on page ${page.index}, which is free`)
    s.warn(s.get(page.locked) === 0, 'warn', `unlock_page() on page ${page.index}, which is not locked`)
    s.set(page.locked, 0)
  })
}

export function* put_page(page: Page): Steps<void> {
  yield* page.pgmap.kernel.protocol.put_page(page)
}

/**
 * zone_device_page_init(): gives a page from the owner's free list its first reference, and locks it. That the pagemap is not
 * dying is checked under every protocol, although only the kernels of E check it.
 */
export function* zone_device_page_init(page: Page): Steps<void> {
  const { pgmap } = page
  yield* first_step(pgmap.kernel.protocol.init_page(page), s => warn_if_dying(s, pgmap))
}

/** Checks what the comment in the kernel's zone_device_page_init() demands. Its WARN_ON is meant to, but since 6.19 does not. */
export function warn_if_dying(s: Shared, pgmap: DevPagemap): void {
  s.warn(s.get(pgmap.state) !== LIVE, 'alloc-after-kill', 'a page is handed out after memunmap_pages() began')
}

export function* memunmap_pages(pgmap: DevPagemap): Steps<void> {
  const { protocol } = pgmap.kernel
  yield* entering(protocol.memunmap_pages(pgmap), s => probe_pagemap(s, 'lastput_memunmap', pgmap))
}

function probe_pagemap(s: Shared, event: PagemapProbe['event'], pgmap: DevPagemap): void {
  emit(s, { event, pgmap })
}

/** True for PRIVATE and COHERENT: memory that only its driver can hand out. */
export function driver_owned(pgmap: DevPagemap): boolean {
  return pgmap.type === 'PRIVATE' || pgmap.type === 'COHERENT'
}

/**
 * Calls the owner's page_free(), which warns for a type that has none. Each of its steps needs the pagemap: once memunmap_pages()
 * has returned, the owner destroys the free list, and may unload the module with the callback.
 */
export function* page_free(page: Page): Steps<void> {
  const { ops, kernel } = page.pgmap
  if (kernel.fixes.has('page_free_gets_poison')) yield* set_page_count(page, page._refcount.max)
  if (ops.page_free) {
    const steps = each_step(ops.page_free(page), pagemap_rule(page))
    yield* entering(steps, s => probe_free(s, page, ops.page_free!.name))
  } else
    yield* step('WARN_ON_ONCE(!ops->page_free)', s => s.warn(true, 'warn', `page ${page.index} has no page_free()`))
}

const pagemap_rules = new WeakMap<Page, StepRule>()

function pagemap_rule(page: Page): StepRule {
  let rule = pagemap_rules.get(page)
  if (!rule) {
    rule = step_rule(s => {
      if (s.get(page.pgmap.state) === GONE)
        s.fail('pagemap-gone', `page_free() of page ${page.index} goes on after its pagemap was removed`)
    })
    pagemap_rules.set(page, rule)
  }
  return rule
}

function probe_free(s: Shared, { pfn }: Page, entered: string): void {
  emit(s, { event: 'lastput_free', pfn, entered })
}

/** memunmap_pages() since B: puts all that memremap_pages() took for the pages at once; waits for the ref's other holders. */
export function* memunmap_without_pages(pgmap: DevPagemap): Steps<void> {
  const per_page = pgmap.kernel.protocol.pgmap_refs_per_page(pgmap.type)
  yield* percpu_ref_kill(pgmap)
  if (per_page > 0) yield* percpu_ref_put_many(pgmap, per_page * pgmap.pages.length)
  yield* wait_for_drain(pgmap)
  yield* pageunmap_range(pgmap)
}

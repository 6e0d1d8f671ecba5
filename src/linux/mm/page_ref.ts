// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * include/linux/page_ref.h: the atomic operations on `_refcount`, with their checks and trace events. Functions that take `s` are
 * parts of a step, for what the kernel does under the page table lock. Each emits one event of include/trace/events/page_ref.h.
 */
import { type Shared, type Steps, step } from '../../checker/index.ts'
import { BUSY, GONE, IDLE, type Page } from '../types.ts'
import { mapcount } from './pgtable.ts'
import { emit, type PageRefEvent, probe_page } from './trace_events.ts'

/** Adds to the count. The event is emitted before, so that a trace also has it if the access ends the execution. */
function change(
  s: Shared,
  page: Page,
  delta: number,
  event: PageRefEvent['event'],
  ret?: (count: number) => number,
): number {
  trace(s, event, page, count => count + delta, delta, ret)
  page_exists(s, page)
  return s.add(page._refcount, delta)
}

/** Emits a page_ref event. @param after returns the count after the operation from the one before */
function trace(
  s: Shared,
  event: PageRefEvent['event'],
  page: Page,
  after: (before: number) => number,
  val: number,
  ret?: (count: number) => number,
): void {
  if (!s.observe) return
  const count = after(s.get(page._refcount))
  emit(s, {
    event,
    pfn: page.pfn,
    count,
    mapcount: mapcount(s, page) - 1,
    locked: s.get(page.locked) === 1,
    val,
    ...(ret === undefined ? {} : { ret: ret(count) }),
  })
}

/** Checked at every access to a struct page: it must not have been freed with its pagemap. */
export function page_exists(s: Shared, page: Page): void {
  if (s.get(page.pgmap.state) === GONE)
    s.fail('pagemap-gone', `page ${page.index} is touched after its pagemap was removed`)
}

export function page_ref_count(s: Shared, page: Page): number {
  page_exists(s, page)
  return s.get(page._refcount)
}

export function page_ref_set(s: Shared, page: Page, count: number): void {
  trace(s, 'page_ref_set', page, () => count, count)
  page_exists(s, page)
  s.set(page._refcount, count)
}

/** get_page() by a caller that knows that the page is in use. */
export function page_ref_inc(s: Shared, page: Page): void {
  const count = change(s, page, 1, 'page_ref_mod')
  if (s.get(page.life) === IDLE) s.fail('get-on-free-page', `get_page() on page ${page.index}, which is free`)
  s.warn(count === 1, 'warn', `VM_BUG_ON: get_page() on page ${page.index} with count 0`)
}

/** try_get_page(), try_grab_folio(): GUP under the page table lock takes a reference. At a count of zero it warns, and fails. */
export function try_get_page(s: Shared, page: Page): boolean {
  const referenced = page_ref_count(s, page) !== 0
  s.warn(!referenced, 'warn', `WARN_ON_ONCE in try_get_page(): page ${page.index} is mapped with count 0`)
  if (referenced) page_ref_inc(s, page)
  return referenced
}

/** A plain get by the page's owner, by which an idle page may become busy: fs/dax.c from 6.15. */
export function page_ref_get_idle(s: Shared, page: Page): void {
  change(s, page, 1, 'page_ref_mod')
  if (s.get(page.life) === IDLE)
    s.fail('get-on-free-page', `folio_ref_inc() on page ${page.index}, whose block is free`)
}

/** A put_page() that cannot be the last, since the caller knows of another reference that stays. */
export function page_ref_dec(s: Shared, page: Page): void {
  page_ref_put_testzero(s, page)
}

/** get_page_unless_zero() by a caller that does not know whether the page is in use. */
export function page_ref_add_unless_zero(s: Shared, page: Page): boolean {
  const unless_zero = (count: number) => (count === 0 ? 0 : count + 1)
  trace(s, 'page_ref_mod_unless', page, unless_zero, 1, count => (count === 0 ? 0 : 1))
  const taken = page_ref_count(s, page) !== 0
  if (taken) s.add(page._refcount, 1)
  s.warn(
    taken && s.get(page.life) === IDLE,
    'get-on-free-page',
    `a speculative get succeeds on page ${page.index}, which is free`,
  )
  return taken
}

export function* set_page_count(page: Page, count: number): Steps<void> {
  yield* step('set_page_count', s => page_ref_set(s, page, count), 'plain')
}

export function* get_page(page: Page): Steps<void> {
  yield* step('get_page', s => page_ref_inc(s, page), 'relaxed')
}

export function* get_page_unless_zero(page: Page): Steps<boolean> {
  return yield* step('get_page_unless_zero', s => page_ref_add_unless_zero(s, page))
}

/** put_page_testzero(): true if the reference was the last. */
export function page_ref_put_testzero(s: Shared, page: Page): boolean {
  return change(s, page, -1, 'page_ref_mod_and_test', count => (count === 0 ? 1 : 0)) === 0
}

export function* page_ref_dec_and_test(page: Page): Steps<boolean> {
  return yield* step('page_ref_dec_and_test', s => page_ref_put_testzero(s, page))
}

/** Puts a reference and returns the new count. */
export function* page_ref_dec_return(page: Page): Steps<number> {
  return yield* step('page_ref_dec_return', s => change(s, page, -1, 'page_ref_mod_and_return', count => count))
}

/** An access by the free path between the last put and the owner's callback, where nobody else may have the page. */
export function* touch_freed_page(page: Page, what: string): Steps<void> {
  yield* step(what, s => touch_freed(s, page, what), 'plain')
}

/** A set of the count after the page was freed. The event is emitted before the check, so that a trace has it in any case. */
export function page_ref_set_freed(s: Shared, page: Page, count: number, what: string): void {
  trace(s, 'page_ref_set', page, () => count, count)
  nobody_else_has(s, page, what)
  s.set(page._refcount, count)
}

export function touch_freed(s: Shared, page: Page, what: string): void {
  probe_page(s, 'lastput_use', page)
  nobody_else_has(s, page, what)
}

function nobody_else_has(s: Shared, page: Page, what: string): void {
  page_exists(s, page)
  if (s.get(page.life) === BUSY)
    s.fail('touch-after-free', `${what} after page_free(): page ${page.index} is already handed out again`)
}

/** A use of a page that requires a reference: DMA, zone_device_data, page->pgmap. */
export function* touch_page(page: Page, what: string): Steps<void> {
  const touch = (s: Shared) => {
    probe_page(s, 'lastput_use', page)
    page_exists(s, page)
    if (s.get(page.life) === IDLE) s.fail('touch-after-free', `${what}: page ${page.index} is free`)
  }
  yield* step(what, touch, 'plain')
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What must hold, in the kernel's own words where there are some. A driver has rules of its own beside them: whatever name its
 * steps give to `s.warn()` and `s.fail()`.
 */
import type { CheckOptions } from '../checker/index.ts'

export interface PropertyWords {
  readonly rule: string
  /** Who said so. */
  readonly source?: string
}

export const properties: Readonly<Record<string, PropertyWords>> = {
  'free-once': {
    rule: 'a page is freed exactly once per life, and handed out to one owner at a time',
  },
  'get-on-free': {
    rule: 'no reference is taken on a free page other than by allocation',
    source: 'Alistair Popple, January 2025: a count of 0 means no access by DMA or GUP',
  },
  'touch-after-free': {
    rule: 'nothing touches a page after its page_free() callback until it is allocated again',
    source: 'Jason Gunthorpe, January 2026: after the callback the driver may hand the page out again at once',
  },
  'pte-on-free': {
    rule: 'no page table entry maps a free page',
    source: 'Alistair Popple, January 2025: a count of 0 means not mapped to user space',
  },
  'pagemap-outlives': {
    rule: 'the pagemap, and with it every struct page, outlives its pages and whoever uses them',
    source: 'Jason Gunthorpe, October 2021: the pagemap can be removed before all PTEs are flushed',
  },
  count: {
    rule: 'at rest, every count equals the references that page tables and the owner hold',
  },
  'alloc-after-kill': {
    rule: 'no page is handed out after memunmap_pages() began',
    source: 'the comment in zone_device_page_init(), from 6.1 on: drivers should not do that',
  },
  warn: {
    rule: 'no WARN_ON or VM_BUG_ON of the modelled kernel fires',
  },
  bounds: {
    rule: 'no count leaves its bounds: no underflow, no overflow',
  },
  deadlock: {
    rule: 'something can always move while a thread has begun and not ended',
  },
  finishes: {
    rule: 'every started memunmap_pages() returns, every fault and every migration that is tried again succeeds at last',
  },
}

const LIVENESS = 'finishes'

/**
 * What is searched for together: liveness allows no reduction, and would slow the others down.
 * @param selected all unless said, those of the driver's own included, but `except`.
 */
export function searches(
  selected?: readonly string[],
  except: readonly string[] = [],
): Pick<CheckOptions, 'properties' | 'except'>[] {
  if (!selected)
    return [{ except: [...except, LIVENESS] }, ...(except.includes(LIVENESS) ? [] : [{ properties: [LIVENESS] }])]
  const live = (p: string) => p === LIVENESS
  return [selected.filter(p => !live(p)), selected.filter(live)]
    .filter(group => group.length > 0)
    .map(properties => ({ properties }))
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Decides from two stacks of a task whether it is still inside the call that gave a page back. */
import type { CallSites } from '../callsites/call-sites.ts'

/** Functions of mm/memremap.c and include/linux/mm.h that call a driver's page_free() or folio_free(). */
const FREE_PATH = new Set([
  'free_zone_device_folio',
  'free_zone_device_page',
  'free_devmap_managed_page',
  '__put_devmap_managed_page',
  'page_free',
])

/** True if the innermost function of the first stack is no longer on the second one: the task has returned from it. */
export function hasLeft(sites: CallSites, first: number, second: number): boolean {
  if (!sites.isTelling(first) || !sites.isTelling(second)) return false
  const [entered] = sites.functions(first)
  return entered !== undefined && !sites.functions(second).some(name => name === entered)
}

/**
 * True if the task is still in the call that gave the page back: in the innermost function of the first stack, or in the core's
 * function that called it. Callers further out prove nothing: they may loop and have got the same page again.
 */
export function isInFreePath(sites: CallSites, first: number, second: number): boolean {
  if (!sites.isTelling(first) || !sites.isTelling(second)) return false
  const [freed, used] = [sites.functions(first), sites.functions(second)]
  return [0, 1].some(depth => {
    const [name, outer] = [freed[depth], freed.slice(depth + 1)]
    if (name === undefined || outer.length === 0 || (depth > 0 && !FREE_PATH.has(name))) return false
    return used.at(-outer.length - 1) === name && outer.every((each, i) => used.at(i - outer.length) === each)
  })
}

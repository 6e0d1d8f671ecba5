// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which refcount protocol a kernel has, by what its types and symbols show, never by its version; and what a page's count says
 * by the rule of that protocol, the same by which recordings are judged.
 */
import { PAGE_RULES, type PageRule, type PageType, type ProtocolId } from '../../linux/protocols/rules.ts'
import type { Kernel } from '../kernel/kernel.ts'

export interface Recognised {
  protocol: ProtocolId | undefined
  /** What it was recognised by, in words. */
  recognisedBy: string
}

export function recogniseProtocol(kernel: Kernel): Recognised {
  const has = (member: string) => kernel.offset(member) !== undefined
  const symbol = (name: string) => kernel.address(name) !== undefined
  if (has('dev_pagemap_ops.folio_free')) return { protocol: 'G', recognisedBy: 'dev_pagemap_ops has folio_free()' }
  // c25465eb7630 and the series that made DAX zero-based came together (6.15).
  if (has('folio.pgmap') && !has('page.pgmap')) {
    return { protocol: 'F', recognisedBy: 'the pagemap of a page stands in its folio' }
  }
  // ef233450898f (6.1).
  if (symbol('zone_device_page_init')) return { protocol: 'E', recognisedBy: 'zone_device_page_init()' }
  // 27674ef6c73f (5.18) removed it.
  if (symbol('free_devmap_managed_page')) return { protocol: 'A', recognisedBy: 'free_devmap_managed_page()' }
  if (symbol('free_zone_device_page')) {
    return { protocol: 'D', recognisedBy: 'free_zone_device_page(), but no zone_device_page_init()' }
  }
  return { protocol: undefined, recognisedBy: 'none of the functions that tell protocols apart' }
}

export function ruleOf(protocol: ProtocolId | undefined, type: PageType | undefined): PageRule | undefined {
  return protocol && type ? PAGE_RULES[protocol][type] : undefined
}

/** `unknown` where no rule says what the count means. */
export type PageState = 'idle' | 'busy' | 'impossible' | 'unknown'

/** Lower values of `_mapcount` are types of pages, not counts. */
const LEAST_MAPCOUNT = -1024

/**
 * State of a page, or of a folio by its head.
 * @param mapcount `_mapcount`, -1 while not mapped
 * @param dying memunmap_pages() was called: where it puts every page once, 0 is no fault
 */
export function stateOf(rule: PageRule | undefined, count: number, mapcount: number, dying: boolean): PageState {
  if (count < 0) return 'impossible'
  if (mapcount < -1 && mapcount > LEAST_MAPCOUNT) return 'impossible'
  if (!rule) return 'unknown'
  if (count < rule.idle && !(dying && rule.teardownPuts)) return 'impossible'
  if (count > rule.idle) return 'busy'
  // Handed out without a change of its count, so that only a mapping tells.
  return rule.handOut === 'none' && mapcount >= 0 ? 'busy' : 'idle'
}

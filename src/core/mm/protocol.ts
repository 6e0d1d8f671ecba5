// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Determines a kernel's refcount protocol from its types and symbols, never from its version. States what a page's count means
 * under that protocol, by the same rules as for recordings.
 */
import { PAGE_RULES, type PageRule, type PageType, type ProtocolId } from '../../linux/protocols/rules.ts'
import type { Kernel } from '../kernel/kernel.ts'

export interface Recognised {
  protocol: ProtocolId | undefined
  /** What showed the protocol, in words. */
  recognisedBy: string
}

export function recogniseProtocol(kernel: Kernel): Recognised {
  const has = (member: string) => kernel.offset(member) !== undefined
  const symbol = (name: string) => kernel.address(name) !== undefined
  if (has('dev_pagemap_ops.folio_free')) return { protocol: 'G', recognisedBy: 'dev_pagemap_ops has folio_free()' }
  // c25465eb7630 came in the same release (6.15) as the series that made the counts of DAX pages zero-based.
  if (has('folio.pgmap') && !has('page.pgmap')) {
    return { protocol: 'F', recognisedBy: 'the pagemap of a page stands in its folio' }
  }
  // ef233450898f (6.1).
  if (symbol('zone_device_page_init')) return { protocol: 'E', recognisedBy: 'zone_device_page_init()' }
  // 27674ef6c73f (5.18) removed this function.
  if (symbol('free_devmap_managed_page')) return { protocol: 'A', recognisedBy: 'free_devmap_managed_page()' }
  if (symbol('free_zone_device_page')) {
    return { protocol: 'D', recognisedBy: 'free_zone_device_page(), but no zone_device_page_init()' }
  }
  return { protocol: undefined, recognisedBy: 'none of the functions that tell protocols apart' }
}

export function ruleOf(protocol: ProtocolId | undefined, type: PageType | undefined): PageRule | undefined {
  return protocol && type ? PAGE_RULES[protocol][type] : undefined
}

/** State of a page. `unknown` means that no rule says what the count means. */
export type PageState = 'idle' | 'busy' | 'impossible' | 'unknown'

/** Values of `_mapcount` below this are page types, not mapcounts. */
const LEAST_MAPCOUNT = -1024

/**
 * Returns the state of a single page, or of a folio by its head.
 * @param mapcount `_mapcount` as stored: -1 if not mapped
 * @param dying memunmap_pages() was called. Under protocols where it puts every page once, a count of 0 is then no fault
 */
export function stateOf(rule: PageRule | undefined, count: number, mapcount: number, dying: boolean): PageState {
  if (count < 0) return 'impossible'
  if (mapcount < -1 && mapcount > LEAST_MAPCOUNT) return 'impossible'
  if (!rule) return 'unknown'
  if (count < rule.idle && !(dying && rule.teardownPuts)) return 'impossible'
  if (count > rule.idle) return 'busy'
  // Under this protocol, handing out a page does not change its count, so only a mapping shows that it is in use.
  return rule.handOut === 'none' && mapcount >= 0 ? 'busy' : 'idle'
}

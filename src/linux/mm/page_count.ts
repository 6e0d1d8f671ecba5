// SPDX-License-Identifier: GPL-2.0-or-later
import { PAGE_RULES } from '../protocols/rules.ts'
import type { DevPagemap, MemoryType, Protocol } from '../types.ts'

/** `_refcount` of an idle page, one that its owner has not handed out. */
export function idle_count(pgmap: DevPagemap): number {
  return idle_count_of(pgmap.kernel.protocol, pgmap.type)
}

export function idle_count_of(protocol: Protocol, type: MemoryType): number {
  return PAGE_RULES[protocol.id][type].idle
}

/** `_refcount` of a busy page without the references that threads and page tables hold. */
export function busy_base(pgmap: DevPagemap): number {
  const { idle, handOut } = PAGE_RULES[pgmap.kernel.protocol.id][pgmap.type]
  return handOut === 'get' ? idle : 0
}

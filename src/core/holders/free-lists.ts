// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Recognises the heads of drivers' lists of free pages. A pointer from such a head means that the page is free, not that it is
 * held. Heads are recognised by the name of a variable or of a member in BTF: `free_list`, and `free_pages` or `free_folios` of
 * struct nouveau_dmem (nouveau_dmem.c) and struct dmirror_device (lib/test_hmm.c). The pages on the list link to one another by
 * zone_device_data.
 */
import type { Holder } from '../finding.ts'

const HEAD = /(^|[._])free_(list|pages|folios)$/

/** True if the pointer is the head of a list of free pages. */
export function isFreeListHead({ kind, symbol, member }: Holder): boolean {
  if (kind === 'static-data') return HEAD.test((symbol ?? '').split(' [', 1)[0]!)
  return kind === 'slab' && HEAD.test(member ?? '')
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Heads of drivers' lists of free pages: a pointer from there says that the page is free, not that it is held. Known by name, of a
 * variable or of a member that BTF tells: `free_list`, and `free_pages` or `free_folios` of struct nouveau_dmem (nouveau_dmem.c) and
 * struct dmirror_device (lib/test_hmm.c). The links in the pages themselves are zone_device_data.
 */
import type { Holder } from '../finding.ts'

const HEAD = /(^|[._])free_(list|pages|folios)$/

/** True if a pointer stands in the head of a list of free pages. */
export function isFreeListHead({ kind, symbol, member }: Holder): boolean {
  if (kind === 'static-data') return HEAD.test((symbol ?? '').replace(/ \[.*\]$/, ''))
  return kind === 'slab' && HEAD.test(member ?? '')
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Large folios of an allocator that hands out free pages at any order, whatever their last one, as xe's buddy allocator does. */
import { large_folios } from '../lib/test_hmm_large.ts'

export const any_order = large_folios({
  name: 'any_order',
  type: 'PRIVATE',
  reuses_at_any_order: true,
  evicts_whole: () => true,
})

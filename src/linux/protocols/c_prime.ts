// SPDX-License-Identifier: GPL-2.0-or-later
import type { Steps } from '../../checker/index.ts'
import { lock_page } from '../mm/memremap.ts'
import { set_page_count } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'
import { C } from './c.ts'

/** As C, but drivers that want a count of one set it themselves, just before they put the page on the free list. */
export const C_prime: Protocol = {
  ...C,
  id: "C'",
  name: 'driver-sets-before-free',
  where: "the question at the end of Dan Williams' mail of 16 September 2020",
  words:
    'memremap_pages() leaves count 1. The put to 0 calls page_free() with count 0; ' +
    'a driver that wants its free pages to have count 1 calls set_page_count() there, before it files the page as free, ' +
    'and allocation takes no step. Types without page_free() keep the one that they came with.',

  *before_file(page: Page): Steps<void> {
    yield* set_page_count(page, 1)
  },

  *init_page(page: Page): Steps<void> {
    yield* lock_page(page)
  },
}

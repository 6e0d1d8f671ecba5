// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The promises that are checked as invariants of states. The others are violated by steps, through `s.warn()` and `s.fail()` in
 * mm/ and the drivers, or are checked by the checker itself (bounds, deadlock, finishes).
 */
import { always, at_rest, type Property, type View } from '../../checker/index.ts'
import { driver_owned } from '../mm/memremap.ts'
import { busy_base, idle_count } from '../mm/page_count.ts'
import { mapcount, migration_count, pte_page } from '../mm/pgtable.ts'
import { BUSY, GONE, IDLE, type Kernel, LIVE, type Page } from '../types.ts'

/** The invariants of a system, by priority: a state that violates several is reported for the first of them. */
export function invariants(kernel: Kernel): Property[] {
  const { pgmap, mm } = kernel
  const free_and_mapped = (s: View) => (page: Page) =>
    s.get(page.life) === IDLE && mapcount(s, page) + migration_count(s, page) > 0
  const in_use = (s: View) => (page: Page) => driver_owned(pgmap) && s.get(page.life) === BUSY
  const mapped = (s: View) => mm.addresses.some(a => pte_page(a, s.get(a.pte)) !== undefined)
  return [
    always(
      'freed-in-use',
      s => !pgmap.pages.some(free_and_mapped(s)),
      s => `page ${pgmap.pages.find(free_and_mapped(s))?.index} is free, and an entry maps it`,
    ),
    always(
      'pagemap-gone',
      s => s.get(pgmap.state) !== GONE || !(pgmap.pages.some(in_use(s)) || mapped(s)),
      s => {
        const page = pgmap.pages.find(in_use(s))
        return page ? `page ${page.index} is still handed out` : 'an entry still maps a page'
      },
    ),
    counts_at_rest(kernel),
  ]
}

/**
 * At rest, a page's count equals the references that page tables hold, the pagemap's count those that its pages hold, and a page
 * of which nobody holds a reference is free.
 */
function counts_at_rest({ pgmap, protocol }: Kernel) {
  const { type, pages } = pgmap
  const expected = (s: View, page: Page) =>
    s.get(page.life) === IDLE
      ? idle_count(pgmap)
      : busy_base(pgmap) + (protocol.pte_holds_reference(type) ? mapcount(s, page) : 0)
  const busy = (s: View) => pages.filter(page => s.get(page.life) === BUSY)
  // Where an idle page's count is not 0, the count of a page that page_free() did not file is that of an idle one.
  const lost = (s: View) => (page: Page) =>
    driver_owned(pgmap) &&
    idle_count(pgmap) > 0 &&
    s.get(page.life) === BUSY &&
    mapcount(s, page) + migration_count(s, page) === 0
  const expected_ref = (s: View) =>
    1 + pages.length * protocol.pgmap_refs_per_page(type) + (protocol.busy_page_holds_pgmap(type) ? busy(s).length : 0)
  return at_rest(
    'count-mismatch',
    s =>
      s.get(pgmap.state) !== LIVE ||
      (s.get(pgmap.ref) === expected_ref(s) &&
        pages.every(page => s.get(page._refcount) === expected(s, page) && !lost(s)(page))),
    s => {
      const page = pages.find(page => s.get(page._refcount) !== expected(s, page))
      if (page) return page_mismatch(page, s.get(page._refcount), expected(s, page), s)
      const unfiled = pages.find(lost(s))
      if (unfiled && s.get(pgmap.ref) === expected_ref(s))
        return `page ${unfiled.index} has no reference left, and was never freed`
      const out = busy(s).map(page => page.index)
      const what = out.length > 0 ? ` with ${out.length === 1 ? 'page' : 'pages'} ${out.join(' and ')} handed out` : ''
      return `pgmap.ref is ${s.get(pgmap.ref)}, not ${expected_ref(s)}${what}`
    },
  )
}

function page_mismatch(page: Page, is: number, expected: number, s: View): string {
  const what = s.get(page.life) === IDLE ? 'free' : `handed out and mapped ${times(mapcount(s, page))}`
  return `page ${page.index} is ${what}, and its count is ${is}, not ${expected}`
}

function times(n: number): string {
  return n === 1 ? 'once' : `${n} times`
}

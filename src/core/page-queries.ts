// SPDX-License-Identifier: GPL-2.0-or-later
/** Single pages of an examined dump, as they stand in the memory map. */
import type { Examination } from './examine.ts'
import type { PagemapAccount } from './mm/device-pages.ts'
import { PageView } from './mm/page-layout.ts'
import { type PageState, stateOf } from './mm/protocol.ts'

export interface PageFacts {
  /** Valid until the next page of a visit. */
  readonly view: PageView
  /** Address of its struct page. */
  readonly address: bigint
  readonly pagemap: PagemapAccount | undefined
  /** Of a tail, that of its folio's head. */
  readonly state: PageState | 'reserved' | 'not a device page'
  /** Names of the flags that are set. */
  readonly flagNames: readonly string[]
}

/** Reads one page. @returns undefined where it is no device page, unless `any` is asked for, or not in the dump */
export function readPage(found: Examination, pfn: number, any: boolean): PageFacts | undefined {
  const view = new PageView()
  const pagemap = pagemapOf(found, pfn)
  if ((!pagemap && !any) || !found.map.read(pfn, view)) return undefined
  return new Facts(found, view, pagemap, pagemap ? statesOf(found, pagemap)(view) : 'not a device page')
}

/** Calls with every device page that is in the dump, in order of pagemaps. */
export function visitPages(found: Examination, visit: (page: PageFacts) => void): void {
  visitAlike(found, (page, pages) => {
    for (let left = pages; left > 0; left--, page.view.skip(1)) visit(page)
  })
}

/** The same, with pages side by side that are alike at once: the view can be moved on to each of them. */
export function visitAlike(found: Examination, visit: (page: PageFacts, pages: number) => void): void {
  for (const pagemap of found.pagemaps) {
    const stateIn = statesOf(found, pagemap)
    for (const { first, end, reserved } of pagemap.ranges) {
      // Reserved pages have a state of their own, whatever their numbers are.
      for (const [from, to] of [
        [first, first + reserved],
        [first + reserved, end],
      ] as const) {
        found.map.scan(from, to, {
          alike: (view, pages) => visit(new Facts(found, view, pagemap, stateIn(view)), pages),
          absent: () => undefined,
        })
      }
    }
  }
}

function pagemapOf(found: Examination, pfn: number): PagemapAccount | undefined {
  return found.pagemaps.find(({ ranges }) => ranges.some(({ first, end }) => pfn >= first && pfn < end))
}

/** What few are asked for is come by when they are. */
class Facts implements PageFacts {
  readonly view: PageView
  readonly pagemap: PagemapAccount | undefined
  readonly state: PageFacts['state']
  readonly #found: Examination

  constructor(found: Examination, view: PageView, pagemap: PagemapAccount | undefined, state: PageFacts['state']) {
    this.#found = found
    this.view = view
    this.pagemap = pagemap
    this.state = state
  }

  get address(): bigint {
    return this.#found.map.addressOf(this.view.pfn)
  }

  get flagNames(): string[] {
    return flagNames(this.#found, this.view.flagsLow)
  }
}

/** States of a pagemap's pages; of tails, whose head is read, it is kept for those behind. */
function statesOf(found: Examination, pagemap: PagemapAccount): (view: PageView) => PageFacts['state'] {
  const { rule, ref, ranges } = pagemap
  const dying = ref?.state === 'dead'
  const head = new PageView()
  let known = -1
  let ofHead: PageFacts['state'] = 'unknown'
  return view => {
    const range = ranges.find(({ first, end }) => view.pfn >= first && view.pfn < end)!
    if (view.pfn < range.first + range.reserved) return 'reserved'
    if (!view.isTail) return stateOf(rule, view.count, view.mapcount, dying)
    if (view.head !== known) {
      known = view.head
      ofHead = found.map.read(known, head) ? stateOf(rule, head.count, head.mapcount, dying) : 'unknown'
    }
    return ofHead
  }
}

const names = new WeakMap<object, Map<number, string>>()

/** Names of the flags that are set. @param flags the low half, which has them; above stand zone and node */
export function flagNames({ kernel }: Pick<Examination, 'kernel'>, flags: number): string[] {
  let known = names.get(kernel)
  if (!known) {
    known = new Map()
    for (const [bit, name] of kernel.btf.enumerators('pageflags')) {
      if (name.startsWith('PG_') && !known.has(bit)) known.set(bit, name.slice(3))
    }
    names.set(kernel, known)
  }
  const set: string[] = []
  for (const [bit, name] of known) if (bit < 32 && (flags >>> bit) & 1) set.push(name)
  return set
}

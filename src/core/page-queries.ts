// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads single pages of an examined dump. */
import type { Examination } from './examine.ts'
import type { PagemapAccount } from './mm/device-pages.ts'
import { PageView } from './mm/page-layout.ts'
import { type PagemapRange, pagemapAt, pagesOf } from './mm/pagemaps.ts'
import { type PageState, stateOf } from './mm/protocol.ts'

export interface PageFacts {
  /** Valid until the next page of a visit. */
  readonly view: PageView
  /** Address of the struct page. */
  readonly address: bigint
  readonly pagemap: PagemapAccount | undefined
  /** State of the page; for a tail page, that of its folio's head. */
  readonly state: PageState | 'reserved' | 'not a device page'
  /** Names of the flags that are set. */
  readonly flagNames: readonly string[]
}

/**
 * Reads one page.
 * @param any also read pages that are not device pages
 * @returns undefined if the page is not in the dump, or is not a device page and `any` is false
 */
export function readPage(found: Examination, pfn: number, any: boolean): PageFacts | undefined {
  const view = new PageView()
  const pagemap = found.pagemaps[pagemapAt(found.pagemaps, pfn)]
  if ((!pagemap && !any) || !found.map.read(pfn, view)) return undefined
  if (!pagemap) return new Facts(found, view, pagemap, 'not a device page')
  const isReserved = pagemap.ranges.some(({ first, reserved }) => pfn >= first && pfn < first + reserved)
  return new Facts(found, view, pagemap, isReserved ? 'reserved' : statesOf(found, pagemap)(view))
}

/** A part of a range of a pagemap. */
export interface PagemapPiece extends PagemapRange {
  readonly pagemap: PagemapAccount
}

/** Number of pages in a piece, and the maximum number of pieces in addition to one per range. */
const PIECE_PAGES = 1 << 16
const MOST_PIECES = 4096

/**
 * Yields all pagemaps in pieces, in order. Whoever writes what is in one piece can then wait until it was read. The number of
 * pieces is limited, because a damaged range can have any length.
 */
export function* piecesOf({ pagemaps }: Pick<Examination, 'pagemaps'>): Generator<PagemapPiece> {
  const pages = Math.max(PIECE_PAGES, Math.ceil(pagesOf(pagemaps) / MOST_PIECES))
  for (const pagemap of pagemaps) {
    for (const range of pagemap.ranges) {
      for (let first = range.first; first < range.end; first += pages) {
        const end = Math.min(range.end, first + pages)
        const reserved = Math.min(end - first, Math.max(0, range.first + range.reserved - first))
        yield { pagemap, first, end, reserved }
      }
    }
  }
}

/** Calls `visit` with every device page in the dump, in order of pagemaps. */
export function visitPages(
  found: Examination,
  visit: (page: PageFacts) => void,
  pieces: Iterable<PagemapPiece> = piecesOf(found),
): void {
  const alike = (page: PageFacts, pages: number) => {
    for (let left = pages; left > 0; left--, page.view.skip(1)) visit(page)
  }
  visitAlike(found, alike, pieces)
}

/** The same, but calls `visit` once for each run of equal pages. The view can be moved on to each of them. */
export function visitAlike(
  found: Examination,
  visit: (page: PageFacts, pages: number) => void,
  pieces: Iterable<PagemapPiece> = piecesOf(found),
): void {
  for (const { pagemap, first, end, reserved } of pieces) {
    const visitor = (stateIn: (view: PageView) => PageFacts['state']) => ({
      alike: (view: PageView, pages: number) => visit(new Facts(found, view, pagemap, stateIn(view)), pages),
      absent: () => undefined,
    })
    found.map.scan(
      first,
      first + reserved,
      visitor(() => 'reserved'),
    )
    found.map.scan(first + reserved, end, visitor(statesOf(found, pagemap)))
  }
}

/** Computes the facts that are rarely needed on demand. */
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

/**
 * Returns a function that determines the state of a pagemap's pages that are not reserved. For tails it reads the head and keeps its state for the
 * following ones.
 */
function statesOf(found: Examination, pagemap: PagemapAccount): (view: PageView) => PageFacts['state'] {
  const { rule, ref } = pagemap
  const dying = ref?.state === 'dead'
  const head = new PageView()
  let known = -1
  let ofHead: PageFacts['state'] = 'unknown'
  return view => {
    if (!view.isTail) return stateOf(rule, view.count, view.mapcount, dying)
    if (view.head !== known) {
      known = view.head
      ofHead = found.map.read(known, head) ? stateOf(rule, head.count, head.mapcount, dying) : 'unknown'
    }
    return ofHead
  }
}

const names = new WeakMap<object, Map<number, string>>()

/**
 * Returns the names of the flags that are set.
 * @param flags the lower 32 bits, which contain all flags; zone and node are above them
 */
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

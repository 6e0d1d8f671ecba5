// SPDX-License-Identifier: GPL-2.0-or-later
/** Fast GUP against a migrator and zappers, on count-0-when-free pages: small enough that anyone can check it by hand. */
import {
  add,
  add_unless,
  always,
  type Cell,
  cells,
  choose,
  members,
  read,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
} from '../../src/engine/index.ts'

export interface ToySpec {
  pages?: number
  ptes?: number
  gups?: number
  zappers?: number
  /** Fast GUP looks at the PTE again after it took its reference. */
  recheck?: boolean
}

export function toy({ pages: P = 2, ptes: V = 2, gups: G = 4, zappers: Z = 2, recheck = true }: ToySpec = {}) {
  const page = sort('page', P)
  const va = sort('va', V)
  const gup = sort('gup', G)
  const zapper = sort('zapper', Z)
  const count = cells(page, '_refcount', { max: V + G + 2, init: p => (p < V ? 1 : 0) })
  const free = cells(page, 'free', { max: 1, init: p => (p < V ? 0 : 1) })
  const pte = cells(va, 'pte', {
    max: P,
    init: v => (v < P ? v + 1 : 0),
    refers: (v, image) => (v === 0 ? 0 : 1 + image(page, v - 1)),
  })

  function* put_page(p: number): Steps<void> {
    if ((yield* add(count[p]!, -1)) === 0) yield* step('free', s => s.set(free[p]!, 1))
  }

  function* fast_gup(): Steps<void> {
    const v = yield* choose(V)
    const entry = yield* read(pte[v]!)
    if (entry === 0) return
    const p = entry - 1
    if (!(yield* add_unless(count[p]!, 1, 0))) return
    if (recheck && (yield* read(pte[v]!)) !== entry) return yield* put_page(p)
    yield* step('use page', s => s.warn(s.get(free[p]!) === 1, 'use after free'))
    yield* put_page(p)
  }

  function* zap(): Steps<void> {
    const v = yield* choose(V)
    const entry = yield* step('ptep_get_and_clear', s => {
      const old = s.get(pte[v]!)
      s.set(pte[v]!, 0)
      return old
    })
    if (entry > 0) yield* put_page(entry - 1)
  }

  function* fault(): Steps<void> {
    const v = yield* choose(V)
    const p = yield* step('take free page', s => {
      const list = members(page).filter(p => s.get(free[p]!) === 1)
      if (list.length === 0) return -1
      const p = list[s.choose(list.length)]!
      s.set(free[p]!, 0)
      return p
    })
    if (p < 0) return
    yield* step('set_page_count', s => s.set(count[p]!, 1))
    const mapped = yield* step('set_pte_at', s => {
      if (s.get(pte[v]!) !== 0) return false
      s.set(pte[v]!, p + 1)
      return true
    })
    if (!mapped) yield* put_page(p)
  }

  const all: Cell[] = [...count, ...free, ...pte]
  return system(`toy, ${P} pages, ${V} ptes, ${G} gups, ${Z} zappers${recheck ? '' : ', no recheck'}`, {
    cells: all,
    threads: [...threads(gup, 'gup', fast_gup), ...threads(zapper, 'zap', zap), thread('fault', fault)],
    properties: members(va).map(v =>
      always(`pte ${v} maps no free page`, s => {
        const e = s.get(pte[v]!)
        return e === 0 || s.get(count[e - 1]!) > 0
      }),
    ),
    bounds: `${P} pages, ${V} addresses, ${G + Z + 1} threads`,
  })
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Protocol B (`core-resets`, September 2020): the last put sets the count back to one, then calls `page_free()`.
 * Promela twin: core-resets.pml. Broken: first `page_free()`, then the reset, as 5.18 had it.
 */
import {
  add,
  add_unless,
  call,
  cells,
  members,
  read,
  type Steps,
  sort,
  step,
  system,
  threads,
  write,
} from '../../src/checker/index.ts'

export interface CoreResets {
  pages: number
  vas: number
  faults: number
  gups: number
  zappers: number
  broken?: boolean
}

export function coreResets({ pages: P, vas: V, faults: F, gups: G, zappers: Z, broken = false }: CoreResets) {
  const page = sort('page', P)
  const va = sort('va', V)
  const count = cells(page, '_refcount', { max: G + 2, init: 1 })
  const free = cells(page, 'free', { max: 1, init: 1 })
  const pte = cells(va, 'pte', { max: P, refers: (e, image) => (e === 0 ? 0 : 1 + image(page, e - 1)) })

  function* page_free(p: number): Steps<void> {
    yield* step('page_free', s => {
      s.warn(s.get(free[p]!) === 1, 'double free')
      for (const e of pte) s.warn(s.get(e) === p + 1, 'mapped page freed')
      s.set(free[p]!, 1)
    })
  }

  function* put_page(p: number): Steps<void> {
    if ((yield* add(count[p]!, -1)) !== 0) return
    if (broken) yield* page_free(p)
    yield* write(count[p]!, 1)
    if (!broken) yield* page_free(p)
  }

  function* fault(): Steps<void> {
    const p = yield* step('take free page', s => {
      const list = members(page).filter(p => s.get(free[p]!) === 1)
      if (list.length === 0) return -1
      const p = list[s.choose(list.length)]!
      s.set(free[p]!, 0)
      s.warn(s.get(count[p]!) === 0, 'handed out with count 0')
      return p
    })
    if (p < 0) return
    const mapped = yield* step('set_pte_at', s => {
      const v = s.choose(V)
      if (s.get(pte[v]!) !== 0) return false
      s.set(pte[v]!, p + 1)
      return true
    })
    if (!mapped) yield* call(put_page, p)
  }

  function* gup_fast(): Steps<void> {
    const [v, e] = yield* step('read pte', s => {
      const v = s.choose(V)
      return [v, s.get(pte[v]!)] as const
    })
    if (e === 0) return
    const p = e - 1
    if (!(yield* add_unless(count[p]!, 1, 0))) return
    if ((yield* read(pte[v]!)) === e) yield* step('use', s => s.warn(s.get(free[p]!) === 1, 'use after free'))
    yield* call(put_page, p)
  }

  function* zap(): Steps<void> {
    const e = yield* step('ptep_get_and_clear', s => {
      const v = s.choose(V)
      const e = s.get(pte[v]!)
      if (e !== 0) s.set(pte[v]!, 0)
      return e
    })
    if (e > 0) yield* call(put_page, e - 1)
  }

  return system(`core-resets${broken ? ', broken' : ''}`, {
    cells: [...count, ...free, ...pte],
    threads: [
      ...threads(sort('fault', F), 'fault', fault),
      ...threads(sort('gup', G), 'gup', gup_fast),
      ...threads(sort('zapper', Z), 'zap', zap),
    ],
    bounds: `${P} pages, ${V} addresses, ${F} faults, ${G} GUPs, ${Z} zappers`,
  })
}

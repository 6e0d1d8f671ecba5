// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Teardown under the zero-based protocol: each page in use holds a reference on the pagemap; `memunmap_pages()` kills the percpu
 * reference and waits. Promela twin: teardown.pml. Broken: as in 5.18, pages in use hold no reference on the pagemap.
 */
import {
  add,
  add_unless,
  call,
  cell,
  cells,
  members,
  read,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
  wait_until,
  write,
} from '../../src/checker/index.ts'

export interface Teardown {
  pages: number
  vas: number
  faults: number
  gups: number
  zappers: number
  broken?: boolean
}

export function teardown({ pages: P, vas: V, faults: F, gups: G, zappers: Z, broken = false }: Teardown) {
  const page = sort('page', P)
  const va = sort('va', V)
  const count = cells(page, '_refcount', { max: G + 2 })
  const free = cells(page, 'free', { max: 1, init: 1 })
  const pte = cells(va, 'pte', { max: P, refers: (e, image) => (e === 0 ? 0 : 1 + image(page, e - 1)) })
  const ref = cell('pgmap.ref', { max: P + 1 + F + G + Z, init: 1 })
  const killed = cell('pgmap.killed', { max: 1 })
  const gone = cell('pgmap.gone', { max: 1 })

  function* put_page(p: number): Steps<void> {
    if ((yield* add(count[p]!, -1)) !== 0) return
    yield* step('page_free', s => {
      s.warn(s.get(gone) === 1, 'pagemap outlives its pages')
      s.warn(s.get(free[p]!) === 1, 'double free')
      s.set(free[p]!, 1)
    })
    if (!broken) yield* add(ref, -1)
  }

  function* fault(): Steps<void> {
    const p = yield* step('take free page', s => {
      const list = members(page).filter(p => s.get(free[p]!) === 1)
      if (s.get(killed) === 1 || list.length === 0) return -1
      const p = list[s.choose(list.length)]!
      s.set(free[p]!, 0)
      return p
    })
    if (p < 0) return
    if (!broken) {
      const live = yield* step('percpu_ref_tryget_live', s => {
        if (s.get(killed) === 1) return false
        s.add(ref, 1)
        return true
      })
      if (!live) return yield* write(free[p]!, 1)
    }
    yield* step('set_page_count', s => {
      s.warn(s.get(gone) === 1, 'pagemap outlives its pages')
      s.set(count[p]!, 1)
    })
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
    if ((yield* read(pte[v]!)) === e)
      yield* step('use', s => {
        s.warn(s.get(free[p]!) === 1, 'use after free')
        s.warn(s.get(gone) === 1, 'pagemap outlives its pages')
      })
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

  function* memunmap_pages(): Steps<void> {
    yield* step('percpu_ref_kill', s => {
      s.set(killed, 1)
      s.add(ref, -1)
    })
    yield* wait_until('wait_for_completion', s => s.get(ref) === 0)
    yield* write(gone, 1)
  }

  return system(`teardown${broken ? ', broken' : ''}`, {
    cells: [...count, ...free, ...pte, ref, killed, gone],
    threads: [
      ...threads(sort('fault', F), 'fault', fault),
      ...threads(sort('gup', G), 'gup', gup_fast),
      ...threads(sort('zapper', Z), 'zap', zap),
      thread('memunmap_pages', memunmap_pages, { times: 1 }),
    ],
    deadlock: false,
    bounds: `${P} pages, ${V} addresses, ${F} faults, ${G} GUPs, ${Z} zappers, memunmap_pages`,
  })
}

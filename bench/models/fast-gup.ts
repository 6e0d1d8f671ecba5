// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Fast GUP against migration and zapping, on pages whose count is 0 while free. Promela twin with the same steps: fast-gup.pml.
 * Broken: GUP takes its reference without checking that the count is not 0.
 */
import {
  add,
  add_unless,
  call,
  cells,
  cmpxchg,
  members,
  read,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
  write,
} from '../../src/checker/index.ts'

export interface FastGup {
  pages: number
  vas: number
  gups: number
  zappers: number
  broken?: boolean
}

export function fastGup({ pages: P, vas: V, gups: G, zappers: Z, broken = false }: FastGup) {
  const page = sort('page', P)
  const va = sort('va', V)
  const gup = sort('gup', G)
  const zapper = sort('zapper', Z)
  const MIGRATION = P + 1
  const count = cells(page, '_refcount', { max: G + 2, init: p => (p < V ? 1 : 0) })
  const free = cells(page, 'free', { max: 1, init: p => (p < V ? 0 : 1) })
  const pte = cells(va, 'pte', {
    max: MIGRATION,
    init: v => (v < P ? v + 1 : 0),
    refers: (e, image) => (e >= 1 && e <= P ? 1 + image(page, e - 1) : e),
  })
  const present = (e: number) => e >= 1 && e <= P

  function* free_page(p: number): Steps<void> {
    yield* step('page_free', s => {
      s.warn(s.get(free[p]!) === 1, 'double free')
      for (const e of pte) s.warn(s.get(e) === p + 1, 'mapped page freed')
      s.set(free[p]!, 1)
    })
  }

  function* put_page(p: number): Steps<void> {
    if ((yield* add(count[p]!, -1)) === 0) yield* free_page(p)
  }

  function* gup_fast(): Steps<void> {
    const [v, e] = yield* step('read pte', s => {
      const v = s.choose(V)
      return [v, s.get(pte[v]!)] as const
    })
    if (!present(e)) return
    const p = e - 1
    if (broken) yield* add(count[p]!, 1)
    else if (!(yield* add_unless(count[p]!, 1, 0))) return
    if ((yield* read(pte[v]!)) === e) yield* step('use', s => s.warn(s.get(free[p]!) === 1, 'use after free'))
    yield* call(put_page, p)
  }

  function* zap(): Steps<void> {
    const e = yield* step('ptep_get_and_clear', s => {
      const v = s.choose(V)
      const e = s.get(pte[v]!)
      if (!present(e)) return 0
      s.set(pte[v]!, 0)
      return e
    })
    if (e > 0) yield* call(put_page, e - 1)
  }

  /** Takes a free page. @returns its number, or -1 if there is none */
  function* take(): Steps<number> {
    return yield* step('take free page', s => {
      const list = members(page).filter(p => s.get(free[p]!) === 1)
      if (list.length === 0) return -1
      const p = list[s.choose(list.length)]!
      s.set(free[p]!, 0)
      return p
    })
  }

  function* migrate(): Steps<void> {
    const [v, e] = yield* step('set migration entry', s => {
      const v = s.choose(V)
      const e = s.get(pte[v]!)
      if (present(e)) s.set(pte[v]!, MIGRATION)
      return [v, e] as const
    })
    if (!present(e)) return yield* fault(v)
    const p = e - 1
    if (!(yield* cmpxchg(count[p]!, 1, 0))) return yield* write(pte[v]!, e)
    const q = yield* call(take)
    if (q < 0) {
      yield* write(count[p]!, 1)
      return yield* write(pte[v]!, e)
    }
    yield* write(count[q]!, 1)
    yield* write(pte[v]!, q + 1)
    yield* free_page(p)
  }

  function* fault(v: number): Steps<void> {
    const q = yield* call(take)
    if (q < 0) return
    yield* write(count[q]!, 1)
    yield* write(pte[v]!, q + 1)
  }

  return system(`fast-gup${broken ? ', broken' : ''}`, {
    cells: [...count, ...free, ...pte],
    threads: [...threads(gup, 'gup', gup_fast), ...threads(zapper, 'zap', zap), thread('migrate', migrate)],
    bounds: `${P} pages, ${V} addresses, ${G} GUPs, ${Z} zappers, a migrator`,
  })
}

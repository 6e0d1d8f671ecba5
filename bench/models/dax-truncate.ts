// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Truncate against fast GUP on a DAX file, with idle pages at a count of 1: a block is freed once its page has no other
 * reference. Promela twin: dax-truncate.pml. Broken: truncate does not check the count again after it has unmapped the page.
 */
import {
  add,
  add_unless,
  cell,
  cells,
  lock,
  members,
  read,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
  unlock,
  write,
} from '../../src/checker/index.ts'

export interface DaxTruncate {
  blocks: number
  offsets: number
  faults: number
  gups: number
  broken?: boolean
}

export function daxTruncate({ blocks: B, offsets: V, faults: F, gups: G, broken = false }: DaxTruncate) {
  const block = sort('block', B)
  const offset = sort('offset', V)
  const named = (e: number, image: (s: typeof block, i: number) => number) => (e === 0 ? 0 : 1 + image(block, e - 1))
  const count = cells(block, '_refcount', { max: G + 1, init: 1 })
  /** 1: the block belongs to the file. */
  const used = cells(block, 'used', { max: 1 })
  const file = cells(offset, 'extent', { max: B, refers: named })
  const pte = cells(offset, 'pte', { max: B, refers: named })
  const invalidate = cell('invalidate_lock', { max: 1 })

  function* fault(): Steps<void> {
    yield* step('dax_fault', s => {
      s.wait(s.get(invalidate) === 0)
      const v = s.choose(V)
      const e = s.get(file[v]!)
      if (e !== 0) s.set(pte[v]!, e)
    })
  }

  function* gup_fast(): Steps<void> {
    const [v, e] = yield* step('read pte', s => {
      const v = s.choose(V)
      return [v, s.get(pte[v]!)] as const
    })
    if (e === 0) return
    const b = e - 1
    if (!(yield* add_unless(count[b]!, 1, 0))) return
    if ((yield* read(pte[v]!)) === e) {
      yield* step('begin dma', s => s.warn(s.get(used[b]!) === 0, 'dma to a free block'))
      yield* step('end dma', s => s.warn(s.get(used[b]!) === 0, 'dma to a free block'))
    }
    yield* add(count[b]!, -1)
  }

  function* truncate(): Steps<void> {
    yield* lock(invalidate)
    const [v, e] = yield* step('look up extent', s => {
      const v = s.choose(V)
      return [v, s.get(file[v]!)] as const
    })
    if (e === 0) return yield* allocate(v)
    const b = e - 1
    yield* write(pte[v]!, 0)
    if (!broken && (yield* read(count[b]!)) !== 1) return yield* unlock(invalidate)
    yield* write(file[v]!, 0)
    yield* write(used[b]!, 0)
    yield* unlock(invalidate)
  }

  function* allocate(v: number): Steps<void> {
    const b = yield* step('allocate block', s => {
      const list = members(block).filter(b => s.get(used[b]!) === 0)
      if (list.length === 0) return -1
      const b = list[s.choose(list.length)]!
      s.set(used[b]!, 1)
      return b
    })
    if (b >= 0) yield* write(file[v]!, b + 1)
    yield* unlock(invalidate)
  }

  return system(`dax-truncate${broken ? ', broken' : ''}`, {
    cells: [...count, ...used, ...file, ...pte, invalidate],
    threads: [
      ...threads(sort('fault', F), 'fault', fault),
      ...threads(sort('gup', G), 'gup', gup_fast),
      thread('truncate', truncate),
    ],
    bounds: `${B} blocks, ${V} offsets, ${F} faults, ${G} GUPs, a truncating writer`,
  })
}

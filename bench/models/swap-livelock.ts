// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * CPU faults on device-private pages: each fault holds a reference while it tries to migrate the page back, and migration fails
 * if there are other references. Promela twin: swap-livelock.pml, checked for non-progress cycles under weak fairness. Broken:
 * the page is locked only after the reference is taken, so that two faults can make each other's count check fail for ever.
 */
import {
  AGAIN,
  add,
  cells,
  lock,
  progress,
  repeat,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
  trylock,
  unlock,
  wait_until,
} from '../../src/checker/index.ts'

export interface SwapLivelock {
  pages: number
  faults: number
  broken?: boolean
}

export function swapLivelock({ pages: P, faults: T, broken = false }: SwapLivelock) {
  const page = sort('page', P)
  /** 1: the page table of the owning address has a device-private entry for this page; 0: the data is in system memory. */
  const entry = cells(page, 'entry', { max: 1, init: 1 })
  const count = cells(page, '_refcount', { max: T + 1, init: 1 })
  const locked = cells(page, 'locked', { max: 1 })

  function* do_swap_page(p: number): Steps<undefined | typeof AGAIN> {
    const private_ = yield* step('read entry', s => s.get(entry[p]!))
    if (private_ === 0) return undefined
    if (broken) {
      yield* get(p)
      yield* lock(locked[p]!)
    } else {
      if (!(yield* trylock(locked[p]!))) {
        yield* wait_until('wait on page lock', s => s.get(locked[p]!) === 0)
        return AGAIN
      }
      if (!(yield* get(p))) {
        yield* unlock(locked[p]!)
        return AGAIN
      }
    }
    const alone = yield* step('migrate_vma_check_page', s => {
      if (s.get(entry[p]!) === 0 || s.get(count[p]!) !== 2) return false
      s.set(entry[p]!, 0)
      s.add(count[p]!, -1)
      return true
    })
    yield* unlock(locked[p]!)
    yield* add(count[p]!, -1)
    return alone ? undefined : AGAIN
  }

  /** Takes a reference under the page table lock: if the entry is still there, or in the broken form always. */
  function* get(p: number): Steps<boolean> {
    return yield* step('get_page', s => {
      if (!broken && s.get(entry[p]!) === 0) return false
      s.add(count[p]!, 1)
      return true
    })
  }

  function* cpu_fault(): Steps<void> {
    const p = yield* step('fault', s => s.choose(P))
    yield* repeat(do_swap_page, p)
  }

  /** The driver's thread, which migrates a page back to the device. */
  function* migrate_to_device(): Steps<void> {
    yield* step('migrate_to_device', s => {
      const p = s.choose(P)
      s.wait(s.get(entry[p]!) === 0 && s.get(count[p]!) === 0 && s.get(locked[p]!) === 0)
      s.set(entry[p]!, 1)
      s.set(count[p]!, 1)
    })
  }

  const faults = threads(sort('fault', T), 'fault', cpu_fault, { daemon: true })
  return system(`swap-livelock${broken ? ', broken' : ''}`, {
    cells: [...entry, ...count, ...locked],
    threads: [...faults, thread('migrate_to_device', migrate_to_device, { daemon: true })],
    properties: [progress('faults make progress', faults)],
    bounds: `${P} pages, ${T} faults`,
  })
}

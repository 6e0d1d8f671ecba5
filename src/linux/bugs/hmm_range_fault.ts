// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * CVE-2026-43404: hmm_range_fault() retries to lock a device-private folio in a loop, without giving up the CPU. The holder
 * of the lock waits for a work item that is queued on that same CPU.
 */
import { AGAIN, cell, repeat, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import { lock_page, trylock_page, unlock_page } from '../mm/memremap.ts'
import { hand_out } from '../page_list.ts'
import { BUSY, type Kernel } from '../types.ts'

export const hmm_range_fault = driver({
  name: 'hmm_range_fault',
  type: 'PRIVATE',
  protocols: ['G'],
  setup(kernel: Kernel) {
    const page = kernel.pgmap.pages[0]!
    const cpu = cell('cpu0', { max: 2, show: v => ['idle', 'hmm_range_fault', 'kworker'][v]! })
    const work = cell('work', { max: 2, show: v => ['none', 'queued', 'done'][v]! })
    kernel.cells.push(cpu, work)

    function* schedule_in(who: number): Steps<void> {
      yield* step('schedule', s => {
        s.wait(s.get(cpu) === 0)
        s.set(cpu, who)
      })
    }

    function* schedule_out(): Steps<void> {
      yield* step('schedule', s => s.set(cpu, 0))
    }

    /** Locks the folio, then waits for the work item (such as one that invalidates a device's TLB) before it unlocks. */
    function* migrate(): Steps<void> {
      yield* step('migrate_vma_setup', s => {
        if (s.get(page.life) !== BUSY) hand_out(s, page)
      })
      yield* lock_page(page)
      yield* step('queue_work_on', s => s.set(work, 1))
      yield* step('flush_work', s => s.wait(s.get(work) === 2))
      yield* unlock_page(page)
    }

    function* kworker(): Steps<void> {
      yield* step('worker_thread', s => s.wait(s.get(work) === 1))
      yield* schedule_in(2)
      yield* step('process_one_work', s => s.set(work, 2))
      yield* schedule_out()
    }

    function* hmm_vma_fault(): Steps<void> {
      yield* schedule_in(1)
      yield* repeat(do_swap_page)
      yield* schedule_out()
    }

    function* do_swap_page(): Steps<typeof AGAIN | undefined> {
      if (yield* step('folio_trylock', s => trylock_page(s, page))) return yield* fault_done()
      if (kernel.fixes.has('hmm_waits_for_lock')) {
        yield* schedule_out()
        yield* step('softleaf_entry_wait_on_locked', s => s.wait(s.get(page.locked) === 0))
        yield* schedule_in(1)
      }
      return AGAIN
    }

    function* fault_done(): Steps<undefined> {
      yield* unlock_page(page)
      return undefined
    }

    return {
      ops: {},
      roles: {
        migrate: { body: migrate, times: 1, finishes: true },
        kworker: { body: kworker, times: 1, daemon: true },
        hmm_range_fault: { body: hmm_vma_fault, times: 1, finishes: true },
      },
      threads: { migrate: 1, kworker: 1, hmm_range_fault: 1 },
    }
  },
})

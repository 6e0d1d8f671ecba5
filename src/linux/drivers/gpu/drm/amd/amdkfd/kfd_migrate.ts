// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/gpu/drm/amd/amdkfd/kfd_migrate.c: VRAM belongs to the buffer objects of ranges of addresses, and a page in use holds
 * a reference on its `svm_bo`. page_free() puts that; after the last put a worker frees the VRAM. Here each range has one page.
 *
 * Until then, svm_range_validate_svm_bo() finds the buffer object again for a range that is migrated to VRAM once more. Each
 * address has a fixed place in the object, so that the range gets the same page, whether or not that was freed.
 *
 * Not modelled: the driver's own locks. `prange->migrate_mutex` excludes two migrations of one range at a time, and so a CPU
 * fault during a migration to VRAM; `svms->lock` and `prange->lock` protect lists. The bugs found here do not need them to be
 * absent: migrate_to_ram() releases the mutex before do_swap_page() puts the page.
 */
import { cells, type Shared, type StepRequest, type Steps, step } from '../../../../../../checker/index.ts'
import { device_private } from '../../../../../device_private.ts'
import { driver } from '../../../../../driver.ts'
import { zone_device_page_init } from '../../../../../mm/memremap.ts'
import { migrate_vma_to_ram } from '../../../../../mm/migrate_device.ts'
import { idle_count } from '../../../../../mm/page_count.ts'
import { probe_page } from '../../../../../mm/trace_events.ts'
import { file_free, hand_out } from '../../../../../page_list.ts'
import type { Address, Fault, Kernel, Page, VmFault } from '../../../../../types.ts'

/** A page's buffer object: none; to be released by a worker; removed with the driver; from {@link RANGES} on, a range's. */
const FREE = 0
const RELEASE_QUEUED = 1
const REMOVED = 2
const RANGES = 3

/**
 * The phases of a range's page. `in`: the range uses it. `out`: its data have been migrated to system memory, and the driver
 * takes it for free, though page_free() may be still to come. `again`: it is to be used again. `again, freed` and
 * `again, put`: so too, but the references of the last use were put before the new count is set, with page_free() done or
 * still to come.
 */
const PHASES = ['in', 'out', 'again', 'again, freed', 'again, put'] as const
type Phase = (typeof PHASES)[number]

export default driver({
  name: 'kfd_migrate',
  type: 'PRIVATE',
  protocols: ['A', 'D', 'E', 'F', 'G'],
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
  setup(kernel: Kernel) {
    const { pgmap, page_sort, address_sort, fixes } = kernel
    const { pages } = pgmap
    const ranges = address_sort.size
    const phase_at = (phase: Phase) => RANGES + PHASES.indexOf(phase) * ranges
    const of_range = (range: Address, phase: Phase) => phase_at(phase) + range.index
    const is_phase = (bo: number, phase: Phase) => bo >= phase_at(phase) && bo < phase_at(phase) + ranges
    const svm_bo = cells(page_sort, 'svm_bo', {
      max: RANGES + PHASES.length * ranges - 1,
      refers: (v, image) => {
        const phase = PHASES.find(p => is_phase(v, p))
        return phase === undefined ? v : phase_at(phase) + image(address_sort, v - phase_at(phase))
      },
      show: v => {
        const phase = PHASES.find(p => is_phase(v, p))
        return phase === undefined
          ? ['none', 'release queued', 'removed'][v]!
          : `range ${(v - RANGES) % ranges} (${phase})`
      },
    })
    kernel.cells.push(...svm_bo)
    // Without the fault's reference only the migration holds the page, and it puts that before the range can be migrated again.
    const reuses = fixes.has('fault_takes_reference') && !fixes.has('svm_waits_for_page_free')

    function change(s: Shared, page: Page, from: Phase, to: Phase): boolean {
      const bo = s.get(svm_bo[page.index]!)
      if (!is_phase(bo, from)) return false
      s.set(svm_bo[page.index]!, bo - phase_at(from) + phase_at(to))
      return true
    }

    function* svm_migrate_copy_to_vram(range: Address): Steps<Page | undefined> {
      const page = yield* step('svm_range_vram_node_new', s => {
        const again = pages.filter(p => s.get(svm_bo[p.index]!) === of_range(range, 'out'))
        const free = again.length > 0 ? again : pages.filter(p => s.get(svm_bo[p.index]!) === FREE)
        if (free.length === 0) return undefined
        const page = free[s.choose(free.length)]!
        s.set(svm_bo[page.index]!, of_range(range, again.length > 0 ? 'again' : 'in'))
        // The page is not handed out anew, because it may not have been freed since its last use.
        if (again.length > 0) probe_page(s, 'lastput_alloc', page)
        else hand_out(s, page)
        return page
      })
      if (page) yield* svm_migrate_get_vram_page(page)
      return page
    }

    /** As in the kernel; the step that sets the count also notes whether the references of the last use were put by then. */
    function* svm_migrate_get_vram_page(page: Page): Steps<void> {
      const init = zone_device_page_init(page)
      for (let at = init.next(); !at.done; ) {
        const asked = at.value
        at = init.next(yield reuses && asked.kind === 'step' ? { ...asked, body: s => taken(s, page, asked) } : asked)
      }
    }

    function taken(s: Shared, page: Page, { name, body }: StepRequest): unknown {
      if (['set_page_count', 'get_page', 'lock_page'].includes(name) && !change(s, page, 'again, freed', 'in'))
        change(s, page, 'again', s.get(page._refcount) > idle_count(pgmap) ? 'in' : 'again, put')
      return body(s)
    }

    function* svm_migrate_to_ram(fault: Fault): Steps<VmFault> {
      const migrated = yield* migrate_vma_to_ram(fault)
      if (migrated && reuses) yield* svm_range_vram_node_free(fault.page)
      return !migrated && fixes.has('failed_migration_is_sigbus') ? 'SIGBUS' : 'retry'
    }

    /** The range has no page in VRAM any more. From here on, with its migrate_mutex released, it may be migrated again. */
    function* svm_range_vram_node_free(page: Page): Steps<void> {
      yield* step('svm_range_vram_node_free', s => {
        change(s, page, 'in', 'out')
      })
    }

    function* svm_migrate_page_free(page: Page): Steps<void> {
      yield* kernel.protocol.before_file?.(page) ?? []
      yield* step('svm_range_bo_unref_async', s => {
        if (change(s, page, 'again', 'again, freed') || change(s, page, 'again, put', 'in'))
          return probe_page(s, 'lastput_free', page)
        file_free(s, page)
        s.set(svm_bo[page.index]!, RELEASE_QUEUED)
      })
    }

    function* svm_range_bo_wq_release(): Steps<void> {
      yield* step('svm_range_bo_release', s => {
        const queued = pages.filter(p => s.get(svm_bo[p.index]!) === RELEASE_QUEUED)
        s.wait(queued.length > 0)
        s.set(svm_bo[queued[s.choose(queued.length)]!.index]!, FREE)
      })
    }

    return device_private(kernel, {
      alloc_page: svm_migrate_copy_to_vram,
      page_free: svm_migrate_page_free,
      migrate_to_ram: svm_migrate_to_ram,
      clear: s => {
        for (const bo of svm_bo) s.set(bo, REMOVED)
      },
      evicts: false,
      threads: { worker: { body: svm_range_bo_wq_release, daemon: true } },
    })
  },
})

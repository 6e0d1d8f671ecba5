// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/dax/device.c: a character device that maps device memory. Its pages are never allocated or freed; they only
 * have to outlive their users. Not modelled: 2 MB and 1 GB pages (one page each here).
 */
import { call, cell, type Steps, step } from '../../../checker/index.ts'
import { driver } from '../../driver.ts'
import { gup_fast, irqs_off_cell, pin_user_page } from '../../mm/gup.ts'
import { copy_pte, zap_pte } from '../../mm/memory.ts'
import { memunmap_pages, put_page } from '../../mm/memremap.ts'
import { idle_count } from '../../mm/page_count.ts'
import { page_exists, page_ref_count, page_ref_inc } from '../../mm/page_ref.ts'
import { mk_pte, PTE_NONE } from '../../mm/pgtable.ts'
import { type Kernel, MAPPINGS_GO_AWAY } from '../../types.ts'

export default driver({
  name: 'device_dax',
  type: 'GENERIC',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  setup(kernel: Kernel) {
    const { pgmap, mm, protocol } = kernel
    const alive = cell('dax_alive', { max: 1, init: 1 })
    kernel.cells.push(alive)
    const at = (index: number) => mm.addresses[index % mm.addresses.length]!
    const counted = protocol.pte_holds_reference('GENERIC')

    /** The check and the insertion are one step, because kill_dax() waits for faults in progress (SRCU). */
    function* dev_dax_fault(index: number): Steps<void> {
      const address = at(index)
      const page = pgmap.pages[address.index % pgmap.pages.length]!
      yield* step('dev_dax_pte_fault', s => {
        if (s.get(alive) === 0 || s.get(address.pte) !== PTE_NONE) return
        page_exists(s, page)
        if (counted) page_ref_inc(s, page)
        s.set(address.pte, mk_pte(page))
      })
    }

    function* exit_mmap(): Steps<void> {
      for (const address of mm.addresses) yield* call(zap_pte, address)
    }

    function* fork(index: number): Steps<void> {
      yield* copy_pte(at(index), at(index + 1))
    }

    function* kill_dev_dax(): Steps<void> {
      yield* step('kill_dax', s => s.set(alive, 0))
      for (const address of mm.addresses) yield* call(zap_pte, address)
      if (kernel.fixes.has('device_dax_waits_for_pins'))
        for (const page of pgmap.pages)
          yield* step('wait_page_idle', s => s.wait(page_ref_count(s, page) === idle_count(pgmap)))
    }

    function* unbind(): Steps<void> {
      yield* kill_dev_dax()
      yield* memunmap_pages(pgmap)
    }

    const irqs_off = mm.addresses.map((_, i) => irqs_off_cell(kernel, i))
    function* gup(index: number): Steps<void> {
      yield* pin_user_page(at(index), irqs_off[index % irqs_off.length]!)
    }

    /**
     * madvise(MADV_SOFT_OFFLINE): soft_offline_page() does nothing to device memory, which is not online, but has to put the
     * reference that GUP has taken.
     */
    function* soft_offline(index: number): Steps<void> {
      const page = yield* call(gup_fast, at(index), irqs_off[index % irqs_off.length]!)
      if (page && kernel.fixes.has('soft_offline_puts')) yield* call(put_page, page)
    }

    return {
      ops: {},
      roles: {
        fault: { body: dev_dax_fault },
        gup: { body: gup, times: 2, finishes: true },
        'soft-offline': { body: soft_offline, times: 1 },
        exit: { body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
        fork: { body: fork },
        unbind: { body: unbind, times: 1, finishes: true },
      },
      threads: { fault: 1, gup: 2, exit: 1, unbind: 1 },
      scenarios: { 'users only': { fault: 1, gup: 2, fork: 1, exit: 1 } },
    }
  },
})

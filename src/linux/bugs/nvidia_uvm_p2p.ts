// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * uvm_pmm_gpu_device_p2p_init() of NVIDIA's open modules: P2PDMA pages that the driver maps to users. It assumes that
 * memremap_pages() leaves them with a count of one, which it takes as its own reference. From b7e282378773 (6.15) they have zero.
 */
import { call, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import { vm_insert_page, zap_pte } from '../mm/memory.ts'
import { memunmap_pages, percpu_ref_put_many, percpu_ref_tryget_live, put_page } from '../mm/memremap.ts'
import { set_page_count } from '../mm/page_ref.ts'
import { file_free, hand_out } from '../page_list.ts'
import { IDLE, type Kernel, MAPPINGS_GO_AWAY, type Page } from '../types.ts'

export const nvidia_uvm_p2p = driver({
  name: 'nvidia_uvm_p2p',
  type: 'PCI_P2PDMA',
  protocols: ['E', 'F', 'G'],
  setup(kernel: Kernel) {
    const { pgmap, mm, fixes } = kernel

    function* uvm_va_block_map(index: number): Steps<void> {
      const page = pgmap.pages[index % pgmap.pages.length]!
      const owned = yield* step('uvm_pmm_gpu_alloc', s => {
        if (s.get(page.life) !== IDLE || !percpu_ref_tryget_live(s, pgmap)) return false
        hand_out(s, page)
        return true
      })
      if (!owned) return
      if (fixes.has('uvm_p2p_sets_count')) yield* set_page_count(page, 1)
      yield* vm_insert_page(mm.addresses[index % mm.addresses.length]!, page)
      yield* call(put_page, page)
    }

    function* uvm_page_free(page: Page): Steps<void> {
      yield* step('device_p2p_page_free_wake', s => file_free(s, page))
      yield* percpu_ref_put_many(pgmap, 1)
    }

    function* exit_mmap(): Steps<void> {
      for (const address of mm.addresses) yield* call(zap_pte, address)
    }

    function* unbind(): Steps<void> {
      yield* memunmap_pages(pgmap)
    }

    return {
      ops: { page_free: uvm_page_free },
      roles: {
        map: { body: uvm_va_block_map, times: 2 },
        exit: { body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
        unbind: { body: unbind, times: 1, finishes: true },
      },
      threads: { map: 1, exit: 1, unbind: 1 },
    }
  },
})

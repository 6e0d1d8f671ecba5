// SPDX-License-Identifier: GPL-2.0-or-later
/** What the simulated kernel does by each protocol (docs of the protocols: `src/linux/protocols/`), with its call sites. */
import { Op } from '../../src/trace/events.ts'
import type { Fault, Protocol } from './options.ts'
import { type Site, site } from './sites.ts'

/** One kind of reference: how and where it is taken and given back. */
export interface Kind {
  get: [op: Op, val: number, site: Site][]
  put: [op: Op, val: number, sites: Site[]]
  /** Held on behalf of the task that took it, or handed to any other. */
  own: boolean
  /** A page table's: the map count rises after the get and falls before the put. */
  mapped?: true
}

export interface Rules {
  /** Counts set one after the other when the pagemap is set up. */
  setup: number[]
  idle: number
  /** How a page is handed out: undefined where no count changes. */
  alloc: [op: Op, val: number, site: Site] | undefined
  /** The reference that a page is handed out with. */
  root: Kind['put']
  /** That reference is a page table's. */
  rootMapped?: true
  /** A reference that follows at once and for which the life goes on: a mapping. */
  mapping: Kind | undefined
  kinds: Kind[]
  /** Whether the put that brings the count to idle goes on to set it. */
  resetTo: number | undefined
  freeAt: number
}

export const SYSCALL = 'do_syscall_64+0x51 entry_SYSCALL_64_after_hwframe+0x4b'
export const IOCTL = `driver:zd_ioctl+0xe8 __x64_sys_ioctl+0x8a ${SYSCALL}`
const FAULT_PATH =
  'do_swap_page+0x301 handle_mm_fault+0x6d0 do_user_addr_fault+0x158 exc_page_fault+0x60 asm_exc_page_fault+0x22'
const UNMAP = `unmap_vmas+0x80 unmap_region+0xb9 do_vmi_munmap+0x17c __x64_sys_munmap+0x1b ${SYSCALL}`

const eventOf = (op: Op) =>
  ['set', 'mod', 'mod_and_test', 'mod_and_return', 'mod_unless', 'freeze', 'unfreeze'][op] as string

/** Puts end in different helpers by protocol: a plain put, or the one for pages whose idle count is 1. */
function putHelper(op: Op): string {
  return op === Op.MOD_AND_RETURN ? '__put_devmap_managed_folio_refs+0x2a' : ''
}

const getSite = (op: Op, helpers: string, acting: string, callers: string) =>
  site(eventOf(op), helpers, acting, callers)
export const putSite = (op: Op, acting: string, callers: string) => site(eventOf(op), putHelper(op), acting, callers)

/** Where pages are pinned for the driver's ioctl: the driver acts, the core's way to the page stands above it. */
function pinSite(op: Op, helpers: string, by: string): Site {
  const [acting, ...callers] = IOCTL.split(' ')
  return getSite(op, `${helpers} gup_fast_fallback+0x2d1 ${by}`, acting!, callers.join(' '))
}

/** Kinds that drivers and the core add on top, with puts by `op`. Two share a put site, two share function names. */
function commonKinds(op: Op, pin: number): Kind[] {
  const user = (offset: number): Kind => ({
    get: [[Op.MOD, 1, getSite(Op.MOD, '', `driver:zd_user_get+0x${offset.toString(16)}`, IOCTL)]],
    put: [op, -1, [putSite(op, `driver:zd_user_put+0x${offset.toString(16)}`, IOCTL)]],
    own: false,
  })
  const pinned: Kind['get'] =
    pin === 1
      ? [[Op.MOD_UNLESS, 1, pinSite(Op.MOD_UNLESS, 'try_grab_folio_fast+0x71', 'pin_user_pages_fast+0x39')]]
      : [
          [
            Op.MOD_UNLESS,
            1,
            pinSite(Op.MOD_UNLESS, 'try_get_folio+0x31 try_grab_folio_fast+0x20', 'pin_user_pages_fast+0x39'),
          ],
          [Op.MOD, pin - 1, pinSite(Op.MOD, 'try_grab_folio_fast+0x98', 'pin_user_pages_fast+0x39')],
        ]
  return [
    user(0x10),
    user(0x60),
    {
      get: pinned,
      put: [
        op,
        -pin,
        [site(eventOf(op), `${putHelper(op)} gup_put_folio+0x55`.trim(), 'unpin_user_pages+0x7c', IOCTL)],
      ],
      own: true,
    },
    {
      get: [
        [
          Op.MOD,
          1,
          getSite(
            Op.MOD,
            '',
            'copy_nonpresent_pte+0x1a3',
            `copy_page_range+0x60c dup_mmap+0x3b2 copy_process+0x1a11 ${SYSCALL}`,
          ),
        ],
      ],
      put: [
        op,
        -1,
        [
          putSite(op, 'unmap_page_range+0x8c1', UNMAP),
          putSite(op, 'migrate_vma_collect_pmd+0x4f2', `walk_page_range+0x121 ${IOCTL}`),
        ],
      ],
      own: false,
      mapped: true,
    },
    {
      get: [[Op.MOD, 1, getSite(Op.MOD, '', 'do_swap_page+0x2e6', FAULT_PATH.slice(FAULT_PATH.indexOf(' ') + 1))]],
      put: [op, -1, [putSite(op, 'do_swap_page+0x322', FAULT_PATH.slice(FAULT_PATH.indexOf(' ') + 1))]],
      own: true,
    },
  ]
}

function mappingKind(op: Op, acting: string, callers: string): Kind {
  return {
    get: [[Op.MOD, 1, getSite(Op.MOD, '', acting, callers)]],
    put: [op, -1, [putSite(op, 'unmap_page_range+0x8c1', UNMAP)]],
    own: false,
    mapped: true,
  }
}

export function rulesOf(protocol: Protocol): Rules {
  const test = Op.MOD_AND_TEST
  const finalize = (op: Op) => putSite(op, 'migrate_device_finalize+0x1f0', IOCTL)
  const migration = (op: Op) =>
    mappingKind(
      op,
      'remove_migration_pte+0x1b2',
      `rmap_walk_anon+0xd1 remove_migration_ptes+0x62 migrate_device_finalize+0x178 ${IOCTL}`,
    )
  const p2p = `kernfs_fop_mmap+0x66 mmap_region+0x3f1 do_mmap+0x40a ${SYSCALL}`
  const insertPage = site(
    'mod',
    '',
    'insert_page_into_pte_locked+0x52',
    `vm_insert_page+0xc1 p2pmem_alloc_mmap+0x1c4 ${p2p}`,
  )
  const daxCallers = `dax_iomap_pte_fault+0x222 ext4_dax_huge_fault+0xa0 __do_fault+0x2e ${FAULT_PATH.slice(FAULT_PATH.indexOf(' ') + 1)}`
  switch (protocol) {
    case 'A':
      return {
        setup: [1],
        idle: 1,
        alloc: [Op.MOD, 1, site('mod', '', 'driver:zd_alloc_page+0x48', IOCTL)],
        root: [Op.MOD_AND_RETURN, -1, [finalize(Op.MOD_AND_RETURN)]],
        mapping: migration(Op.MOD_AND_RETURN),
        kinds: commonKinds(Op.MOD_AND_RETURN, 1),
        resetTo: undefined,
        freeAt: 1,
      }
    case 'D':
      return {
        setup: [1],
        idle: 1,
        alloc: undefined,
        root: [test, -1, [finalize(test)]],
        mapping: migration(test),
        kinds: commonKinds(test, 1),
        resetTo: 1,
        freeAt: 0,
      }
    case 'E':
      return {
        setup: [1, 0],
        idle: 0,
        alloc: [Op.SET, 1, site('set', 'zone_device_page_init+0x3b', 'driver:zd_alloc_page+0x48', IOCTL)],
        root: [test, -1, [finalize(test)]],
        mapping: migration(test),
        kinds: commonKinds(test, 1),
        resetTo: undefined,
        freeAt: 0,
      }
    case 'GENERIC':
      return {
        setup: [1],
        idle: 1,
        alloc: [
          Op.MOD,
          1,
          site(
            'mod',
            '',
            'insert_page_into_pte_locked+0x52',
            `insert_page+0x41 vmf_insert_page_mkwrite+0x9a __dev_dax_fault+0x1c8 ${FAULT_PATH}`,
          ),
        ],
        root: [test, -1, [putSite(test, 'unmap_page_range+0x8c1', UNMAP)]],
        rootMapped: true,
        mapping: undefined,
        kinds: commonKinds(test, 1).slice(0, 3),
        resetTo: undefined,
        freeAt: 1,
      }
    case 'FSDAX_612':
      return {
        setup: [1],
        idle: 1,
        alloc: [
          Op.MOD_UNLESS,
          1,
          pinSite(Op.MOD_UNLESS, 'try_get_folio+0x31 gup_fast_devmap_leaf+0x9b', 'get_user_pages_fast+0x39'),
        ],
        root: [
          Op.MOD_AND_RETURN,
          -1,
          [putSite(Op.MOD_AND_RETURN, 'page_cache_pipe_buf_release+0x3a', `free_pipe_info+0x9d ${SYSCALL}`)],
        ],
        mapping: undefined,
        kinds: [commonKinds(Op.MOD_AND_RETURN, 1024)[2]!],
        resetTo: undefined,
        freeAt: 1,
      }
    case 'FSDAX_73':
      return {
        setup: [1, 0],
        idle: 0,
        alloc: [Op.MOD, 1, site('mod', '', 'dax_fault_iter+0x3d8', daxCallers)],
        root: [test, -1, [putSite(test, 'dax_fault_iter+0x44b', daxCallers)]],
        mapping: {
          get: [
            [
              Op.MOD,
              1,
              site(
                'mod',
                '',
                'insert_page_into_pte_locked+0x52',
                `insert_page+0x41 vmf_insert_page_mkwrite+0x9a dax_fault_iter+0x422 ${daxCallers}`,
              ),
            ],
          ],
          put: [
            test,
            -1,
            [
              site(
                'mod_and_test',
                'folios_put_refs+0x13d free_pages_and_swap_cache+0xb5 __tlb_batch_free_encoded_pages+0x52 tlb_flush_mmu+0x60',
                'unmap_vmas+0x80',
                UNMAP.slice(UNMAP.indexOf(' ') + 1),
              ),
            ],
          ],
          own: false,
          mapped: true,
        },
        kinds: [commonKinds(test, 1)[2]!],
        resetTo: undefined,
        freeAt: 0,
      }
    case 'P2PDMA_612':
      return {
        setup: [1],
        idle: 1,
        alloc: undefined,
        root: [test, -1, [putSite(test, 'p2pmem_alloc_mmap+0x1e0', p2p)]],
        mapping: {
          get: [[Op.MOD, 1, insertPage]],
          put: [test, -1, [putSite(test, 'unmap_page_range+0x8c1', UNMAP)]],
          own: false,
          mapped: true,
        },
        kinds: [commonKinds(test, 1024)[2]!],
        resetTo: 1,
        freeAt: 0,
      }
    case 'P2PDMA_73':
      return {
        setup: [1, 0],
        idle: 0,
        alloc: [Op.SET, 1, site('set', '', 'p2pmem_alloc_mmap+0x150', p2p)],
        root: [test, -1, [putSite(test, 'p2pmem_alloc_mmap+0x1e0', p2p)]],
        mapping: {
          get: [[Op.MOD, 1, insertPage]],
          put: [test, -1, [putSite(test, 'unmap_page_range+0x8c1', UNMAP)]],
          own: false,
          mapped: true,
        },
        kinds: [commonKinds(test, 1)[2]!],
        resetTo: undefined,
        freeAt: 0,
      }
  }
}

/** Which faults a protocol's recorded changes can show at all. */
export function canShow(protocol: Protocol, fault: Fault): boolean {
  const silentAlloc = protocol === 'D' || protocol === 'P2PDMA_612'
  const anyGetAllocates = protocol === 'GENERIC' || protocol === 'FSDAX_612' || protocol === 'FSDAX_73'
  switch (fault) {
    case 'no-init':
    case 'stale-get':
    case 'stale-get-put':
      return !silentAlloc && !anyGetAllocates
    case 'driver-leak':
    case 'surplus-put':
      return !silentAlloc
    case 'surplus-put-early':
      // By 6.12's FS_DAX rules only pins nest, and those put 1024 at once.
      return protocol !== 'FSDAX_612'
    default:
      return true
  }
}

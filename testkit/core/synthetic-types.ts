// SPDX-License-Identifier: GPL-2.0-or-later
/** Structures of the synthetic kernel: those members of 6.12's that are read, at places of their own. */
import type { BtfSpec } from './btf-writer.ts'

export const TYPES: BtfSpec = {
  structs: {
    list_head: { size: 16, members: { next: [0, 'pointer'], prev: [8, 'pointer'] } },
    page: {
      size: 64,
      members: {
        flags: [0, 8],
        compound_head: [8, 8],
        pgmap: [8, 'pointer'],
        zone_device_data: [16, 'pointer'],
        mapping: [24, 'pointer'],
        index: [32, 8],
        _mapcount: [48, 4],
        _refcount: [52, 4],
      },
    },
    folio: { size: 128, members: { _flags_1: [64, 8] } },
    slab: { size: 64, members: { slab_cache: [8, 'pointer'], freelist: [32, 'pointer'] } },
    kmem_cache: {
      size: 128,
      members: {
        cpu_slab: [0, 'pointer'],
        size: [24, 4],
        offset: [40, 4],
        red_left_pad: [88, 4],
        name: [96, 'pointer'],
        random: [104, 8],
      },
    },
    kmem_cache_cpu: { size: 32, members: { freelist: [0, 'pointer'] } },
    xarray: { size: 16, members: { xa_head: [8, 'pointer'] } },
    xa_node: { size: 576, members: { shift: [0, 1], slots: [40, { text: 512 }] } },
    percpu_ref_data: { size: 56, members: { count: [0, 8] } },
    percpu_ref: { size: 16, members: { percpu_count_ptr: [0, 8], data: [8, 'pointer'] } },
    dev_pagemap_ops: { size: 32, members: { page_free: [0, 'pointer'] } },
    dev_pagemap: {
      size: 128,
      members: {
        ref: [8, { struct: 'percpu_ref' }],
        type: [56, 4],
        flags: [60, 4],
        vmemmap_shift: [64, 8],
        ops: [72, 'pointer'],
        owner: [80, 'pointer'],
        nr_range: [88, 4],
        range: [96, { text: 16 }],
      },
    },
    module_memory: { size: 16, members: { base: [0, 'pointer'], size: [8, 4] } },
    mod_kallsyms: { size: 32, members: { symtab: [0, 'pointer'], num_symtab: [8, 4], strtab: [16, 'pointer'] } },
    module: {
      size: 256,
      members: {
        list: [8, { struct: 'list_head' }],
        name: [24, { text: 56 }],
        mem: [96, { array: 'module_memory', length: 2 }],
        kallsyms: [160, 'pointer'],
      },
    },
    thread_struct: { size: 16, members: { sp: [0, 8] } },
    task_struct: {
      size: 256,
      members: {
        stack: [0, 'pointer'],
        on_cpu: [8, 4],
        pid: [12, 4],
        tasks: [16, { struct: 'list_head' }],
        mm: [32, 'pointer'],
        comm: [40, { text: 16 }],
        signal: [64, 'pointer'],
        thread_node: [72, { struct: 'list_head' }],
        files: [88, 'pointer'],
        thread: [96, { struct: 'thread_struct' }],
      },
    },
    signal_struct: { size: 32, members: { thread_head: [0, { struct: 'list_head' }] } },
    mm_struct: { size: 64, members: { pgd: [0, 'pointer'] } },
    fdtable: { size: 56, members: { max_fds: [0, 4], fd: [8, 'pointer'] } },
    files_struct: { size: 64, members: { fdt: [32, 'pointer'] } },
    file: { size: 64, members: { f_op: [0, 'pointer'], private_data: [8, 'pointer'] } },
    pipe_buffer: { size: 40, members: { page: [0, 'pointer'] } },
    pipe_inode_info: {
      size: 64,
      members: { head: [0, 4], tail: [4, 4], ring_size: [8, 4], bufs: [16, 'pointer'] },
    },
  },
  enums: {
    memory_type: { MEMORY_DEVICE_PRIVATE: 1, MEMORY_DEVICE_COHERENT: 2, MEMORY_DEVICE_FS_DAX: 3 },
    zone_type: { ZONE_NORMAL: 2, ZONE_DEVICE: 4, __MAX_NR_ZONES: 5 },
    pageflags: { PG_locked: 0, PG_head: 6, PG_reserved: 13 },
    pagetype: { PGTY_buddy: 0xf0, PGTY_table: 0xf2, PGTY_slab: 0xf5 },
  },
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Builds the memory of a minimal kernel: page tables, kallsyms, BTF, a module, three tasks, and a pagemap of 64 pages with
 * holders of every kind. It serves tests that need no real dump, and the fuzzer, which damages it.
 */
import { type BtfSpec, writeBtf } from './btf-writer.ts'
import { FRAME, type Frames } from './dump-writer.ts'
import { SYNTHETIC_X86_64, type SyntheticArch } from './synthetic-arch.ts'
import { TYPES } from './synthetic-types.ts'

const PHYSICAL = 0x1000000
const USER = 0x7f0000000000n
export const FIRST_FRAME = PHYSICAL / FRAME
const FRAMES = 60
/** Device pages [FIRST_PFN, FIRST_PFN + PAGES). */
export const FIRST_PFN = 0x4000
export const PAGES = 64

/** The state of each page, by its index in the pagemap. */
export const ARRANGED = {
  mapped: 1,
  mappedTwice: 2,
  slab: 3,
  leaked: 4,
  negative: 5,
  pipe: 6,
  stack: 7,
  short: 8,
  registered: 9,
  bio: 10,
  bioArray: 11,
  scatterlist: 12,
  module: 13,
} as const

/** Bytes [first, end) of the kernel's memory, relative to its first frame. */
export interface Region {
  what: 'table' | 'btf' | 'kallsyms'
  first: number
  end: number
}

export interface SyntheticKernel {
  frames: Frames
  vmcoreinfo: string
  /** Where page tables, types and symbols lie, as targets for the fuzzer. */
  regions: Region[]
}

class Memory {
  readonly arch: SyntheticArch
  readonly bytes = new Uint8Array(FRAMES * FRAME)
  readonly view = new DataView(this.bytes.buffer)
  readonly symbols: { name: string; address: bigint }[] = []
  readonly regions: Region[] = []
  #end = FRAME

  constructor(arch: SyntheticArch) {
    this.arch = arch
  }

  physical(address: bigint): number {
    return this.at(address) + PHYSICAL
  }

  direct(address: bigint): bigint {
    return this.arch.direct + BigInt(this.physical(address))
  }

  /** Returns the address of a struct page. */
  pageOf(pfn: number): bigint {
    return this.arch.memoryMap + BigInt(pfn) * 64n
  }

  /** Allocates memory in the kernel image. @returns its address */
  room(bytes: number, align = 8): bigint {
    const at = Math.ceil(this.#end / align) * align
    this.#end = at + bytes
    if (this.#end > this.bytes.length) throw new Error('the synthetic kernel needs more frames')
    return this.arch.image + BigInt(at)
  }

  frame(): bigint {
    return this.room(FRAME, FRAME)
  }

  table(): bigint {
    const table = this.frame()
    this.region('table', table, FRAME)
    return table
  }

  region(what: Region['what'], address: bigint, bytes: number): void {
    this.regions.push({ what, first: this.at(address), end: this.at(address) + bytes })
  }

  /** Allocates a variable with a symbol in kallsyms. */
  variable(name: string, bytes = 8): bigint {
    const address = this.room(bytes)
    this.symbols.push({ name, address })
    return address
  }

  at(address: bigint): number {
    return Number(address - this.arch.image)
  }

  u64(address: bigint, value: bigint): void {
    this.view.setBigUint64(this.at(address), BigInt.asUintN(64, value), true)
  }

  u32(address: bigint, value: number): void {
    this.view.setUint32(this.at(address), value >>> 0, true)
  }

  put(address: bigint, bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at(address))
  }

  text(address: bigint, text: string): void {
    this.put(address, new TextEncoder().encode(`${text}\0`))
  }

  /** Writes a structure. @param values by the paths of members */
  struct(name: string, values: Record<string, bigint | number | string>, at?: bigint): bigint {
    const address = at ?? this.room(sizeOf(name))
    for (const [path, value] of Object.entries(values)) this.set(name, address, path, value)
    return address
  }

  set(name: string, address: bigint, path: string, value: bigint | number | string): void {
    const { offset, bytes } = memberOf(TYPES, name, path)
    const place = address + BigInt(offset)
    if (typeof value === 'string') this.text(place, value)
    else if (bytes === 8) this.u64(place, BigInt(value))
    else if (bytes === 1) this.bytes[this.at(place)] = Number(value)
    else this.u32(place, Number(value))
  }

  list(head: bigint, entries: readonly bigint[]): void {
    const ring = [head, ...entries]
    ring.forEach((entry, i) => {
      this.u64(entry, ring[(i + 1) % ring.length]!)
      this.u64(entry + 8n, ring[(i + ring.length - 1) % ring.length]!)
    })
  }
}

function sizeOf(name: string): number {
  return TYPES.structs[name]!.size
}

function memberOf(types: BtfSpec, name: string, path: string): { offset: number; bytes: number } {
  let struct = name
  let offset = 0
  let bytes = 8
  for (const part of path.split('.')) {
    const [at, type] = types.structs[struct]!.members[part]!
    offset += at
    bytes = typeof type === 'number' ? type : 8
    if (typeof type === 'object' && 'struct' in type) struct = type.struct
  }
  return { offset, bytes }
}

const offsetOf = (name: string, path: string) => BigInt(memberOf(TYPES, name, path).offset)

/** Creates the page tables on the way to an address, and writes `entry` at `level`. */
function mapPage(memory: Memory, root: bigint, address: bigint, entry: bigint, level: 1 | 2): void {
  let table = root
  for (let at = memory.arch.levels; at > level; at--) {
    // On aarch64, the fifth level resolves the upper four of 52 bits.
    const slot = table + ((address >> BigInt(12 + 9 * (at - 1))) & (at === 5 ? 15n : 511n)) * 8n
    const known = memory.view.getBigUint64(memory.at(slot), true)
    if (known === 0n) memory.u64(slot, memory.arch.table(memory.physical(memory.table())))
    table = memory.arch.image + (memory.view.getBigUint64(memory.at(slot), true) & 0xffffffffff000n) - BigInt(PHYSICAL)
  }
  memory.u64(table + ((address >> BigInt(12 + 9 * (level - 1))) & 511n) * 8n, entry)
}

export function syntheticKernel(arch = SYNTHETIC_X86_64): SyntheticKernel {
  const memory = new Memory(arch)
  memory.symbols.push(
    { name: '_stext', address: memory.arch.image },
    { name: 'memunmap_pages', address: memory.arch.image + 0x100n },
  )
  const root = memory.table()
  memory.symbols.push({ name: arch.root, address: root })
  mapPage(memory, root, arch.image, arch.large(PHYSICAL), 2)
  mapPage(memory, root, memory.direct(arch.image), arch.large(PHYSICAL), 2)
  const ram = mapStructs(memory, root, FIRST_FRAME)
  const device = mapStructs(memory, root, FIRST_PFN)
  for (let i = 0; i < FRAMES; i++) page(memory, ram, i, { _refcount: 1, _mapcount: -1, flags: 0x2000n })
  const holders = arrange(memory, device, ram)
  tasks(memory, root, holders)
  modules(memory, root)
  cpus(memory)
  const btf = writeBtf(TYPES)
  const start = memory.variable('__start_BTF', btf.length)
  memory.put(start, btf)
  memory.region('btf', start, btf.length)
  memory.symbols.push({ name: '__stop_BTF', address: start + BigInt(btf.length) })
  const tables = kallsyms(memory)
  return { frames: framesOf(memory), vmcoreinfo: vmcoreinfo(memory, root, tables), regions: memory.regions }
}

function framesOf({ bytes }: Memory): Frames {
  return new Map(Array.from({ length: FRAMES }, (_, i) => [FIRST_FRAME + i, bytes.slice(i * FRAME, (i + 1) * FRAME)]))
}

/** Maps the struct pages of 64 frames in the memory map. */
function mapStructs(memory: Memory, root: bigint, pfn: number): bigint {
  const structs = memory.frame()
  mapPage(memory, root, memory.pageOf(pfn), memory.arch.page(memory.physical(structs)), 1)
  return structs
}

function page(memory: Memory, structs: bigint, index: number, values: Record<string, bigint | number>): void {
  memory.struct('page', values, structs + BigInt(64 * index))
}

/** Creates the pagemap, its pages and all of their holders except page tables. */
function arrange(memory: Memory, device: bigint, ram: bigint) {
  const counter = memory.room(8)
  memory.u64(counter, BigInt(Object.keys(ARRANGED).length))
  const data = memory.struct('percpu_ref_data', { count: (1n << 63n) + 1n })
  const operations = memory.variable('test_ops', 32)
  memory.u64(operations, memory.arch.image + 0x200n)
  memory.symbols.push(
    { name: 'test_page_free', address: memory.arch.image + 0x200n },
    { name: 'zone_device_page_init', address: memory.arch.image + 0x300n },
  )
  const pagemap = memory.struct('dev_pagemap', {
    'ref.percpu_count_ptr': counter,
    'ref.data': data,
    type: 1,
    ops: operations,
    nr_range: 1,
  })
  const range = pagemap + offsetOf('dev_pagemap', 'range')
  memory.u64(range, BigInt(FIRST_PFN * FRAME))
  memory.u64(range + 8n, BigInt((FIRST_PFN + PAGES) * FRAME - 1))
  const node = memory.struct('xa_node', { shift: 0 })
  memory.u64(node + offsetOf('xa_node', 'slots'), pagemap)
  memory.struct('xarray', { xa_head: node + 2n }, memory.variable('pgmap_array', 16))
  const used: Record<number, [count: number, mapcount: number]> = {
    [ARRANGED.mapped]: [1, 0],
    [ARRANGED.mappedTwice]: [2, 1],
    [ARRANGED.slab]: [1, -1],
    [ARRANGED.leaked]: [1, -1],
    [ARRANGED.negative]: [-1, -1],
    [ARRANGED.pipe]: [1, -1],
    [ARRANGED.stack]: [1, -1],
    [ARRANGED.short]: [1, 1],
    [ARRANGED.registered]: [1024, -1],
    [ARRANGED.bio]: [1, -1],
    [ARRANGED.bioArray]: [1, -1],
    [ARRANGED.scatterlist]: [1, -1],
    [ARRANGED.module]: [1, -1],
  }
  for (let i = 0; i < PAGES; i++) {
    const [_refcount, _mapcount] = used[i] ?? [0, -1]
    page(memory, device, i, { flags: 4n << 61n, pgmap: pagemap, _refcount, _mapcount })
  }
  const buffer = slab(memory, ram)
  bioSlab(memory, ram)
  scatterlist(memory, ram)
  return { files: openFiles(memory, [pipe(memory), ioUring(memory, buffer)]) }
}

const RANDOM = 0x123456789abcdef0n

/** Creates a cache of objects of 64 bytes with one slab. */
function cacheOf(memory: Memory, text: string): { cache: bigint; objects: bigint } {
  const name = memory.room(16)
  memory.text(name, text)
  const cpu = memory.struct('kmem_cache_cpu', {})
  const cache = memory.struct('kmem_cache', { cpu_slab: cpu, size: 64, offset: 32, name, random: RANDOM })
  return { cache, objects: memory.frame() }
}

function makeSlab(memory: Memory, ram: bigint, objects: bigint, slab: Record<string, bigint>): void {
  const index = (memory.physical(objects) - PHYSICAL) / FRAME
  page(memory, ram, index, { _mapcount: 0xf5000000 })
  memory.struct('slab', slab, ram + BigInt(64 * index))
}

/**
 * Creates a slab. Its first object points to a page; its second object, which is free, points to the leaked page. The third is a
 * buffer of an io_uring, whose address is returned.
 */
function slab(memory: Memory, ram: bigint): bigint {
  const { cache, objects } = cacheOf(memory, 'test_object')
  const first = memory.direct(objects)
  memory.struct('io_mapped_ubuf', { nr_bvecs: 1 }, objects + 128n)
  memory.struct('bio_vec', { bv_page: memory.pageOf(FIRST_PFN + ARRANGED.registered), bv_len: FRAME }, objects + 144n)
  memory.u64(objects + 16n, memory.pageOf(FIRST_PFN + ARRANGED.slab))
  memory.u64(objects + 64n + 16n, memory.pageOf(FIRST_PFN + ARRANGED.leaked))
  const last = first + 64n + 32n
  let swapped = 0n
  for (let i = 0n; i < 8n; i++) swapped |= ((last >> (8n * i)) & 0xffn) << (8n * (7n - i))
  memory.u64(objects + 64n + 32n, RANDOM ^ swapped)
  makeSlab(memory, ram, objects, { slab_cache: cache, freelist: first + 64n })
  return first + 128n
}

/**
 * Creates two bios, each preceded by eight bytes of its driver's data. One has its array of pages directly behind it, the array
 * of the other is an object of another cache.
 */
function bioSlab(memory: Memory, ram: bigint): void {
  const { cache, objects } = cacheOf(memory, 'bio-64')
  const [bio, other] = [objects + 8n, objects + 64n + 8n]
  const array = bio + BigInt(sizeOf('bio'))
  memory.symbols.push({ name: 'test_end_io', address: memory.arch.image + 0x400n })
  memory.struct('bio', { bi_end_io: memory.arch.image + 0x400n, bi_io_vec: memory.direct(array) }, bio)
  memory.struct('bio_vec', { bv_page: memory.pageOf(FIRST_PFN + ARRANGED.bio), bv_len: FRAME }, array)
  makeSlab(memory, ram, objects, { slab_cache: cache })
  const vecs = cacheOf(memory, 'biovec-4')
  const second = vecs.objects + 64n + BigInt(sizeOf('bio_vec'))
  memory.struct('bio', { bi_end_io: memory.arch.image + 0x400n, bi_io_vec: memory.direct(vecs.objects + 64n) }, other)
  memory.struct('bio_vec', { bv_page: memory.pageOf(FIRST_PFN + ARRANGED.bioArray), bv_len: FRAME }, second)
  makeSlab(memory, ram, vecs.objects, { slab_cache: vecs.cache })
}

/** Creates a scatterlist in a kmalloc object. The page is in its second entry, which is marked as the last. */
function scatterlist(memory: Memory, ram: bigint): void {
  const { cache, objects } = cacheOf(memory, 'kmalloc-64')
  const page_link = memory.pageOf(FIRST_PFN + ARRANGED.scatterlist) | 2n
  memory.struct('scatterlist', { page_link, length: FRAME }, objects + 64n + 32n)
  makeSlab(memory, ram, objects, { slab_cache: cache })
}

function pipe(memory: Memory): bigint {
  const buffers = memory.struct('pipe_buffer', { page: memory.pageOf(FIRST_PFN + ARRANGED.pipe) })
  const info = memory.struct('pipe_inode_info', { head: 5, tail: 4, ring_size: 1, bufs: buffers })
  return memory.struct('file', { f_op: memory.variable('pipefifo_fops'), private_data: info })
}

/** Creates an io_uring with one registered buffer. */
function ioUring(memory: Memory, buffer: bigint): bigint {
  const nodes = memory.room(8)
  memory.u64(nodes, memory.struct('io_rsrc_node', { buf: buffer }))
  const ring = memory.struct('io_ring_ctx', { 'buf_table.nr': 1, 'buf_table.nodes': nodes })
  return memory.struct('file', { f_op: memory.variable('io_uring_fops'), private_data: ring })
}

/** Creates a table of open files, from descriptor 1 on. */
function openFiles(memory: Memory, files: readonly bigint[]): bigint {
  const descriptors = memory.room(8 * (files.length + 1))
  files.forEach((file, i) => {
    memory.u64(descriptors + BigInt(8 * (i + 1)), file)
  })
  const table = memory.struct('fdtable', { max_fds: files.length + 1, fd: descriptors })
  return memory.struct('files_struct', { fdt: table })
}

function tasks(memory: Memory, kernelRoot: bigint, { files }: { files: bigint }): void {
  // A root table of 16 entries is a slab object, and need not be aligned to a frame.
  const within = memory.arch.levels === 5 ? 128n : 0n
  const roots = [memory.table() + within, memory.table() + within]
  const maps: [number, number][] = [
    [0, ARRANGED.mapped],
    [0, ARRANGED.mappedTwice],
    [1, ARRANGED.mappedTwice],
    [0, ARRANGED.short],
    [1, ARRANGED.short],
  ]
  for (const [process, index] of maps) {
    mapPage(memory, roots[process]!, USER + BigInt(index * FRAME), memory.arch.privateEntry(FIRST_PFN + index), 1)
  }
  // The kernel's half is the same in all root tables.
  for (const root of memory.arch.sharesRoot ? roots : [])
    memory.put(root + 2048n, memory.bytes.slice(memory.at(kernelRoot) + 2048, memory.at(kernelRoot) + 4096))
  const stack = memory.room(16384, 16384)
  memory.u64(stack + 16384n - 64n, memory.pageOf(FIRST_PFN + ARRANGED.stack))
  memory.u64(stack + 64n, memory.pageOf(FIRST_PFN + ARRANGED.leaked))
  const init = memory.variable('init_task', sizeOf('task_struct'))
  memory.struct('task_struct', { comm: 'swapper/0' }, init)
  const others = roots.map((root, i) => {
    const mm = memory.struct('mm_struct', { pgd: memory.direct(root) })
    return memory.struct('task_struct', {
      pid: 10 + i,
      comm: `user-${i}`,
      mm,
      files: i === 0 ? files : 0n,
      stack: i === 0 ? memory.direct(stack) : 0n,
      [memory.arch.stackPointer]: i === 0 ? memory.direct(stack) + 16384n - 256n : 0n,
    })
  })
  memory.list(
    init + offsetOf('task_struct', 'tasks'),
    others.map(task => task + offsetOf('task_struct', 'tasks')),
  )
  for (const task of [init, ...others]) {
    const signal = memory.struct('signal_struct', {})
    memory.set('task_struct', task, 'signal', signal)
    memory.list(signal, [task + offsetOf('task_struct', 'thread_node')])
  }
  memory.variable('nr_swapfiles')
}

/** Creates a module with a variable that points to a page. */
function modules(memory: Memory, root: bigint): void {
  const symbols = memory.room(48)
  const names = memory.room(32)
  const frame = memory.frame()
  mapPage(memory, root, memory.arch.modules, memory.arch.page(memory.physical(frame)), 1)
  memory.u64(frame + 64n, memory.pageOf(FIRST_PFN + ARRANGED.module))
  memory.text(names + 1n, 'test_variable')
  memory.u32(symbols + 24n, 1)
  memory.view.setUint16(memory.at(symbols) + 24 + 6, 1, true)
  memory.u64(symbols + 24n + 8n, memory.arch.modules + 64n)
  const tables = memory.struct('mod_kallsyms', { symtab: symbols, num_symtab: 2, strtab: names })
  const module = memory.struct('module', { name: 'test_module', kallsyms: tables })
  memory.struct('module_memory', { base: memory.arch.modules, size: FRAME }, module + offsetOf('module', 'mem'))
  memory.list(memory.variable('modules', 16), [module + offsetOf('module', 'list')])
}

function cpus(memory: Memory): void {
  memory.variable('__per_cpu_offset', 8)
  memory.u64(memory.variable('__cpu_possible_mask', 8), 1n)
  memory.u32(memory.variable('nr_cpu_ids', 8), 1)
  memory.u64(memory.variable('page_offset_base', 8), memory.arch.direct)
  memory.u64(memory.variable('vmemmap_base', 8), memory.arch.memoryMap)
}

interface Tables {
  names: bigint
  count: bigint
  tokens: bigint
  index: bigint
  offsets: bigint
  base: bigint
}

/** Writes compressed kallsyms in which every character is a token of its own. */
function kallsyms(memory: Memory): Tables {
  memory.symbols.sort((a, b) => (a.address < b.address ? -1 : 1))
  const [tokens, index] = [memory.room(512), memory.room(512)]
  for (let i = 0; i < 256; i++) {
    memory.bytes[memory.at(tokens) + 2 * i] = i
    memory.view.setUint16(memory.at(index) + 2 * i, 2 * i, true)
  }
  const packed = memory.symbols.flatMap(({ name }) => [name.length + 1, ...new TextEncoder().encode(`t${name}`)])
  const names = memory.room(packed.length + 8)
  memory.put(names, Uint8Array.from(packed))
  const offsets = memory.room(4 * memory.symbols.length)
  memory.symbols.forEach(({ address }, i) => {
    memory.u32(offsets + BigInt(4 * i), Number(address - memory.arch.image))
  })
  const [count, base] = [memory.room(8), memory.room(8)]
  memory.u32(count, memory.symbols.length)
  memory.u64(base, memory.arch.image)
  memory.region('kallsyms', tokens, memory.at(base) + 8 - memory.at(tokens))
  return { names, count, tokens, index, offsets, base }
}

function vmcoreinfo(memory: Memory, root: bigint, { names, count, tokens, index, offsets, base }: Tables): string {
  const symbols = {
    _stext: memory.arch.image,
    [memory.arch.root]: root,
    kallsyms_names: names,
    kallsyms_num_syms: count,
    kallsyms_token_table: tokens,
    kallsyms_token_index: index,
    kallsyms_offsets: offsets,
    kallsyms_relative_base: base,
  }
  const lines = Object.entries(symbols).map(([name, address]) => `SYMBOL(${name})=${address.toString(16)}`)
  return ['OSRELEASE=0.0.0-synthetic', ...lines, ...memory.arch.info(PHYSICAL), ''].join('\n')
}

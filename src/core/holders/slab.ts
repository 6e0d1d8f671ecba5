// SPDX-License-Identifier: GPL-2.0-or-later
/** Slab objects (mm/slub.c): finds the cache and object that an address belongs to, and whether the object is allocated. */
import type { Kernel } from '../kernel/kernel.ts'
import { listEntries } from '../kernel/lists.ts'
import { percpuOffsets } from '../kernel/percpu.ts'
import { addressOf, has, pointer, u32 } from '../kernel/typed.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import type { PageView } from '../mm/page-layout.ts'

const MOST_OBJECTS = 1 << 16

export interface SlabObject {
  readonly cache: string
  readonly object: bigint
  readonly size: number
  /** Offset in bytes of the address in the object. */
  readonly offset: number
  /** Undefined if the lists of free objects cannot be read completely. */
  readonly allocated: boolean | undefined
}

interface Cache {
  name: string
  size: number
  /** Number of bytes before each object that debugging adds (red zone). */
  pad: number
  /** Offset in a free object of the pointer to the next one. */
  next: number
  /** Secret of the cache that is XORed into free-list pointers (CONFIG_SLAB_FREELIST_HARDENED); 0 without it. */
  random: bigint
  hardened: boolean
  /** Free objects that CPUs and nodes keep outside the slabs' own lists; undefined if these cannot be read. */
  onCpus: ReadonlySet<bigint> | undefined
}

export class SlabReader {
  readonly #kernel: Kernel
  readonly #map: MemoryMap
  readonly #directMap: bigint
  readonly #caches = new Map<bigint, Cache | undefined>()
  readonly #free = new Map<number, ReadonlySet<bigint> | undefined>()

  constructor(kernel: Kernel, map: MemoryMap, directMap: bigint) {
    this.#kernel = kernel
    this.#map = map
    this.#directMap = directMap
  }

  /**
   * Returns the object that contains a place.
   * @param head frame of the slab's first page
   * @param physical address of the place
   */
  objectAt(head: number, physical: number): SlabObject | undefined {
    return this.#kernel.try('a slab', () => {
      const slab = this.#map.addressOf(head)
      const cache = this.#cache(this.#word(slab, 'slab_cache'))
      if (!cache) return undefined
      const first = this.#directMap + BigInt(head * FRAME_BYTES)
      const distance = Number(this.#directMap + BigInt(physical) - first)
      const index = Math.floor(distance / cache.size)
      const object = first + BigInt(index * cache.size + cache.pad)
      const offset = distance - index * cache.size - cache.pad
      const allocated = this.#isAllocated(head, slab, cache, object)
      return offset < 0 ? undefined : { cache: cache.name, object, size: cache.size, offset, allocated }
    })
  }

  /** Yields the objects of caches whose names match. To find their slabs, all struct pages are read. */
  *objectsOf(name: RegExp, isSlab: (page: PageView) => boolean): Generator<SlabObject> {
    const member = this.#kernel.offsetOf('slab.slab_cache', 'page.slab_cache')
    if (member === undefined) return
    const slabs = new Map<bigint, { head: number; order: number }[]>()
    for (const { first, end } of this.#map.mapped()) {
      this.#map.visit(first, end, page => {
        if (page.isTail || !isSlab(page)) return
        const cache = page.words.getBigUint64(page.at + member, true)
        const known = slabs.get(cache)
        if (known) known.push({ head: page.pfn, order: page.order })
        else slabs.set(cache, [{ head: page.pfn, order: page.order }])
      })
    }
    for (const [address, list] of slabs) {
      const cache = this.#cache(address)
      if (!cache || !name.test(cache.name)) continue
      for (const { head, order } of list) yield* this.#objectsIn(head, order, cache)
    }
  }

  *#objectsIn(head: number, order: number, { size, pad }: Cache): Generator<SlabObject> {
    const start = head * FRAME_BYTES
    for (let at = 0; at + size <= 2 ** order * FRAME_BYTES; at += size) {
      const found = this.objectAt(head, start + at + pad)
      if (found) yield found
    }
  }

  #isAllocated(head: number, slab: bigint, cache: Cache, object: bigint): boolean | undefined {
    if (!this.#free.has(head))
      this.#free.set(
        head,
        this.#kernel.try('a slab', () => this.#freeIn(slab, cache)),
      )
    const free = this.#free.get(head)
    if (free?.has(object) || cache.onCpus?.has(object)) return false
    return free && cache.onCpus ? true : undefined
  }

  /** Reads a member of a slab's descriptor. Before 5.17 (d122019bf061) these members were in struct page. */
  #word(slab: bigint, member: string): bigint {
    const struct = this.#kernel.offset(`slab.${member}`) === undefined ? 'page' : 'slab'
    return pointer(this.#kernel.at(struct, slab), member)
  }

  #freeIn(slab: bigint, cache: Cache): ReadonlySet<bigint> | undefined {
    return this.#chain(this.#word(slab, 'freelist'), cache)
  }

  /** Returns the objects of a free list; undefined if the list is corrupt. */
  #chain(first: bigint, cache: Cache): Set<bigint> | undefined {
    const found = new Set<bigint>()
    for (let object = first; object !== 0n; ) {
      if (found.has(object) || found.size > MOST_OBJECTS || object < this.#directMap) return undefined
      found.add(object)
      const at = object + BigInt(cache.next)
      const stored = this.#kernel.memory.u64(at)
      object = cache.hardened ? stored ^ cache.random ^ swapped(at) : stored
    }
    return found
  }

  #cache(address: bigint): Cache | undefined {
    if (!this.#caches.has(address)) {
      this.#caches.set(
        address,
        this.#kernel.try('a slab cache', () => this.#readCache(address)),
      )
    }
    return this.#caches.get(address)
  }

  #readCache(address: bigint): Cache | undefined {
    const cache = this.#kernel.at('kmem_cache', address)
    const size = u32(cache, 'size')
    if (size < 8 || size > 1 << 22) return undefined
    const hardened = has(cache, 'random')
    const read: Cache = {
      name: this.#kernel.memory.text(pointer(cache, 'name'), 64),
      size,
      pad: has(cache, 'red_left_pad') ? u32(cache, 'red_left_pad') : 0,
      next: u32(cache, 'offset'),
      random: hardened ? pointer(cache, 'random') : 0n,
      hardened,
      onCpus: undefined,
    }
    read.onCpus = this.#kernel.try(`free objects of ${read.name}`, () => this.#onCpus(address, read))
    return read
  }

  /** Returns the free objects that are on no slab's own list. */
  #onCpus(address: bigint, cache: Cache): ReadonlySet<bigint> | undefined {
    const kernel = this.#kernel
    const found = new Set<bigint>()
    const typed = kernel.at('kmem_cache', address)
    for (const offset of percpuOffsets(kernel)) {
      // 7.0 removed the slabs of CPUs in favour of sheaves, which exist since 6.18 (2d517aa09bbc).
      if (has(typed, 'cpu_slab') && pointer(typed, 'cpu_slab') !== 0n) {
        const cpu = kernel.at('kmem_cache_cpu', BigInt.asUintN(64, pointer(typed, 'cpu_slab') + offset))
        const chain = this.#chain(pointer(cpu, 'freelist'), cache)
        if (!chain) return undefined
        for (const object of chain) found.add(object)
      }
      if (has(typed, 'cpu_sheaves') && pointer(typed, 'cpu_sheaves') !== 0n) {
        const sheaves = kernel.at('slub_percpu_sheaves', BigInt.asUintN(64, pointer(typed, 'cpu_sheaves') + offset))
        for (const which of ['main', 'spare', 'rcu_free']) this.#sheaf(pointer(sheaves, which), found)
      }
    }
    this.#barns(address, found)
    return found
  }

  #sheaf(address: bigint, found: Set<bigint>): void {
    if (address === 0n) return
    const sheaf = this.#kernel.at('slab_sheaf', address)
    const size = Math.min(MOST_OBJECTS, u32(sheaf, 'size'))
    const at = addressOf(sheaf, 'objects')
    for (let i = 0; i < size; i++) found.add(this.#kernel.memory.u64(at + BigInt(8 * i)))
  }

  /** Adds the objects of the full sheaves of each node. In 6.18 the barn belongs to `kmem_cache_node`, in 7.0 to the cache. */
  #barns(address: bigint, found: Set<bigint>): void {
    const kernel = this.#kernel
    const typed = kernel.at('kmem_cache', address)
    const perNode = has(typed, 'per_node')
    if (!perNode && kernel.offset('kmem_cache_node.barn') === undefined) return
    const nodes = kernel.address('nr_node_ids')
    const count = nodes === undefined ? 1 : Math.min(1024, Math.max(1, kernel.memory.u32(nodes)))
    const each = perNode ? BigInt(kernel.sizeOf('kmem_cache_per_node_ptrs')) : 8n
    for (let i = 0; i < count; i++) {
      const at = addressOf(typed, perNode ? 'per_node' : 'node') + BigInt(i) * each
      const node = perNode ? at : kernel.memory.u64(at)
      if (node === 0n) continue
      const barn = pointer(kernel.at(perNode ? 'kmem_cache_per_node_ptrs' : 'kmem_cache_node', node), 'barn')
      if (barn === 0n) continue
      const list = kernel.need('slab_sheaf.barn_list')
      const full = addressOf(kernel.at('node_barn', barn), 'sheaves_full')
      for (const sheaf of listEntries(kernel, full, list, 'the sheaves of a slab cache')) this.#sheaf(sheaf, found)
    }
  }
}

/** Reverses the order of the bytes. */
function swapped(value: bigint): bigint {
  let result = 0n
  for (let i = 0n; i < 8n; i++) result |= ((value >> (8n * i)) & 0xffn) << (8n * (7n - i))
  return result
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Identifies pages of block I/O. A `struct bio` lies in a slab object, and its array of bio_vecs either follows it there or is an
 * object of another cache. Drivers put their own data before the bio, so its offset in the object is not known. It is found by
 * its pointer to the array.
 */
import type { Kernel } from '../kernel/kernel.ts'
import type { PageView } from '../mm/page-layout.ts'
import type { SlabObject, SlabReader } from './slab.ts'

export interface BioPart {
  /** The bio that the pointer belongs to, in words. */
  readonly words: string
  readonly member: string
}

const BIO_CACHE = /^bio-\d+$/
const ARRAY_CACHE = /^biovec-/
/** Maximum number of pointers that are collected from objects of bio caches. */
const MOST_POINTERS = 1 << 20
/** Alignment of arrays that are objects of their own: slabs align their objects. */
const ARRAY_ALIGN = 16

/** Offsets and sizes of the structures in this kernel. */
interface Places {
  vecBytes: number
  page: number
  bioBytes: number
  pointer: number
  /** Offset from the start of a bio to an array that follows it. */
  behind: number
}

export class Bios {
  readonly #kernel: Kernel
  readonly #slabs: SlabReader
  readonly #isSlab: (page: PageView) => boolean
  readonly #places: Places | undefined
  /** Objects of bio caches by the values of their words. Built when the first array in an object of its own is met. */
  #byPointer: Map<bigint, { object: SlabObject; at: number }> | undefined

  constructor(kernel: Kernel, slabs: SlabReader, isSlab: (page: PageView) => boolean) {
    this.#kernel = kernel
    this.#slabs = slabs
    this.#isSlab = isSlab
    this.#places = placesOf(kernel)
  }

  /** Identifies a place in an object of a cache for bios or for their arrays; undefined for other caches. */
  part(found: SlabObject): BioPart | undefined {
    const places = this.#places
    if (!places) return undefined
    if (ARRAY_CACHE.test(found.cache)) return this.#inArray(found, places)
    return BIO_CACHE.test(found.cache) ? this.#inBio(found, places) : undefined
  }

  #inArray({ object, offset }: SlabObject, places: Places): BioPart | undefined {
    const index = entryAt(offset, places)
    if (index === undefined) return undefined
    const owner = this.#ownerOf(object, places)
    const member = `bio_vec[${index}].bv_page`
    if (!owner) return { words: 'a bio that was not found', member }
    return { words: `bio 0x${owner.bio.toString(16)} of slab cache ${owner.cache}${this.#endOf(owner.bio)}`, member }
  }

  #inBio({ object, size, offset }: SlabObject, places: Places): BioPart | undefined {
    const { behind } = places
    for (let start = 0; start + behind <= Math.min(offset, size); start += 8) {
      const bio = object + BigInt(start)
      const array = this.#kernel.try('a bio', () => this.#kernel.memory.u64(bio + BigInt(places.pointer)))
      const index = entryAt(offset - start - behind, places)
      if (array !== bio + BigInt(behind) || index === undefined) continue
      return { words: `a bio${this.#endOf(bio)}`, member: `bio_vec[${index}].bv_page` }
    }
    return undefined
  }

  /** Finds the bio that an array in an object of its own belongs to. */
  #ownerOf(array: bigint, { pointer, bioBytes }: Places): { bio: bigint; cache: string } | undefined {
    this.#byPointer ??= this.#readPointers()
    const found = this.#byPointer.get(array)
    if (!found) return undefined
    const start = found.at - pointer
    if (start < 0 || start + bioBytes > found.object.size) return undefined
    return { bio: found.object.object + BigInt(start), cache: found.object.cache }
  }

  /** Collects every word in objects of bio caches that can be a pointer to an array. */
  #readPointers(): Map<bigint, { object: SlabObject; at: number }> {
    const kernel = this.#kernel
    const pointers = new Map<bigint, { object: SlabObject; at: number }>()
    for (const object of this.#slabs.objectsOf(BIO_CACHE, this.#isSlab)) {
      if (object.allocated === false) continue
      const bytes = kernel.try('a bio', () => kernel.memory.bytes(object.object, object.size).slice())
      const view = bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      for (let at = 0; view && at + 8 <= view.byteLength && pointers.size < MOST_POINTERS; at += 8) {
        // The top bits of a kernel address are ones.
        if (view.getUint16(at + 6, true) < 0xff00 || view.getUint8(at) % ARRAY_ALIGN !== 0) continue
        pointers.set(view.getBigUint64(at, true), { object, at })
      }
    }
    return pointers
  }

  /** Names the bio's completion function (`bi_end_io`), which shows who submitted the bio. */
  #endOf(bio: bigint): string {
    const kernel = this.#kernel
    const at = kernel.offset('bio.bi_end_io')
    const end = at === undefined ? undefined : kernel.try('a bio', () => kernel.memory.u64(bio + BigInt(at)))
    const name = end === undefined || end === 0n ? undefined : kernel.nameOf(end)
    return name === undefined ? '' : ` that ends in ${name}`
  }
}

function placesOf(kernel: Kernel): Places | undefined {
  const vecBytes = kernel.btf.struct('bio_vec')?.size
  const page = kernel.offset('bio_vec.bv_page')
  const bioBytes = kernel.btf.struct('bio')?.size
  const pointer = kernel.offset('bio.bi_io_vec')
  if (vecBytes === undefined || page === undefined || bioBytes === undefined || pointer === undefined) return undefined
  // The array was the last member up to 6.17; since then it begins where the bio ends.
  return { vecBytes, page, bioBytes, pointer, behind: kernel.offset('bio.bi_inline_vecs') ?? bioBytes }
}

/** Returns the index of the bio_vec whose `bv_page` is at this distance from the array's start; undefined for other places. */
function entryAt(distance: number, { vecBytes, page }: Places): number | undefined {
  return distance >= 0 && distance % vecBytes === page ? Math.floor(distance / vecBytes) : undefined
}

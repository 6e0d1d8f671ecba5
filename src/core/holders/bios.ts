// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Pages of block I/O: a `struct bio` in a slab object, whose array of bio_vecs begins behind it, or is an object of a cache of its
 * own. Drivers put what is theirs before the bio, so its place in the object is not known; its pointer to the array tells.
 */
import type { Kernel } from '../kernel/kernel.ts'
import type { SlabObject } from './slab.ts'

export interface BioPart {
  /** What the pointer belongs to, in words. */
  readonly words: string
  readonly member: string
}

/** What a place in an object of a cache for bios, or for their arrays, is; undefined for other caches. */
export function bioPart(kernel: Kernel, { cache, object, size, offset }: SlabObject): BioPart | undefined {
  const each = kernel.btf.struct('bio_vec')?.size
  const page = kernel.offset('bio_vec.bv_page')
  if (each === undefined || page === undefined) return undefined
  const isPage = (distance: number) => distance >= 0 && distance % each === page
  if (/^biovec-/.test(cache)) {
    return isPage(offset)
      ? { words: 'pages of a bio', member: `bio_vec[${Math.floor(offset / each)}].bv_page` }
      : undefined
  }
  if (!/^bio-\d+$/.test(cache)) return undefined
  const bytes = kernel.btf.struct('bio')?.size
  const pointerAt = kernel.offset('bio.bi_io_vec')
  if (bytes === undefined || pointerAt === undefined) return undefined
  // The array was the last member up to 6.17; since then it begins where the bio ends.
  const behind = kernel.offset('bio.bi_inline_vecs') ?? bytes
  for (let start = 0; start + behind <= Math.min(offset, size); start += 8) {
    const bio = object + BigInt(start)
    const array = kernel.try('a bio', () => kernel.memory.u64(bio + BigInt(pointerAt)))
    if (array !== bio + BigInt(behind) || !isPage(offset - start - behind)) continue
    const index = Math.floor((offset - start - behind) / each)
    return { words: `a bio${endOf(kernel, bio)}`, member: `bio_vec[${index}].bv_page` }
  }
  return undefined
}

/** The function that is called when the bio is done, which says whose it is. */
function endOf(kernel: Kernel, bio: bigint): string {
  const at = kernel.offset('bio.bi_end_io')
  const end = at === undefined ? undefined : kernel.try('a bio', () => kernel.memory.u64(bio + BigInt(at)))
  const name = end === undefined || end === 0n ? undefined : kernel.nameOf(end)
  return name === undefined ? '' : ` that ends in ${name}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Entries of scatterlists and arrays of bio_vecs in memory of no type of its own (kmalloc, whole pages): what stands behind the
 * pointer to the page tells them. A scatterlist has the offset before the length, a bio_vec has it behind.
 */
import type { Kernel } from '../kernel/kernel.ts'

/** Caches whose objects can be of any type. */
const UNTYPED = /^(dma-)?kmalloc-/
const SCATTERLISTS = /^sgpool-/
/** Longest piece of memory that one entry is taken to be of, and what its length is a multiple of. */
const LONGEST = 1 << 26
const SECTOR = 512

/**
 * The member that a place is, as `scatterlist[2].page_link`; undefined where nothing tells.
 * @param cache of the object that the place is in; undefined in whole pages
 * @param offset of the place in the object, or in the page
 */
export function listEntry(
  kernel: Kernel,
  cache: string | undefined,
  address: bigint,
  offset: number,
): string | undefined {
  if (cache !== undefined && SCATTERLISTS.test(cache)) return memberOf(kernel, 'scatterlist', 'page_link', offset)
  if (cache !== undefined && !UNTYPED.test(cache)) return undefined
  const words = kernel.try('an entry of a list of pages', () => kernel.memory.bytes(address + 8n, 8).slice())
  if (!words) return undefined
  const view = new DataView(words.buffer)
  const [first, second] = [view.getUint32(0, true), view.getUint32(4, true)]
  if (first === 0 && isLength(second)) return memberOf(kernel, 'scatterlist', 'page_link', offset)
  return second === 0 && isLength(first) ? memberOf(kernel, 'bio_vec', 'bv_page', offset) : undefined
}

function isLength(value: number): boolean {
  return value > 0 && value <= LONGEST && value % SECTOR === 0
}

/** The place among entries that begin with the object; where they do not, the entry has no number. */
function memberOf(kernel: Kernel, struct: string, member: string, offset: number): string | undefined {
  const size = kernel.btf.struct(struct)?.size
  const at = kernel.offset(`${struct}.${member}`)
  if (size === undefined || at === undefined) return undefined
  const index = (offset - at) / size
  return Number.isInteger(index) && index >= 0 ? `${struct}[${index}].${member}` : `${struct}.${member}`
}

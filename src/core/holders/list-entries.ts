// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Recognises entries of scatterlists and arrays of bio_vecs in untyped memory (kmalloc, whole pages) by the words after the
 * pointer to the page. A scatterlist has the offset before the length, a bio_vec has the length before the offset.
 */
import type { Kernel } from '../kernel/kernel.ts'

/** Caches whose objects can have any type. */
const UNTYPED = /^(dma-)?kmalloc-/
const SCATTERLISTS = /^sgpool-/
/** Maximum length in bytes of one entry, and the unit of which its length must be a multiple. */
const LONGEST = 1 << 26
const SECTOR = 512

/**
 * Names the member at a place, such as `scatterlist[2].page_link`; undefined if the place is not recognised as an entry.
 * @param cache of the object that contains the place; undefined in whole pages
 * @param offset of the place in the object or in the page
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

/** Names the member at an offset. The index of the entry is given only if the offset fits an array that begins at offset 0. */
function memberOf(kernel: Kernel, struct: string, member: string, offset: number): string | undefined {
  const size = kernel.btf.struct(struct)?.size
  const at = kernel.offset(`${struct}.${member}`)
  if (size === undefined || at === undefined) return undefined
  const index = (offset - at) / size
  return Number.isInteger(index) && index >= 0 ? `${struct}[${index}].${member}` : `${struct}.${member}`
}

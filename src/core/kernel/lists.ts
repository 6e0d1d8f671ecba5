// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Iterates over linked lists and xarrays of the kernel. The walks end whatever memory contains, because damaged structures can
 * form cycles.
 */
import type { Kernel } from './kernel.ts'

const MOST_ENTRIES = 1 << 22

/**
 * Yields the addresses of the structures on a `struct list_head`, without the head. If an entry is not in the dump, the rest of
 * the list is read from its other end.
 * @param offset of the list's member in the structure
 */
export function* listEntries(kernel: Kernel, head: bigint, offset: number, what: string): Generator<bigint> {
  const seen = new Set<bigint>()
  // `next` is the first word of an entry, `prev` the second.
  for (const link of [0n, 8n]) {
    let at = kernel.try(what, () => kernel.memory.u64(head + link))
    while (at !== undefined && at !== head && at !== 0n && !seen.has(at) && seen.size < MOST_ENTRIES) {
      const entry: bigint = at
      seen.add(entry)
      yield entry - BigInt(offset)
      at = kernel.try(what, () => kernel.memory.u64(entry + link))
    }
    if (at === head) return
  }
}

/** Internal xarray entries below this value (sibling and other special entries) are not pointers. */
const XA_RESERVED = 4096n
const XA_CHUNK = 64
const MOST_DEPTH = 12

/** Yields the pointers in a `struct xarray` with their indices. Value entries, which are odd, are skipped. */
export function* xarrayEntries(
  kernel: Kernel,
  xarray: bigint,
  what: string,
): Generator<{ index: bigint; entry: bigint }> {
  const head = kernel.try(what, () => kernel.memory.u64(xarray + BigInt(kernel.need('xarray.xa_head'))))
  if (head === undefined) return
  if ((head & 3n) !== 2n) {
    if (head !== 0n && (head & 1n) === 0n) yield { index: 0n, entry: head }
    return
  }
  yield* nodeEntries(kernel, head - 2n, { what, base: 0n, seen: new Set(), depth: 0 })
}

interface NodeWalk {
  what: string
  base: bigint
  seen: Set<bigint>
  depth: number
}

function* nodeEntries(
  kernel: Kernel,
  node: bigint,
  { what, base, seen, depth }: NodeWalk,
): Generator<{ index: bigint; entry: bigint }> {
  if (seen.has(node) || depth > MOST_DEPTH || seen.size > MOST_ENTRIES) return
  seen.add(node)
  const read = kernel.try(what, () => {
    const shift = kernel.memory.u8(node + BigInt(kernel.need('xa_node.shift')))
    const slots = kernel.memory.bytes(node + BigInt(kernel.need('xa_node.slots')), XA_CHUNK * 8).slice()
    return { shift, slots: new BigUint64Array(slots.buffer, 0, XA_CHUNK) }
  })
  if (!read || read.shift > 60) return
  for (const [i, entry] of read.slots.entries()) {
    if (entry === 0n || (entry & 1n) === 1n) continue
    const index = base + (BigInt(i) << BigInt(read.shift))
    if ((entry & 3n) === 0n) yield { index, entry }
    else if (entry > XA_RESERVED) yield* nodeEntries(kernel, entry - 2n, { what, base: index, seen, depth: depth + 1 })
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Names the structure and member that a place in a slab object likely is, by BTF. */
import type { Btf, Struct } from '../kernel/btf.ts'
import type { Kernel } from '../kernel/kernel.ts'

/** Structures in caches that are not named after them. */
const BY_CACHE: Record<string, string> = { radix_tree_node: 'xa_node', filp: 'file' }
const MOST_DEPTH = 8

/** Returns `struct.member` for an offset in an object of a cache; undefined where the types allow several structures. */
export function memberAt(kernel: Kernel, cache: string, size: number, offset: number): string | undefined {
  const name = BY_CACHE[cache] ?? cache
  for (const btf of [kernel.btf, ...kernel.modules.map(module => module.btf)]) {
    const struct = btf?.struct(name)
    if (!btf || !struct || struct.size > size) continue
    const path = pathTo(btf, struct, offset, 0)
    if (path !== undefined) return `${name}.${path}`
  }
  return undefined
}

/** Returns the path of the pointer at an offset, through nested structures and arrays. */
function pathTo(btf: Btf, struct: Struct, offset: number, depth: number): string | undefined {
  if (depth > MOST_DEPTH) return undefined
  for (const { name, offset: start, type, bits } of struct.members.values()) {
    const size = btf.sizeOf(type)
    if (bits > 0 || offset < start || offset >= start + Math.max(size, 1)) continue
    const found = within(btf, type, offset - start, depth)
    if (found !== undefined) return `${name}${found}`
  }
  return undefined
}

/** Returns the rest of the path within a type; empty for a pointer at its beginning. */
function within(btf: Btf, type: number, offset: number, depth: number): string | undefined {
  if (btf.isPointer(type)) return offset === 0 ? '' : undefined
  const elements = btf.lengthOf(type)
  if (elements !== undefined) {
    const each = btf.sizeOf(btf.target(type))
    if (each === 0) return undefined
    const index = Math.floor(offset / each)
    const rest = within(btf, btf.target(type), offset - index * each, depth + 1)
    return rest === undefined ? undefined : `[${index}]${rest}`
  }
  const inner = btf.structOf(type)
  const path = inner && pathTo(btf, inner, offset, depth + 1)
  if (path !== undefined) return `.${path}`
  // A word that holds a pointer combined with flags, such as `page_link` of a scatterlist.
  return offset === 0 && btf.sizeOf(type) === 8 ? '' : undefined
}

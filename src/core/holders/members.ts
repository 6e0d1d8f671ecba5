// SPDX-License-Identifier: GPL-2.0-or-later
/** The structure and member that a place in a slab object likely is, by BTF. */
import type { Btf, Struct } from '../kernel/btf.ts'
import type { Kernel } from '../kernel/kernel.ts'

/** Structures that caches with other names hold. */
const BY_CACHE: Record<string, string> = { radix_tree_node: 'xa_node', filp: 'file' }
const MOST_DEPTH = 8

/** `struct.member` at an offset in an object of a cache; undefined where the types do not single one out. */
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

/** The member that holds a pointer at an offset, through structures and arrays within. */
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

/** The rest of the path within a type; empty for a pointer at its beginning. */
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
  // A word that keeps a pointer with flags in it, as a scatterlist's page_link.
  return offset === 0 && btf.sizeOf(type) === 8 ? '' : undefined
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads of members of a structure by name. All of them throw NotInDump if the memory is not in the dump. */
import type { Typed } from './kernel.ts'

/**
 * Returns the address of a member.
 * @throws CoreError if the kernel does not have the member
 */
export function addressOf({ kernel, struct, address }: Typed, member: string): bigint {
  return address + BigInt(kernel.need(`${struct}.${member}`))
}

export function pointer(typed: Typed, member: string): bigint {
  return typed.kernel.memory.u64(addressOf(typed, member))
}

export function u32(typed: Typed, member: string): number {
  return typed.kernel.memory.u32(addressOf(typed, member))
}

export function i32(typed: Typed, member: string): number {
  return typed.kernel.memory.i32(addressOf(typed, member))
}

/** Reads an unsigned integer of the size that it has in this kernel: 1, 2, 4 or 8 bytes, or a bit field. */
export function integer(typed: Typed, member: string): bigint {
  const { kernel, struct } = typed
  const found = kernel.btf.member(`${struct}.${member}`)
  const at = addressOf(typed, member)
  const { memory } = kernel
  if (found && found.bits > 0) {
    const width = found.bit + found.bits
    const raw =
      width > 32 ? memory.u64(at) : BigInt(width > 16 ? memory.u32(at) : width > 8 ? memory.u16(at) : memory.u8(at))
    return (raw >> BigInt(found.bit)) & ((1n << BigInt(found.bits)) - 1n)
  }
  const size = found ? kernel.btf.sizeOf(found.type) : 8
  if (size === 1) return BigInt(memory.u8(at))
  if (size === 2) return BigInt(memory.u16(at))
  return size === 4 ? BigInt(memory.u32(at)) : memory.u64(at)
}

export function text(typed: Typed, member: string, most = 64): string {
  return typed.kernel.memory.text(addressOf(typed, member), most)
}

/** True if the structure has this member in this kernel. */
export function has({ kernel, struct }: Typed, member: string): boolean {
  return kernel.offset(`${struct}.${member}`) !== undefined
}

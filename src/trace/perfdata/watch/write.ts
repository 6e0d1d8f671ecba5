// SPDX-License-Identifier: GPL-2.0-or-later
/** Describes what an instruction writes to memory, in terms that all architectures share. */

/**
 * What an instruction does to memory:
 * - `add`: adds the operand
 * - `set`: stores the operand
 * - `compare`: stores the operand if the memory equals a register. Afterwards that register contains the previous value of the
 *   memory, whether or not it was stored
 * - `fetch-add`: adds the operand. Afterwards its register contains the previous value of the memory
 * - `exchange`: stores a register. Afterwards that register contains the previous value of the memory
 * - `none`: only reads
 * - `unknown`: something else
 */
export type Effect = 'add' | 'set' | 'compare' | 'fetch-add' | 'exchange' | 'none' | 'unknown'

/** A number that depends on a register: `sign * register + constant`. */
export interface Operand {
  /** Register number by perf; -1 if the operand is only the constant. */
  register: number
  sign: 1 | -1
  constant: number
}

/** The registers in a sample, by perf's register numbers. */
export interface Registers {
  /** undefined: not recorded */
  get(register: number): bigint | undefined
}

/** The address that an instruction writes to: `base + scale * index + displacement`. -1 stands for an unused register. */
export interface Address {
  base: number
  index: number
  scale: number
  displacement: bigint
  /** True for per-CPU or per-task memory (a segment prefix), whose base is unknown. */
  isRelative: boolean
}

/** The write of one instruction. */
export interface Write {
  effect: Effect
  /** Number of bytes written. */
  width: number
  /** Undefined if the amount or value is unknown. */
  operand: Operand | undefined
  address: Address | undefined
  /** Register that afterwards contains the previous value of the memory; -1 if there is none. */
  before: number
  /** Registers that the instruction changes. An address that depends on them cannot be computed from a sample. */
  clobbered: readonly number[]
}

const ADDRESS_BITS = 64

/** Returns the address that an instruction wrote to; undefined if the registers do not determine it. */
export function writtenAddress(
  { address, clobbered }: Pick<Write, 'address' | 'clobbered'>,
  registers: Registers,
): bigint | undefined {
  if (!address || address.isRelative) return undefined
  let sum = address.displacement
  for (const [register, scale] of [
    [address.base, 1],
    [address.index, address.scale],
  ] as const) {
    if (register < 0) continue
    const value = clobbered.includes(register) ? undefined : registers.get(register)
    if (value === undefined) return undefined
    sum += value * BigInt(scale)
  }
  return BigInt.asUintN(ADDRESS_BITS, sum)
}

/** Returns the value of an operand as a signed number of `bits` bits; undefined if the registers do not determine it. */
export function operandValue(operand: Operand | undefined, registers: Registers): bigint | undefined {
  if (!operand) return undefined
  if (operand.register < 0) return BigInt(operand.constant)
  const value = registers.get(operand.register)
  return value === undefined ? undefined : BigInt(operand.sign) * value + BigInt(operand.constant)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** What an instruction writes to memory, in terms that all architectures share. */

/**
 * What becomes of the memory:
 * - `add`: the operand is added
 * - `set`: the operand is stored
 * - `compare`: the operand is stored if the memory is what a register says; that register holds afterwards what the memory
 *   held before, whether it was stored or not
 * - `fetch-add`: the operand was added, and its register holds afterwards what the memory held before
 * - `exchange`: a register was stored, and holds afterwards what the memory held before
 * - `none`: nothing; the instruction only reads
 * - `unknown`: something else
 */
export type Effect = 'add' | 'set' | 'compare' | 'fetch-add' | 'exchange' | 'none' | 'unknown'

/** A number that is known when the registers are: `sign * register + constant`. */
export interface Operand {
  /** Number in perf's order; -1: the constant alone. */
  register: number
  sign: 1 | -1
  constant: number
}

/** Registers at a sample, by their number in perf's order. */
export interface Registers {
  /** undefined: not recorded */
  get(register: number): bigint | undefined
}

/** The address that an instruction writes to: `base + scale * index + displacement`, -1 for a register that is not used. */
export interface Address {
  base: number
  index: number
  scale: number
  displacement: bigint
  /** Memory of the CPU or the task, whose base is not known. */
  isRelative: boolean
}

/** What one instruction writes. */
export interface Write {
  effect: Effect
  /** Bytes written. */
  width: number
  /** undefined: nothing tells the amount or the value. */
  operand: Operand | undefined
  address: Address | undefined
  /** Register that holds afterwards what the memory held before; -1: none. */
  before: number
  /** Registers that the instruction changes, so that the address cannot be checked by them. */
  clobbered: readonly number[]
}

const ADDRESS_BITS = 64

/** Address that an instruction wrote to; undefined where the registers do not tell. */
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

/** Value of an operand, of `bits` bits, signed; undefined where the registers do not tell. */
export function operandValue(operand: Operand | undefined, registers: Registers): bigint | undefined {
  if (!operand) return undefined
  if (operand.register < 0) return BigInt(operand.constant)
  const value = registers.get(operand.register)
  return value === undefined ? undefined : BigInt(operand.sign) * value + BigInt(operand.constant)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes what x86-64 instructions write to memory. Facts: Intel SDM volume 2. */

import type { Address, Effect, Operand, Write } from './write.ts'
import { type Instruction, REX_W } from './x86-instruction.ts'

/** perf's register numbers (arch/x86/include/uapi/asm/perf_regs.h) by those of the instruction set. */
const PERF_REGISTERS = [0, 2, 3, 1, 7, 6, 4, 5, 16, 17, 18, 19, 20, 21, 22, 23]
const AX = 0
const DX = 3
export const X86_FLAGS = 9
export const ZERO_FLAG = 0x40n

/**
 * Register in the `reg` field of ModRM. Bit 2 of REX extends it; bit 1 extends the index, and bit 0 the base or the operand in
 * `rm`.
 */
export function registerField({ modrm, rex }: Instruction): number {
  return PERF_REGISTERS[((modrm >> 3) & 7) | ((rex & 4) << 1)]!
}

/** Register operand in the `rm` field of ModRM, if it is not memory. */
export function registerOperand({ modrm, rex }: Instruction): number {
  return PERF_REGISTERS[(modrm & 7) | ((rex & 1) << 3)]!
}

/** Register in the low bits of the opcode. */
export function opcodeRegister({ opcode, rex }: Instruction): number {
  return PERF_REGISTERS[(opcode & 7) | ((rex & 1) << 3)]!
}

/** True if ModRM has a memory operand. */
export function hasMemory({ modrm }: Instruction): boolean {
  return modrm >= 0 && modrm >> 6 !== 3
}

/** Bits 3 to 5 of ModRM, which select the instruction in an opcode group. */
export function groupOf({ modrm }: Instruction): number {
  return (modrm >> 3) & 7
}

/** Operand size in bytes of an integer instruction. Even opcodes have operands of one byte. */
export function operandBytes({ opcode, rex, isShort }: Instruction): number {
  if ((opcode & 1) === 0) return 1
  return rex & REX_W ? 8 : isShort ? 2 : 4
}

/**
 * Returns what an instruction writes to the memory operand of its ModRM or, for string instructions, to the address in di.
 *
 * @param next address of the instruction after it
 */
export function x86Write(found: Instruction, next: bigint): Write {
  const string = stringWrite(found)
  if (string) return string
  const { effect, operand = undefined } = hasMemory(found) ? effectOf(found) : { effect: 'none' as const }
  const register = registerField(found)
  const swaps = effect === 'fetch-add' || effect === 'exchange'
  return {
    effect,
    width: operandBytes(found),
    operand,
    address: hasMemory(found) ? addressOf(found, next) : undefined,
    before: effect === 'compare' ? AX : swaps ? register : -1,
    clobbered: effect === 'compare' ? [AX] : swaps ? [register] : effect === 'unknown' ? [AX, DX, register] : [],
  }
}

/** Decodes string instructions. stos stores ax at di and advances di; what others store is unknown. */
function stringWrite(found: Instruction): Write | undefined {
  const { opcode, map, isVector } = found
  if (isVector || map !== 0 || ![0xa4, 0xa5, 0xaa, 0xab, 0x6c, 0x6d].includes(opcode)) return undefined
  const isStore = opcode === 0xaa || opcode === 0xab
  const width = operandBytes(found)
  return {
    effect: isStore ? 'set' : 'unknown',
    width,
    operand: isStore ? ofRegister(AX) : undefined,
    address: { base: PERF_REGISTERS[7]!, index: -1, scale: 0, displacement: BigInt(-width), isRelative: false },
    before: -1,
    clobbered: [],
  }
}

interface Found {
  effect: Effect
  operand?: Operand
}

const NONE: Found = { effect: 'none' }
const UNKNOWN: Found = { effect: 'unknown' }

export function ofRegister(register: number, sign: 1 | -1 = 1): Operand {
  return { register, sign, constant: 0 }
}

export function ofConstant(constant: number): Operand {
  return { register: -1, sign: 1, constant }
}

function effectOf(found: Instruction): Found {
  if (found.isVector) return UNKNOWN
  if (found.map === 0) return oneByteEffect(found)
  return found.map === 1 ? twoByteEffect(found) : UNKNOWN
}

function oneByteEffect(found: Instruction): Found {
  const { opcode } = found
  // Below 40, bits 3 to 5 of the opcode select the operation, and bit 1 its direction.
  if (opcode < 0x40) return opcode & 2 ? NONE : arithmetic(opcode >> 3, sourceOf(found))
  if (opcode >= 0x80 && opcode <= 0x83) return arithmetic(groupOf(found), ofConstant(found.immediate))
  if (READS_ONE_BYTE.has(opcode)) return NONE
  if (opcode === 0x86 || opcode === 0x87) return { effect: 'exchange' }
  if (opcode === 0x88 || opcode === 0x89) return { effect: 'set', operand: sourceOf(found) }
  if ((opcode === 0xc6 || opcode === 0xc7) && groupOf(found) === 0)
    return { effect: 'set', operand: ofConstant(found.immediate) }
  if (opcode === 0xf6 || opcode === 0xf7) return groupOf(found) === 2 || groupOf(found) === 3 ? UNKNOWN : NONE
  if (opcode === 0xfe || opcode === 0xff) return [INC, DEC][groupOf(found)] ?? (opcode === 0xff ? NONE : UNKNOWN)
  return UNKNOWN
}

const INC: Found = { effect: 'add', operand: ofConstant(1) }
const DEC: Found = { effect: 'add', operand: ofConstant(-1) }
/** Opcodes that do not write to memory: movsxd, imul, test, and mov and lea to a register. */
const READS_ONE_BYTE = new Set([0x63, 0x69, 0x6b, 0x84, 0x85, 0x8a, 0x8b, 0x8d, 0x8e])

/** Decodes the operations of group 1: add, or, adc, sbb, and, sub, xor, cmp. */
function arithmetic(operation: number, operand: Operand): Found {
  if (operation === 0) return { effect: 'add', operand }
  if (operation === 5) {
    const sign = operand.sign === 1 ? -1 : 1
    return { effect: 'add', operand: { register: operand.register, sign, constant: -operand.constant } }
  }
  if (operation === 7) return NONE
  // `and $0` and `or $-1` overwrite the previous value completely.
  const constant = operand.register < 0 ? operand.constant : undefined
  const sets = (operation === 4 && constant === 0) || (operation === 1 && constant === -1)
  return sets ? { effect: 'set', operand } : UNKNOWN
}

/** Returns the register in ModRM as an operand. A one-byte operand may be ah to bh, which is not distinguished. */
function sourceOf(found: Instruction): Operand {
  return ofRegister(registerField(found))
}

function twoByteEffect(found: Instruction): Found {
  const { opcode } = found
  if (opcode === 0xb0 || opcode === 0xb1) return { effect: 'compare', operand: sourceOf(found) }
  if (opcode === 0xc0 || opcode === 0xc1) return { effect: 'fetch-add' }
  if (opcode === 0xc3) return { effect: 'set', operand: sourceOf(found) }
  // bt, nop and prefetch, cmov, imul, movzx, popcnt, bsf, bsr and movsx only read.
  const reads = opcode === 0xa3 || opcode === 0xaf || (opcode >= 0x40 && opcode <= 0x4f) || opcode === 0x0d
  if (reads || (opcode >= 0x18 && opcode <= 0x1f)) return NONE
  if (opcode === 0xb6 || opcode === 0xb7 || opcode === 0xb8 || (opcode >= 0xbc && opcode <= 0xbf)) return NONE
  return opcode === 0xba && groupOf(found) === 4 ? NONE : UNKNOWN
}

/** Returns the base, index and displacement in ModRM and SIB. */
export function addressOf(found: Instruction, next: bigint): Address {
  const { modrm, sib, rex, displacement, hasSegment } = found
  const mod = modrm >> 6
  const address = { base: -1, index: -1, scale: 0, displacement: BigInt(displacement), isRelative: hasSegment }
  const low = modrm & 7
  if (low !== 4) {
    if (mod === 0 && low === 5) return { ...address, displacement: next + BigInt(displacement) }
    return { ...address, base: PERF_REGISTERS[low | ((rex & 1) << 3)]! }
  }
  const index = ((sib >> 3) & 7) | ((rex & 2) << 2)
  if (index !== 4) {
    address.index = PERF_REGISTERS[index]!
    address.scale = 1 << (sib >> 6)
  }
  const base = sib & 7
  if (base !== 5 || mod !== 0) address.base = PERF_REGISTERS[base | ((rex & 1) << 3)]!
  return address
}

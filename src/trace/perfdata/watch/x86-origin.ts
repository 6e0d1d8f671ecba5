// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Determines where a register's value came from, by the instructions before the one that overwrote it. `lock xadd %eax,...`
 * leaves the old value in eax. What was added follows only from instructions before it, such as `mov $-1,%eax` or `mov %esi,%eax;
 * neg %eax`. An unsupported instruction ends the search without a result.
 */
import type { Operand } from './write.ts'
import type { Instruction } from './x86-instruction.ts'
import {
  addressOf,
  groupOf,
  hasMemory,
  opcodeRegister,
  operandBytes,
  registerField,
  registerOperand,
} from './x86-write.ts'

/**
 * What one instruction does to registers: nothing, or `target = sign * source + constant`. For other effects there is no Step.
 */
interface Step {
  target: number
  source: number
  sign: 1 | -1
  constant: number
  /** True if the source is read from memory, so that its value is unknown. */
  isLoad?: boolean
}

const NOTHING: Step = { target: -1, source: -1, sign: 1, constant: 0 }

/** Numbers of the operations in group 1. */
const ADD = 0
const SUB = 5
const XOR = 6
const CMP = 7

/**
 * Returns the value that `register` had after the instructions `before`, expressed by registers that still have the same value
 * after all of them and after the instruction that follows; undefined if that is impossible.
 *
 * @param before instructions in order, of which none but the last is jumped over
 */
export function originOf(register: number, before: readonly Instruction[]): Operand | undefined {
  let operand: Operand = { register, sign: 1, constant: 0 }
  /** Registers that were changed later. */
  const changed = new Set<number>([register])
  for (let i = before.length - 1; i >= 0; i--) {
    const step = stepOf(before[i]!)
    if (!step) return undefined
    if (step.target < 0) continue
    changed.add(step.target)
    if (step.target !== operand.register) continue
    if (step.isLoad) return undefined
    const constant = operand.constant + operand.sign * step.constant
    operand = { register: step.source, sign: operand.sign === step.sign ? 1 : -1, constant }
    if (operand.register < 0 || !changed.has(operand.register)) return operand
  }
  return undefined
}

/**
 * Returns what the code before a compare and exchange adds to the expected value. For example, `lea 1(%rax),%edx` and `lea
 * (%rsi,%rax),%edx` compute the new value from the old one. Undefined if it is computed in another way.
 */
export function addendOf(register: number, compared: number, before: readonly Instruction[]): Operand | undefined {
  let operand: Operand = { register, sign: 1, constant: 0 }
  const changed = new Set<number>()
  for (let i = before.length - 1; i >= 0; i--) {
    const step = stepOf(before[i]!)
    if (!step || step.target === compared) return undefined
    if (step.target === operand.register) {
      const sum = sumOf(before[i]!, compared)
      if (sum !== undefined) return changed.has(sum.register) ? undefined : add(sum, operand.constant)
      if (step.isLoad || step.source < 0 || step.sign < 0) return undefined
      operand = add({ register: step.source, sign: 1, constant: step.constant }, operand.constant)
      if (operand.register === compared) return { ...operand, register: -1 }
    }
    if (step.target >= 0) changed.add(step.target)
  }
  return undefined
}

function add(operand: Operand, constant: number): Operand {
  return { ...operand, constant: operand.constant + constant }
}

/** Returns what a lea adds to one register: another register and a constant. */
function sumOf(found: Instruction, register: number): Operand | undefined {
  if (found.isVector || found.map !== 0 || found.opcode !== 0x8d) return undefined
  const { base, index, scale } = addressOf(found, 0n)
  const other = base === register ? index : base
  if (scale !== 1 || other < 0 || other === registerField(found) || (base !== register && index !== register))
    return undefined
  return { register: other, sign: 1, constant: found.displacement }
}

function stepOf(found: Instruction): Step | undefined {
  if (found.isVector) return undefined
  if (found.map === 1) return twoByteStep(found)
  return found.map === 0 ? oneByteStep(found) : undefined
}

function twoByteStep(found: Instruction): Step | undefined {
  const { opcode } = found
  // Jumps that were not taken, long nops and endbr change no registers.
  if ((opcode >= 0x80 && opcode <= 0x8f) || (opcode >= 0x18 && opcode <= 0x1f)) return NOTHING
  const extends_ = opcode === 0xb6 || opcode === 0xb7 || opcode === 0xbe || opcode === 0xbf
  return extends_ ? { ...NOTHING, target: registerField(found), isLoad: true } : undefined
}

function oneByteStep(found: Instruction): Step | undefined {
  const { opcode } = found
  const width = operandBytes(found)
  // Jumps that were not taken, and nop, change no registers.
  if ((opcode >= 0x70 && opcode <= 0x7f) || (opcode === 0x90 && (found.rex & 1) === 0)) return NOTHING
  if (opcode === 0x84 || opcode === 0x85 || opcode === 0xa8 || opcode === 0xa9) return NOTHING
  if (opcode >= 0xb8 && opcode <= 0xbf)
    return found.immediateBytes >= 4
      ? { ...NOTHING, target: opcodeRegister(found), constant: found.immediate }
      : undefined
  if (opcode === 0x8d) return lea(found)
  if (opcode === 0x89 || opcode === 0x8b) return width >= 4 ? move(found) : undefined
  if (opcode === 0x63) return { ...NOTHING, target: registerField(found), isLoad: true }
  if (opcode < 0x40 && (opcode & 7) < 4) return arithmetic(found)
  if (opcode === 0x81 || opcode === 0x83) return groupOne(found, width)
  if (opcode === 0x88 || ((opcode === 0xc6 || opcode === 0xc7) && hasMemory(found)))
    return hasMemory(found) ? NOTHING : undefined
  if (opcode === 0xc7)
    return width >= 4 ? { ...NOTHING, target: registerOperand(found), constant: found.immediate } : undefined
  if (opcode === 0xf7) return groupThree(found, width)
  return undefined
}

function lea(found: Instruction): Step {
  const target = registerField(found)
  // lea loads nothing from memory. Its result is followed only if it is a register plus a constant, so not if its address is
  // relative to the instruction.
  const { base, index } = addressOf(found, 0n)
  return base >= 0 && index < 0 && operandBytes(found) >= 4
    ? { target, source: base, sign: 1, constant: found.displacement }
    : { ...NOTHING, target, isLoad: true }
}

function move(found: Instruction): Step {
  const toField = found.opcode === 0x8b
  if (hasMemory(found)) return toField ? { ...NOTHING, target: registerField(found), isLoad: true } : NOTHING
  const [target, source] = toField
    ? [registerField(found), registerOperand(found)]
    : [registerOperand(found), registerField(found)]
  return { target, source, sign: 1, constant: 0 }
}

/** Decodes operations between a register and a register or memory. */
function arithmetic(found: Instruction): Step | undefined {
  const operation = found.opcode >> 3
  if (operation === CMP) return NOTHING
  const toField = (found.opcode & 2) !== 0
  if (hasMemory(found)) return toField ? { ...NOTHING, target: registerField(found), isLoad: true } : NOTHING
  const [target, source] = toField
    ? [registerField(found), registerOperand(found)]
    : [registerOperand(found), registerField(found)]
  if (operandBytes(found) < 4) return undefined
  return operation === XOR && target === source ? { ...NOTHING, target } : { ...NOTHING, target, isLoad: true }
}

/** Decodes operations with a constant. */
function groupOne(found: Instruction, width: number): Step | undefined {
  const operation = groupOf(found)
  if (operation === CMP || hasMemory(found)) return NOTHING
  if (width < 4) return undefined
  const target = registerOperand(found)
  if (operation === ADD) return { target, source: target, sign: 1, constant: found.immediate }
  if (operation === SUB) return { target, source: target, sign: 1, constant: -found.immediate }
  // `or $-1` sets all bits.
  if (operation === 1 && found.immediate === -1) return { ...NOTHING, target, constant: -1 }
  return { ...NOTHING, target, isLoad: true }
}

/** Decodes test, not and neg. mul and div change two registers and are not supported. */
function groupThree(found: Instruction, width: number): Step | undefined {
  const operation = groupOf(found)
  if (operation < 2 || (operation < 4 && hasMemory(found))) return NOTHING
  if (width < 4 || operation > 3) return undefined
  const target = registerOperand(found)
  return { target, source: target, sign: -1, constant: operation === 2 ? -1 : 0 }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Where the value of a register came from, read off the instructions before the one that used it up: `lock xadd %eax,...`
 * leaves the old value in eax, and what was added is known only from `mov $-1,%eax` or `mov %esi,%eax; neg %eax` before it.
 * An instruction that is not known here ends the search without an answer.
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

/** What one instruction does to registers: nothing, or `target = sign * source + constant`; undefined: not known. */
interface Step {
  target: number
  source: number
  sign: 1 | -1
  constant: number
  /** The source is read from memory: what it was cannot be told. */
  isLoad?: boolean
}

const NOTHING: Step = { target: -1, source: -1, sign: 1, constant: 0 }

/** Operations of group 1 by their number. */
const ADD = 0
const SUB = 5
const XOR = 6
const CMP = 7

/**
 * Returns the value that `register` held before the last instruction of `before`, in terms of registers as they are after
 * all of them; undefined where that is not known.
 *
 * @param before instructions in order, none of which but the last is jumped over
 */
export function originOf(register: number, before: readonly Instruction[]): Operand | undefined {
  let operand: Operand = { register, sign: 1, constant: 0 }
  /** Registers that have changed since. */
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
 * What the code before a compare and exchange adds to the value that it compares with: `lea 1(%rax),%edx` and
 * `lea (%rsi,%rax),%edx` make the new value of the old one. undefined: it is made in another way.
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

/** What a lea adds to one register: another, and a constant. */
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
  // Jumps that are not taken, long nops and endbr.
  if ((opcode >= 0x80 && opcode <= 0x8f) || (opcode >= 0x18 && opcode <= 0x1f)) return NOTHING
  const extends_ = opcode === 0xb6 || opcode === 0xb7 || opcode === 0xbe || opcode === 0xbf
  return extends_ ? { ...NOTHING, target: registerField(found), isLoad: true } : undefined
}

function oneByteStep(found: Instruction): Step | undefined {
  const { opcode } = found
  const width = operandBytes(found)
  // Jumps that are not taken, and nop.
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
  // Nothing is loaded: only the address counts, which may not be relative to the instruction.
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

/** Operations between a register and a register or memory. */
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

/** Operations with a constant. */
function groupOne(found: Instruction, width: number): Step | undefined {
  const operation = groupOf(found)
  if (operation === CMP || hasMemory(found)) return NOTHING
  if (width < 4) return undefined
  const target = registerOperand(found)
  if (operation === ADD) return { target, source: target, sign: 1, constant: found.immediate }
  if (operation === SUB) return { target, source: target, sign: 1, constant: -found.immediate }
  // or $-1
  if (operation === 1 && found.immediate === -1) return { ...NOTHING, target, constant: -1 }
  return { ...NOTHING, target, isLoad: true }
}

/** test, not, neg; mul and div change two registers. */
function groupThree(found: Instruction, width: number): Step | undefined {
  const operation = groupOf(found)
  if (operation < 2 || (operation < 4 && hasMemory(found))) return NOTHING
  if (width < 4 || operation > 3) return undefined
  const target = registerOperand(found)
  return { target, source: target, sign: -1, constant: operation === 2 ? -1 : 0 }
}

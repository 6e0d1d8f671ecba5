// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the instruction that changed a watched address. On x86-64 the processor stops after it, so it is the instruction that
 * ends at the sample's address. x86-64 code cannot be decoded backwards, so decoding begins at the start of the function.
 */
import type { SymbolTable } from '../../common/symbols.ts'
import { arm64Write } from './arm64-write.ts'
import type { KernelText } from './kernel-text.ts'
import type { Operand, Write } from './write.ts'
import { decodeInstruction, type Instruction, MAX_LENGTH } from './x86-instruction.ts'
import { addendOf, originOf } from './x86-origin.ts'
import { x86Write } from './x86-write.ts'

/** Maximum number of bytes that are decoded from a function's start. The kernel's longest functions have some tens of KB. */
const MOST_BYTES = 1 << 16
/** Number of instructions before the writing one that are kept. */
const REMEMBERED = 12
/** Maximum number of addresses whose result is cached. */
const MOST_KNOWN = 1 << 16

/** An instruction that may have changed the address, with what the code before it shows about its operand. */
export interface FoundWrite extends Write {
  /**
   * For `fetch-add`, what is added. For `compare`, how much the stored value exceeds the expected one; `compared` is the expected
   * value.
   */
  addend: Operand | undefined
  compared: Operand | undefined
  /** True if it was found without the start of the function. Then other instructions can end at the same address. */
  isGuess: boolean
}

/** Values of ELF's `e_machine` whose instructions are decoded. */
export const EM_X86_64 = 62
export const EM_AARCH64 = 183

/** Finds writing instructions by the addresses of samples. */
export class WriteFinder {
  readonly #text: KernelText
  readonly #symbols: SymbolTable
  readonly #known = new Map<bigint, readonly FoundWrite[]>()

  constructor(text: KernelText, symbols: SymbolTable) {
    this.#text = text
    this.#symbols = symbols
  }

  /**
   * Returns the instructions that may have written when a sample is at `ip`, the most likely first; none if the code is not
   * known.
   */
  at(ip: bigint): readonly FoundWrite[] {
    const known = this.#known.get(ip)
    if (known) return known
    const isArm = this.#text.machine === EM_AARCH64
    const found = isArm ? this.#next(ip) : [...this.#before(ip), ...this.#repeated(ip)]
    if (this.#known.size < MOST_KNOWN) this.#known.set(ip, found)
    return found
  }

  /** On arm64 the processor stops before the instruction, so it is the one at the sample's address. */
  #next(ip: bigint): FoundWrite[] {
    const bytes = this.#text.read(ip, 4)
    if (bytes.length < 4) return []
    const word = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
    return [{ ...arm64Write(word), addend: undefined, compared: undefined, isGuess: false }]
  }

  #before(ip: bigint): FoundWrite[] {
    const start = this.#symbols.find(ip - 1n)?.address
    const length = start === undefined ? 0 : Number(ip - start)
    if (start !== undefined && length > 0 && length <= MOST_BYTES) {
      const before = sweep(this.#text.read(start, length), length)
      const last = before?.pop()
      if (before && last) return [describe(last, ip, before, false)]
    }
    return this.#endingAt(ip)
  }

  /** Returns the instructions that can end at an address in an unknown function, the longest first. */
  #endingAt(ip: bigint): FoundWrite[] {
    const bytes = this.#text.read(ip - BigInt(MAX_LENGTH), MAX_LENGTH)
    const found: FoundWrite[] = []
    for (let length = bytes.length; length > 0; length--) {
      const instruction = decodeInstruction(bytes, bytes.length - length)
      if (instruction?.length !== length) continue
      const write = describe(instruction, ip, [], true)
      if (write.effect !== 'none') found.push(write)
    }
    return found
  }

  /**
   * A repeated string instruction is interrupted between two stores. The sample's address is then that of the instruction itself.
   */
  #repeated(ip: bigint): FoundWrite[] {
    const instruction = decodeInstruction(this.#text.read(ip, MAX_LENGTH), 0)
    if (!instruction?.isRepeated || instruction.map !== 0) return []
    const write = describe(instruction, ip + BigInt(instruction.length), [], false)
    return write.effect === 'set' && instruction.modrm < 0 ? [write] : []
  }
}

/** Returns the last instructions of the first `length` bytes of code; undefined if no instruction ends there. */
function sweep(code: Uint8Array, length: number): Instruction[] | undefined {
  const last: Instruction[] = []
  let at = 0
  while (at < code.length) {
    const instruction = decodeInstruction(code, at)
    if (!instruction) return undefined
    at += instruction.length
    if (last.length === REMEMBERED) last.shift()
    last.push(instruction)
  }
  return at === length ? last : undefined
}

function describe(
  instruction: Instruction,
  next: bigint,
  before: readonly Instruction[],
  isGuess: boolean,
): FoundWrite {
  const write = x86Write(instruction, next)
  const compared = write.effect === 'compare' ? originOf(write.before, before) : undefined
  return { ...write, addend: addendBefore(write, before), compared, isGuess }
}

function addendBefore({ effect, before: old, operand }: Write, before: readonly Instruction[]): Operand | undefined {
  if (effect === 'fetch-add' || effect === 'exchange') return originOf(old, before)
  if (effect !== 'compare' || !operand) return undefined
  return addendOf(operand.register, old, before)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which instruction changed a watched address. The processor stops behind the instruction that did it, so it is the one that
 * ends where the sample stands. x86-64 cannot be read backwards: instructions are decoded from the start of the function.
 */
import type { SymbolTable } from '../../common/symbols.ts'
import { arm64Write } from './arm64-write.ts'
import type { KernelText } from './kernel-text.ts'
import type { Operand, Write } from './write.ts'
import { decodeInstruction, type Instruction, MAX_LENGTH } from './x86-instruction.ts'
import { addendOf, originOf } from './x86-origin.ts'
import { x86Write } from './x86-write.ts'

/** Longest way from a function's start that is decoded: the kernel's longest have some tens of KB. */
const MOST_BYTES = 1 << 16
/** Instructions before the writing one that are remembered. */
const REMEMBERED = 12
/** Addresses whose instruction is remembered. */
const MOST_KNOWN = 1 << 16

/** An instruction that may have made a change, with what the code before it tells of its operand. */
export interface FoundWrite extends Write {
  /** Of `fetch-add`: what is added. Of `compare`: what the stored value exceeds the compared one by, and that one. */
  addend: Operand | undefined
  compared: Operand | undefined
  /** Found without a function's start: there are others that end there too. */
  isGuess: boolean
}

/** Machines whose instructions are read, by `e_machine` of ELF. */
export const EM_X86_64 = 62
export const EM_AARCH64 = 183

/** The writing instructions by the address at which samples stand. */
export class WriteFinder {
  readonly #text: KernelText
  readonly #symbols: SymbolTable
  readonly #known = new Map<bigint, readonly FoundWrite[]>()

  constructor(text: KernelText, symbols: SymbolTable) {
    this.#text = text
    this.#symbols = symbols
  }

  /** Instructions that may have written when a sample stands at `ip`, the likeliest first; none where no text is known. */
  at(ip: bigint): readonly FoundWrite[] {
    const known = this.#known.get(ip)
    if (known) return known
    const isArm = this.#text.machine === EM_AARCH64
    const found = isArm ? this.#next(ip) : [...this.#before(ip), ...this.#repeated(ip)]
    if (this.#known.size < MOST_KNOWN) this.#known.set(ip, found)
    return found
  }

  /** arm64 stops before the instruction. */
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

  /** Instructions that end at an address whose function is not known, the longest first. */
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

  /** A repeated string instruction is interrupted between two stores, so that the sample stands before it. */
  #repeated(ip: bigint): FoundWrite[] {
    const instruction = decodeInstruction(this.#text.read(ip, MAX_LENGTH), 0)
    if (!instruction?.isRepeated || instruction.map !== 0) return []
    const write = describe(instruction, ip + BigInt(instruction.length), [], false)
    return write.effect === 'set' && instruction.modrm < 0 ? [write] : []
  }
}

/** The last instructions of `length` bytes of code; undefined if none ends where they do. */
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

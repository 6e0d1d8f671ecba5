// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decodes what arm64 instructions write to memory. The processor stops before the instruction that accesses a watched address, so
 * a sample has the registers before it. Facts: Arm ARM (DDI 0487), C4.1.94 "Loads and Stores".
 */
import type { Effect, Operand, Write } from './write.ts'

/**
 * Register number 31. As an operand it is the zero register; as a base it is the stack pointer, which perf gives the same number.
 */
const ZERO = 31
/** Extension type of an address `base + Rm`, shifted or not. Others are not decoded. */
const LSL = 0b011

const NOTHING = { before: -1, clobbered: [] as readonly number[] }

/** Decodes an instruction, given as a word. */
export function arm64Write(word: number): Write {
  return (
    atomic(word) ?? exclusive(word) ?? single(word) ?? pair(word) ?? { ...NOTHING, ...unknown(4), address: undefined }
  )
}

function unknown(width: number): Pick<Write, 'effect' | 'width' | 'operand'> {
  return { effect: 'unknown', width, operand: undefined }
}

function bits(word: number, high: number, low: number): number {
  return (word >>> low) & ((1 << (high - low + 1)) - 1)
}

/** Sign-extends a number of `length` bits. */
function signed(value: number, length: number): number {
  return (value << (32 - length)) >> (32 - length)
}

function ofRegister(register: number): Operand {
  return register === ZERO ? { register: -1, sign: 1, constant: 0 } : { register, sign: 1, constant: 0 }
}

function at(base: number, displacement = 0, index = -1, scale = 0): Write['address'] {
  return { base, index, scale, displacement: BigInt(displacement), isRelative: false }
}

/**
 * Decodes ldadd, ldclr, ldset and similar (stadd is an ldadd with the zero register as its target), swp, and loads of the same
 * class.
 */
function atomic(word: number): Write | undefined {
  if (bits(word, 29, 24) !== 0b111000 || bits(word, 21, 21) !== 1 || bits(word, 11, 10) !== 0) return undefined
  const [o3, operation, source] = [bits(word, 15, 15), bits(word, 14, 12), bits(word, 20, 16)]
  const place = { ...NOTHING, width: 1 << bits(word, 31, 30), address: at(bits(word, 9, 5)) }
  if (o3 === 0 && operation === 0) return { ...place, effect: 'add', operand: ofRegister(source) }
  if (o3 === 1 && operation === 0) return { ...place, effect: 'set', operand: ofRegister(source) }
  return { ...place, effect: o3 === 1 && operation === 0b100 ? 'none' : 'unknown', operand: undefined }
}

/** Decodes cas, stlr, ldar, stxr and ldxr. Before it executes, whether a cas or stxr will store is unknown. */
function exclusive(word: number): Write | undefined {
  if (bits(word, 29, 24) !== 0b001000) return undefined
  const [isOrdered, isLoad, isPair] = [bits(word, 23, 23), bits(word, 22, 22), bits(word, 21, 21)]
  const width = 1 << bits(word, 31, 30)
  const place = { ...NOTHING, width, address: at(bits(word, 9, 5)) }
  if (isPair && isOrdered) return { ...place, effect: 'compare', operand: ofRegister(bits(word, 4, 0)) }
  if (isPair || (!isOrdered && !isLoad)) return { ...place, ...unknown(width) }
  const effect: Effect = isLoad ? 'none' : 'set'
  return { ...place, effect, operand: isLoad ? undefined : ofRegister(bits(word, 4, 0)) }
}

/** Decodes str, sttr and stur of one general register with all addressing modes, and the loads of the same class. */
function single(word: number): Write | undefined {
  const [kind, size] = [bits(word, 29, 24), bits(word, 31, 30)]
  if (kind !== 0b111000 && kind !== 0b111001) return undefined
  const address = singleAddress(word, kind === 0b111001, size)
  const width = 1 << size
  if (bits(word, 23, 22) !== 0) return { ...NOTHING, effect: 'none', width, operand: undefined, address }
  return { ...NOTHING, effect: 'set', width, operand: ofRegister(bits(word, 4, 0)), address }
}

function singleAddress(word: number, isScaled: boolean, size: number): Write['address'] {
  const base = bits(word, 9, 5)
  if (isScaled) return at(base, bits(word, 21, 10) << size)
  const how = bits(word, 11, 10)
  if (bits(word, 21, 21) === 0) return at(base, how === 0b01 ? 0 : signed(bits(word, 20, 12), 9))
  const isPlain = how === 0b10 && bits(word, 15, 13) === LSL
  return isPlain ? at(base, 0, bits(word, 20, 16), bits(word, 12, 12) ? 1 << size : 1) : undefined
}

/** Decodes stp of two general registers, only if both are the zero register. */
function pair(word: number): Write | undefined {
  if (bits(word, 29, 26) !== 0b1010) return undefined
  const width = 4 << bits(word, 31, 31)
  const place = { ...NOTHING, width: 2 * width, address: pairAddress(word, width) }
  if (bits(word, 22, 22)) return { ...place, effect: 'none', operand: undefined }
  const isZero = bits(word, 4, 0) === ZERO && bits(word, 14, 10) === ZERO
  return isZero ? { ...place, effect: 'set', operand: ofRegister(ZERO) } : { ...place, ...unknown(2 * width) }
}

function pairAddress(word: number, width: number): Write['address'] {
  const isPostIndexed = bits(word, 25, 23) === 0b001
  return at(bits(word, 9, 5), isPostIndexed ? 0 : signed(bits(word, 21, 15), 7) * width)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decodes the length and the parts of x86-64 instructions. It serves to find the instruction that ends at an address, which
 * requires decoding from the start of the function.
 *
 * Facts: Intel SDM volume 2, chapter 2 and appendix A (opcode maps).
 */

/** The parts of one instruction. Offsets count from its first byte. */
export interface Instruction {
  length: number
  /** Prefix LOCK (f0). */
  isLocked: boolean
  /** Prefix f2 or f3, which repeats string instructions. */
  isRepeated: boolean
  /** Prefix 66: 16-bit operands. */
  isShort: boolean
  /** Prefix 64 or 65: per-CPU or per-task memory. */
  hasSegment: boolean
  /** Bits W, R, X and B of the REX prefix; 0 without the prefix. */
  rex: number
  /** Opcode map. 0: one-byte opcodes, 1: after 0f, 2: after 0f 38, 3: after 0f 3a. */
  map: number
  /** True if encoded by VEX or EVEX. */
  isVector: boolean
  opcode: number
  /** -1: none. */
  modrm: number
  sib: number
  displacement: number
  /** Immediate operand, sign-extended from its size. For 8 bytes, only the low half. */
  immediate: number
  immediateBytes: number
}

/** Maximum length of an instruction in bytes. */
export const MAX_LENGTH = 15

export const REX_W = 8

/**
 * Values in the tables of immediate sizes for sizes that depend on more than the opcode. Z is 2 or 4 bytes by operand size, and
 * the size for GROUP3 depends on ModRM.
 */
const Z = -1
const GROUP3 = -2
const MOV_IMMEDIATE = -3
const OFFSET = -4
const INVALID = -5

interface OpcodeMap {
  hasModrm: Uint8Array
  immediate: Int8Array
}

function emptyMap(hasModrm: boolean): OpcodeMap {
  return { hasModrm: new Uint8Array(256).fill(hasModrm ? 1 : 0), immediate: new Int8Array(256) }
}

/** Sets ranges [first, last] of opcodes to a value. */
function fill(table: Uint8Array | Int8Array, value: number, ...ranges: (readonly [number, number])[]): void {
  for (const [first, last] of ranges) table.fill(value, first, last + 1)
}

function oneByteMap(): OpcodeMap {
  const map = emptyMap(false)
  const { hasModrm, immediate } = map
  for (let row = 0; row < 0x40; row += 8) {
    fill(hasModrm, 1, [row, row + 3])
    immediate[row + 4] = 1
    immediate[row + 5] = Z
    fill(immediate, INVALID, [row + 6, row + 7])
  }
  fill(hasModrm, 1, [0x63, 0x63], [0x69, 0x69], [0x6b, 0x6b], [0x80, 0x8f], [0xc0, 0xc1], [0xc6, 0xc7])
  fill(hasModrm, 1, [0xd0, 0xd3], [0xd8, 0xdf], [0xf6, 0xf7], [0xfe, 0xff])
  fill(immediate, 1, [0x6a, 0x6b], [0x70, 0x80], [0x83, 0x83], [0xa8, 0xa8], [0xb0, 0xb7], [0xc0, 0xc1])
  fill(immediate, 1, [0xc6, 0xc6], [0xcd, 0xcd], [0xe0, 0xe7], [0xeb, 0xeb])
  fill(immediate, Z, [0x68, 0x69], [0x81, 0x81], [0xa9, 0xa9], [0xc7, 0xc7])
  fill(immediate, 4, [0xe8, 0xe9])
  fill(immediate, 2, [0xc2, 0xc2], [0xca, 0xca])
  fill(immediate, 3, [0xc8, 0xc8])
  fill(immediate, GROUP3, [0xf6, 0xf7])
  fill(immediate, MOV_IMMEDIATE, [0xb8, 0xbf])
  fill(immediate, OFFSET, [0xa0, 0xa3])
  fill(immediate, INVALID, [0x60, 0x62], [0x82, 0x82], [0x9a, 0x9a], [0xce, 0xce], [0xd4, 0xd6], [0xea, 0xea])
  return map
}

function twoByteMap(): OpcodeMap {
  const map = emptyMap(true)
  const { hasModrm, immediate } = map
  fill(hasModrm, 0, [0x05, 0x09], [0x0b, 0x0b], [0x0e, 0x0e], [0x30, 0x37], [0x77, 0x77], [0x80, 0x8f])
  fill(hasModrm, 0, [0xa0, 0xa2], [0xa8, 0xaa], [0xc8, 0xcf])
  fill(immediate, 4, [0x80, 0x8f])
  fill(immediate, 1, [0x0f, 0x0f], [0x70, 0x73], [0xa4, 0xa4], [0xac, 0xac], [0xba, 0xba], [0xc2, 0xc2], [0xc4, 0xc6])
  fill(immediate, INVALID, [0x04, 0x04], [0x0a, 0x0a], [0x0c, 0x0c])
  return map
}

function threeByteMap(immediateBytes: number): OpcodeMap {
  const map = emptyMap(true)
  map.immediate.fill(immediateBytes)
  return map
}

const MAPS: readonly OpcodeMap[] = [oneByteMap(), twoByteMap(), threeByteMap(0), threeByteMap(1)]

/** Decodes the instruction at `at`; undefined if it is invalid or not complete. */
export function decodeInstruction(bytes: Uint8Array, at: number): Instruction | undefined {
  return new Decoder(bytes, at).decode()
}

class Decoder {
  readonly #bytes: Uint8Array
  readonly #start: number
  #at: number
  #isFourByteAddress = false

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#start = at
    this.#at = at
  }

  decode(): Instruction | undefined {
    const found: Instruction = {
      length: 0,
      isLocked: false,
      isRepeated: false,
      isShort: false,
      hasSegment: false,
      rex: 0,
      map: 0,
      isVector: false,
      opcode: 0,
      modrm: -1,
      sib: 0,
      displacement: 0,
      immediate: 0,
      immediateBytes: 0,
    }
    if (!this.#prefixes(found) || !this.#opcode(found)) return undefined
    const map = MAPS[found.map]!
    // VEX instructions use the plain map too. Their only opcode without ModRM is 77 (vzeroupper), which has none in the plain map
    // either.
    if (map.hasModrm[found.opcode]) this.#operand(found)
    this.#immediate(found, map.immediate[found.opcode]!)
    found.length = this.#at - this.#start
    return found.immediateBytes >= 0 && found.length <= MAX_LENGTH && this.#at <= this.#bytes.length ? found : undefined
  }

  /** Reads the next byte, or 0 after the end. Whether all bytes existed is checked at the end. */
  #byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  #prefixes(found: Instruction): boolean {
    for (; this.#at - this.#start < MAX_LENGTH; this.#at++) {
      const byte = this.#bytes[this.#at]
      if (byte === 0xf0) found.isLocked = true
      else if (byte === 0xf2 || byte === 0xf3) found.isRepeated = true
      else if (byte === 0x66) found.isShort = true
      else if (byte === 0x67) this.#isFourByteAddress = true
      else if (byte === 0x64 || byte === 0x65) found.hasSegment = true
      else if (byte !== 0x2e && byte !== 0x36 && byte !== 0x3e && byte !== 0x26) return true
    }
    return false
  }

  #opcode(found: Instruction): boolean {
    let byte = this.#byte()
    if (byte >> 4 === 4) {
      found.rex = byte & 15
      byte = this.#byte()
    } else if (byte === 0xc5 || byte === 0xc4 || byte === 0x62) return this.#vector(found, byte)
    if (byte === 0x0f) {
      byte = this.#byte()
      found.map = byte === 0x38 ? 2 : byte === 0x3a ? 3 : 1
      if (found.map > 1) byte = this.#byte()
    }
    found.opcode = byte
    return true
  }

  /** Reads a VEX prefix of 2 or 3 bytes, or an EVEX prefix of 4. */
  #vector(found: Instruction, prefix: number): boolean {
    found.isVector = true
    found.map = 1
    const next = this.#byte()
    if (prefix !== 0xc5) {
      found.map = prefix === 0xc4 ? next & 0x1f : next & 7
      this.#at += prefix === 0xc4 ? 1 : 2
      // Half-precision arithmetic has maps of its own, all of whose instructions have the same form.
      if (prefix === 0x62 && (found.map === 5 || found.map === 6)) found.map = 2
    }
    found.opcode = this.#byte()
    return found.map >= 1 && found.map <= 3
  }

  /** Reads ModRM, SIB and displacement. */
  #operand(found: Instruction): void {
    const modrm = this.#byte()
    found.modrm = modrm
    const mod = modrm >> 6
    // Moves to and from control and debug registers have register operands, whatever `mod` says.
    if (mod === 3 || (found.map === 1 && !found.isVector && found.opcode >= 0x20 && found.opcode <= 0x23)) return
    let base = modrm & 7
    if (base === 4) {
      found.sib = this.#byte()
      base = found.sib & 7
    }
    if (mod === 1) found.displacement = this.#signed(1)
    else if (mod === 2 || base === 5) found.displacement = this.#signed(4)
  }

  #immediate(found: Instruction, kind: number): void {
    const z = found.isShort && !(found.rex & REX_W) ? 2 : 4
    let bytes = kind
    if (kind === Z) bytes = z
    else if (kind === GROUP3) bytes = (found.modrm & 0x38) > 8 ? 0 : found.opcode === 0xf6 ? 1 : z
    else if (kind === MOV_IMMEDIATE) bytes = found.rex & REX_W ? 8 : z
    else if (kind === OFFSET) bytes = this.#isFourByteAddress ? 4 : 8
    found.immediateBytes = bytes
    if (bytes > 0) found.immediate = this.#signed(bytes)
  }

  /** Reads a little-endian signed number of `length` bytes. For 8 bytes, only the low half. */
  #signed(length: number): number {
    let value = 0
    for (let i = 0; i < Math.min(length, 4); i++) value |= (this.#bytes[this.#at + i] ?? 0) << (8 * i)
    this.#at += length
    const unused = 32 - 8 * Math.min(length, 4)
    return (value << unused) >> unused
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The kernel's own symbol table as it lies in memory (kernel/kallsyms.c, scripts/kallsyms.c). */

import { lowerBound } from '../../util/lower-bound.ts'
import { NamePool } from './names.ts'
import type { VirtualMemory } from './virtual.ts'
import type { Vmcoreinfo } from './vmcoreinfo.ts'

/** Addresses of the tables. */
export interface KallsymsPlace {
  names: bigint
  count: bigint
  tokens: bigint
  tokenIndex: bigint
  offsets: bigint
  /** Undefined in kernels from 7.0 on, which store each address relative to the place of its own entry. */
  relativeBase: bigint | undefined
}

/** Symbols sorted by address. */
export interface SymbolTable {
  /** Address of the first symbol of a name. */
  address(name: string): bigint | undefined
  /** Every address of a name: static ones may share it. */
  addresses(name: string): bigint[]
  /** The symbol that contains an address, with the offset in it. */
  at(address: bigint): { name: string; offset: bigint } | undefined
  /** Number of bytes from a symbol to the next one at another address. */
  extent(address: bigint): number
  readonly size: number
}

const MOST_SYMBOLS = 1 << 22
const MOST_NAME_BYTES = 1 << 26

export function placeInVmcoreinfo(info: Vmcoreinfo): KallsymsPlace | undefined {
  const names = info.symbol('kallsyms_names')
  const count = info.symbol('kallsyms_num_syms')
  const tokens = info.symbol('kallsyms_token_table')
  const tokenIndex = info.symbol('kallsyms_token_index')
  const offsets = info.symbol('kallsyms_offsets')
  if (!names || !count || !tokens || !tokenIndex || !offsets) return undefined
  return { names, count, tokens, tokenIndex, offsets, relativeBase: info.symbol('kallsyms_relative_base') }
}

/**
 * Reads the symbol table.
 * @param known the address of one symbol that is known from elsewhere; it decides which encoding of addresses is the right one
 * @returns undefined if no encoding agrees with it
 * @throws NotInDump if a part of the table is missing
 */
export function readKallsyms(
  memory: VirtualMemory,
  place: KallsymsPlace,
  known: { name: string; address: bigint },
): SymbolTable | undefined {
  const count = memory.u32(place.count)
  if (count === 0 || count > MOST_SYMBOLS) return undefined
  const names = decodeNames(memory, place, count)
  if (!names) return undefined
  const offsets = new Uint8Array(memory.bytes(place.offsets, count * 4))
  const stored = new Int32Array(offsets.buffer, offsets.byteOffset, count)
  for (const addressOf of storedAs(memory, place, stored)) {
    const table = new Columns(names, count, addressOf)
    if (table.addresses(known.name).includes(known.address)) return table
  }
  return undefined
}

/** Returns the possible encodings of addresses: functions from the index of a symbol to its address. */
function storedAs(memory: VirtualMemory, place: KallsymsPlace, stored: Int32Array): ((i: number) => bigint)[] {
  if (place.relativeBase === undefined) {
    return [i => BigInt.asUintN(64, place.offsets + BigInt(4 * i) + BigInt(stored[i]!))]
  }
  const base = memory.u64(place.relativeBase)
  return [
    // With CONFIG_KALLSYMS_ABSOLUTE_PERCPU (up to 6.14), non-negative values are absolute addresses (per-CPU offsets).
    i => (stored[i]! >= 0 ? BigInt(stored[i]!) : BigInt.asUintN(64, base - 1n - BigInt(stored[i]!))),
    i => base + BigInt(stored[i]! >>> 0),
  ]
}

interface DecodedNames {
  pool: NamePool
  /** Index of each symbol's name in the pool, ascending. */
  starts: Uint32Array
}

/**
 * Unpacks all names. Each is stored as a length and that number of tokens. The first character of the text is the type of the
 * symbol.
 */
function decodeNames(memory: VirtualMemory, place: KallsymsPlace, count: number): DecodedNames | undefined {
  const tokens = readTokens(memory, place)
  const packed = new PackedNames(memory, place.names)
  const starts = new Uint32Array(count)
  let out = new Uint8Array(count * 32)
  let at = 1
  for (let i = 0; i < count; i++) {
    if (at + 2048 > out.length) {
      if (out.length > MOST_NAME_BYTES) return undefined
      const longer = new Uint8Array(out.length * 2)
      longer.set(out)
      out = longer
    }
    let length = packed.byte()
    // Names of more than 127 tokens have a second length byte (since 6.1).
    if (length & 0x80) length = (length & 0x7f) | (packed.byte() << 7)
    starts[i] = at
    let skip = 1
    for (; length > 0; length--) {
      const token = tokens[packed.byte()]!
      if (at + token.length + 2 > out.length) return undefined
      for (let k = skip; k < token.length; k++) out[at++] = token[k]!
      if (token.length > 0) skip = 0
    }
    out[at++] = 0
  }
  return { pool: new NamePool(out.subarray(0, at)), starts }
}

function readTokens(memory: VirtualMemory, place: KallsymsPlace): Uint8Array[] {
  const index = new Uint8Array(memory.bytes(place.tokenIndex, 512))
  const tokens: Uint8Array[] = []
  for (let i = 0; i < 256; i++) {
    const start = place.tokens + BigInt(index[2 * i]! | (index[2 * i + 1]! << 8))
    const bytes = memory.bytes(start, 64)
    const end = bytes.indexOf(0)
    tokens.push(bytes.slice(0, end < 0 ? 64 : end))
  }
  return tokens
}

/** Reads the bytes of `kallsyms_names` page by page. */
class PackedNames {
  readonly #memory: VirtualMemory
  #next: bigint
  #page: Uint8Array = new Uint8Array(0)
  #at = 0

  constructor(memory: VirtualMemory, start: bigint) {
    this.#memory = memory
    this.#next = start
  }

  byte(): number {
    if (this.#at === this.#page.length) {
      const room = 4096 - Number(this.#next & 0xfffn)
      this.#page = this.#memory.bytes(this.#next, room).slice()
      this.#next += BigInt(room)
      this.#at = 0
    }
    return this.#page[this.#at++]!
  }
}

/** Makes a table of symbols that were read from a file. */
export function tableOf(symbols: readonly { address: bigint; name: string }[]): SymbolTable {
  const sorted = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
  const starts = new Uint32Array(sorted.length)
  let at = 1
  sorted.forEach(({ name }, i) => {
    starts[i] = at
    at += name.length + 1
  })
  const text = new TextEncoder().encode(
    `\0${sorted.map(({ name }) => `${name.replace(/[^\x21-\x7e]/g, '?')}\0`).join('')}`,
  )
  return new Columns({ pool: new NamePool(text), starts }, sorted.length, i => sorted[i]!.address)
}

class Columns implements SymbolTable {
  readonly size: number
  readonly #names: DecodedNames
  readonly #addresses: BigUint64Array
  /** Indices of the symbols sorted by address. The kernel's table is sorted already except for absolute symbols. */
  readonly #order: Uint32Array

  constructor(names: DecodedNames, count: number, addressOf: (i: number) => bigint) {
    this.size = count
    this.#names = names
    this.#addresses = new BigUint64Array(count)
    let sorted = true
    for (let i = 0; i < count; i++) {
      this.#addresses[i] = addressOf(i)
      if (i > 0 && this.#addresses[i]! < this.#addresses[i - 1]!) sorted = false
    }
    this.#order = Uint32Array.from({ length: count }, (_, i) => i)
    if (!sorted) {
      const addresses = this.#addresses
      this.#order.sort((a, b) => (addresses[a]! < addresses[b]! ? -1 : addresses[a]! > addresses[b]! ? 1 : a - b))
    }
  }

  address(name: string): bigint | undefined {
    return this.addresses(name)[0]
  }

  addresses(name: string): bigint[] {
    const found: bigint[] = []
    const { pool, starts } = this.#names
    for (let at = pool.find(name); at >= 0 && found.length < 64; at = pool.find(name, at + 1)) {
      const row = lowerBound(starts.length, i => starts[i]! < at)
      if (starts[row] === at) found.push(this.#addresses[row]!)
    }
    return found
  }

  at(address: bigint): { name: string; offset: bigint } | undefined {
    const rank = this.#after(address) - 1
    if (rank < 0) return undefined
    const start = this.#addresses[this.#order[rank]!]!
    // Of several symbols at one address, the first is the function's own name and the others are aliases.
    const first = lowerBound(rank, i => this.#addresses[this.#order[i]!]! < start)
    return { name: this.#names.pool.at(this.#names.starts[this.#order[first]!]!), offset: address - start }
  }

  extent(address: bigint): number {
    const rank = this.#after(address)
    return rank < this.size ? Number(this.#addresses[this.#order[rank]!]! - address) : 0
  }

  /** Number of symbols at or before an address. */
  #after(address: bigint): number {
    return lowerBound(this.size, i => this.#addresses[this.#order[i]!]! <= address)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds kallsyms in the image of a kernel whose VMCOREINFO does not say where it is (before 6.0, 5fd8fea935a1). In those kernels
 * the tables follow one another: offsets, relative base, number of symbols, names, markers, tokens, token index.
 */
import { unlessAbsent } from '../error.ts'
import { type KallsymsPlace, readKallsyms, type SymbolTable } from './kallsyms.ts'
import type { VirtualMemory } from './virtual.ts'

/** Maximum size of an image in pages. Images have some tens of MiB, and more with all debugging options. */
const MOST_IMAGE_PAGES = 1 << 16
/** Number of consecutive unmapped pages that mark the end of the image. */
const LONGEST_GAP = 512
const FEWEST_SYMBOLS = 1000
const MOST_SYMBOLS = 1 << 21
/** Bytes that identify the token table: in every kernel there are symbols with digits, and each digit is a token of its own. */
const DIGITS = '0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00'

/** @param start address of the kernel's text, to which the stored addresses are relative */
export function searchKallsyms(memory: VirtualMemory, start: bigint): SymbolTable | undefined {
  const image = readImage(memory, start)
  const digits = new TextEncoder().encode(DIGITS)
  for (let at = image.length - 1; (at = lastIndexOf(image, digits, at)) >= 0; at--) {
    const tokens = tokenTable(image, at)
    if (!tokens) continue
    for (const place of placesBefore(image, start, tokens)) {
      const table = unlessAbsent(() => readKallsyms(memory, place, { name: '_stext', address: start }))
      if (table) return table
    }
  }
  return undefined
}

/**
 * Returns the mapped pages of the image. Pages that the dump lacks are returned as zeros, which is harmless here: the search only
 * needs the beginnings of tables.
 */
function readImage(memory: VirtualMemory, start: bigint): Uint8Array {
  const addressOf = (page: number) => start + BigInt(page) * 4096n
  let pages = 0
  for (let page = 0; page < MOST_IMAGE_PAGES && page < pages + LONGEST_GAP; page++) {
    if (memory.isMapped(addressOf(page))) pages = page + 1
  }
  const image = new Uint8Array(pages * 4096)
  for (let page = 0; page < pages; page++) {
    const bytes = memory.page(addressOf(page))
    if (bytes) image.set(bytes, page * 4096)
  }
  return image
}

function lastIndexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.lastIndexOf(wanted[0]!, from); at >= 0; at = bytes.lastIndexOf(wanted[0]!, at - 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at
    if (at === 0) return -1
  }
  return -1
}

interface Tokens {
  table: number
  index: number
}

/** Returns the token table around a place, if its index follows it. The token '0' has the number 48. */
function tokenTable(image: Uint8Array, digit: number): Tokens | undefined {
  let table = digit
  for (let n = 0x30; n > 0; n--) {
    table = image.lastIndexOf(0, table - 2) + 1
    if (table <= 0 || digit - table > 4096) return undefined
  }
  let end = digit
  for (let n = 0x30; n < 256; n++) {
    end = image.indexOf(0, end) + 1
    if (end <= 0 || end - digit > 16384) return undefined
  }
  const index = Math.ceil(end / 8) * 8
  const first = image[index]! | (image[index + 1]! << 8)
  const ninth = image[index + 96]! | (image[index + 97]! << 8)
  return first === 0 && ninth === digit - table ? { table, index } : undefined
}

/** Yields the places before the tokens at which a number of symbols, and right before it a base address, can be. */
function* placesBefore(image: Uint8Array, start: bigint, { table, index }: Tokens): Generator<KallsymsPlace> {
  const view = new DataView(image.buffer)
  for (let base = (table - 16) & ~7; base >= 8; base -= 8) {
    if (view.getBigUint64(base, true) !== start) continue
    const count = view.getUint32(base + 8, true)
    const offsets = base - Math.ceil(count / 2) * 8
    if (count < FEWEST_SYMBOLS || count > MOST_SYMBOLS || offsets < 0) continue
    const at = (offset: number) => start + BigInt(offset)
    yield {
      names: at(base + 16),
      count: at(base + 8),
      tokens: at(table),
      tokenIndex: at(index),
      offsets: at(offsets),
      relativeBase: at(base),
    }
  }
}

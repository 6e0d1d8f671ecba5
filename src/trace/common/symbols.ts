// SPDX-License-Identifier: GPL-2.0-or-later
/** Resolves addresses to function names, from texts in the form of /proc/kallsyms. */
import { grown } from '../../util/growable.ts'
import { HOST_LITTLE_ENDIAN } from './bytes.ts'

export interface Symbol {
  name: string
  address: bigint
  /** Module; undefined for the kernel proper. */
  module: string | undefined
}

/** Maximum size of a function in bytes. An address further above the nearest symbol is in code without symbols. */
const MAX_FUNCTION_BYTES = 1n << 20n

/** Maximum number of symbols; further ones are dropped. A large kernel has 300 thousand. */
const MAX_SYMBOLS = 1 << 23

/** Places of the halves of an address in an array of 32-bit words. */
const LOW = HOST_LITTLE_ENDIAN ? 0 : 1
const HIGH = 1 - LOW

const TAB = 9
const NEWLINE = 10
const SPACE = 32
const DOLLAR = 36
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const LETTER_A = 97

const utf8 = new TextDecoder()

/** Value of a hexadecimal digit's character code; -1 for others. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

/**
 * Symbols sorted by address. Texts are kept as bytes and parsed at the first lookup, so that a kernel's three megabytes cost
 * nothing in commands that show no stack.
 */
export class SymbolTable {
  #pending: Uint8Array[] = []
  #texts: Uint8Array[] = []
  #addresses = new BigUint64Array(0)
  /** The same memory as words: hundreds of thousands of bigints would take longer than all else. */
  #words = new Uint32Array(0)
  /** By symbol, the text that contains it and the offset of its type letter. */
  #text = new Uint16Array(0)
  #place = new Uint32Array(0)
  #count = 0

  /** Adds text in the form of /proc/kallsyms: "address type name [module]" on each line. */
  add(text: string | Uint8Array): void {
    this.#pending.push(typeof text === 'string' ? new TextEncoder().encode(text) : text)
  }

  get size(): number {
    this.#load()
    return this.#count
  }

  /** The function whose code covers an address; undefined where no symbol does. */
  find(address: bigint): Symbol | undefined {
    this.#load()
    const index = this.#below(address)
    if (index < 0 || address - this.#addresses[index]! >= MAX_FUNCTION_BYTES) return undefined
    const text = this.#texts[this.#text[index]!]!
    // Addresses in data between the sections of two functions belong to no function.
    return 'tTwWiI'.includes(String.fromCharCode(text[this.#place[index]!]!)) ? this.#symbol(index) : undefined
  }

  /**
   * Returns the symbol that trace-cmd names for an address: the nearest symbol at or below it, whether code or not and however
   * far away. Only the last symbol covers nothing but its own address.
   */
  findLikeTraceCmd(address: bigint): Symbol | undefined {
    this.#load()
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      const start = this.#addresses[middle]!
      if (start === address) return this.#symbol(middle)
      if (start > address) high = middle
      else if (middle + 1 < this.#count && address < this.#addresses[middle + 1]!) return this.#symbol(middle)
      else low = middle + 1
    }
    return undefined
  }

  /** Address of the function or object with this name. */
  addressOf(name: string): bigint | undefined {
    this.#load()
    for (let i = 0; i < this.#count; i++) if (this.#symbol(i).name === name) return this.#addresses[i]!
    return undefined
  }

  /** Index of the last symbol at or below an address; -1 if there is none. */
  #below(address: bigint): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#addresses[middle]! <= address) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #symbol(index: number): Symbol {
    const text = this.#texts[this.#text[index]!]!
    const start = this.#place[index]! + 2
    let end = start
    while (end < text.length && text[end]! > SPACE) end++
    const name = utf8.decode(text.subarray(start, end))
    while (text[end] === TAB || text[end] === SPACE) end++
    let module: string | undefined
    if (text[end] === OPEN_BRACKET) {
      let close = ++end
      while (close < text.length && text[close]! > SPACE && text[close] !== CLOSE_BRACKET) close++
      module = utf8.decode(text.subarray(end, close))
    }
    return { name, address: this.#addresses[index]!, module }
  }

  #load(): void {
    if (this.#pending.length === 0) return
    for (const text of this.#pending) this.#parse(text)
    this.#pending = []
    this.#sort()
  }

  #parse(text: Uint8Array): void {
    const textIndex = this.#texts.length
    if (textIndex > 0xffff) return
    this.#texts.push(text)
    for (let line = 0; line < text.length; ) {
      let at = line
      let high = 0
      let low = 0
      for (let digit = hexDigit(text[at]!); digit >= 0 && at - line < 16; digit = hexDigit(text[++at]!)) {
        high = ((high << 4) | (low >>> 28)) >>> 0
        low = ((low << 4) | digit) >>> 0
      }
      const type = at + 1
      // Absolute symbols are offsets of per-CPU variables, not addresses; zero is what kptr_restrict shows.
      // Names with a dollar are arm's marks between code and data.
      const formed = at > line && text[at] === SPACE && text[type + 1] === SPACE
      const usable = formed && (text[type]! | 32) !== LETTER_A && text[type + 2] !== DOLLAR && (high | low) !== 0
      if (usable) this.#push(high, low, textIndex, type)
      const end = text.indexOf(NEWLINE, at)
      line = end < 0 ? text.length : end + 1
    }
  }

  #push(high: number, low: number, text: number, place: number): void {
    if (this.#count === this.#addresses.length) this.#grow()
    if (this.#count === this.#addresses.length) return
    this.#words[this.#count * 2 + HIGH] = high
    this.#words[this.#count * 2 + LOW] = low
    this.#text[this.#count] = text
    this.#place[this.#count++] = place
  }

  #grow(): void {
    const size = Math.min(Math.max(1 << 16, this.#count * 2), MAX_SYMBOLS)
    this.#addresses = grown(this.#addresses, size)
    this.#words = new Uint32Array(this.#addresses.buffer)
    this.#text = grown(this.#text, size)
    this.#place = grown(this.#place, size)
  }

  /** Sorts symbols by address. Of several at one address, the first in the text comes last, so that lookups find it. */
  #sort(): void {
    const words = this.#words
    const order = Array.from(new Uint32Array(this.#count).keys())
    // Most of a text is sorted, and such a run takes linear time if equal ones stay in their order.
    order.sort((a, b) => words[a * 2 + HIGH]! - words[b * 2 + HIGH]! || words[a * 2 + LOW]! - words[b * 2 + LOW]!)
    const sorted = new Uint32Array(order.length * 2)
    const [text, place] = [new Uint16Array(order.length), new Uint32Array(order.length)]
    for (let first = 0, end = 0; first < order.length; first = end) {
      while (end < order.length && this.#isSame(order[first]!, order[end]!)) end++
      for (let i = first; i < end; i++) {
        const symbol = order[first + end - 1 - i]!
        sorted[i * 2] = words[symbol * 2]!
        sorted[i * 2 + 1] = words[symbol * 2 + 1]!
        text[i] = this.#text[symbol]!
        place[i] = this.#place[symbol]!
      }
    }
    this.#addresses = new BigUint64Array(sorted.buffer)
    this.#words = sorted
    this.#text = text
    this.#place = place
  }

  #isSame(a: number, b: number): boolean {
    const words = this.#words
    return words[a * 2] === words[b * 2] && words[a * 2 + 1] === words[b * 2 + 1]
  }
}

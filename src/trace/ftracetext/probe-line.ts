// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The fields of a probe in ftrace text.
 *
 *     lastput_free: (dmirror_devmem_free+0x0/0x60 [test_hmm]) page=0xffffea0000fff000 vmemmap=0xffffea0000000000
 *     lastput_memunmap_end: (devm_memremap_pages_release+0x9/0x20 <- memunmap_pages)
 *     lastput_use: pfn=0x100000
 *     error_report_end: [warning] ffffffff81234567
 *
 * Names in the parentheses are an attacker's: they are passed over byte by byte.
 */

import type { Columns } from '../common/columns.ts'
import {
  DETECTORS,
  PAGE_SHIFT,
  PROBE_FIELDS,
  type ProbeFault,
  ProbeField,
  ProbeValues,
} from '../common/probe-fields.ts'
import { Op } from '../events.ts'

const SPACE = 32
const OPEN_PAREN = 40
const CLOSE_PAREN = 41
const MINUS = 45
const ZERO = 48
const EQUALS = 61
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const LETTER_X = 120

const encoder = new TextEncoder()
const NAMES = PROBE_FIELDS.map(name => encoder.encode(name))
const DETECTOR_NAMES = DETECTORS.map(name => encoder.encode(name))

/** Parses the fields of probes. */
export class ProbeText {
  readonly #values = new ProbeValues()
  /** Low half of the number last read. */
  #low = 0
  #high = 0

  /** Parses the fields in [at, end) into a row. */
  parse(op: Op, bytes: Uint8Array, at: number, end: number, columns: Columns, row: number): ProbeFault {
    this.#values.clear()
    while (at < end && bytes[at] === SPACE) at++
    if (bytes[at] === OPEN_PAREN) {
      while (at < end && bytes[at] !== CLOSE_PAREN) at++
      at++
    }
    if (op === Op.REPORT && bytes[at] === OPEN_BRACKET) this.#report(bytes, at + 1, end)
    else this.#fields(bytes, at, end)
    return this.#values.store(op, PAGE_SHIFT, columns, row)
  }

  #fields(bytes: Uint8Array, at: number, end: number): void {
    while (at < end) {
      const start = at
      let equals = -1
      for (; at < end && bytes[at] !== SPACE; at++) if (bytes[at] === EQUALS && equals < 0) equals = at
      if (equals >= 0) this.#field(bytes, start, equals, at)
      at++
    }
  }

  /** Parses a field whose name is in [start, equals) and whose value ends before `end`. */
  #field(bytes: Uint8Array, start: number, equals: number, end: number): void {
    const field = NAMES.findIndex(name => is(bytes, start, equals, name))
    if (field < 0) return
    // trace-cmd report -R prints the address of a report in hexadecimal without "0x".
    const bare = field === ProbeField.ID && bytes[equals + 2] !== LETTER_X
    const known = bare ? this.#hex(bytes, equals + 1, end) : this.#number(bytes, equals + 1, end)
    if (known) this.#values.set(field as ProbeField, this.#low, this.#high)
    else this.#values.spoil(field as ProbeField)
  }

  /** Parses "warning] ffffffff81234567". */
  #report(bytes: Uint8Array, start: number, end: number): void {
    let close = start
    while (close < end && bytes[close] !== CLOSE_BRACKET) close++
    const detector = DETECTOR_NAMES.findIndex(name => is(bytes, start, close, name))
    if (detector >= 0) this.#values.set(ProbeField.DETECTOR, detector, 0)
    else if (this.#number(bytes, start, close)) this.#values.set(ProbeField.DETECTOR, this.#low, this.#high)
    let at = close + 1
    while (at < end && bytes[at] === SPACE) at++
    let stop = at
    while (stop < end && bytes[stop] !== SPACE) stop++
    if (this.#hex(bytes, at, stop)) this.#values.set(ProbeField.ID, this.#low, this.#high)
  }

  /** Parses a number that fills [start, end): "0x" and hexadecimal digits, or decimal digits. */
  #number(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes[start] === ZERO && bytes[start + 1] === LETTER_X) return this.#hex(bytes, start + 2, end)
    return this.#decimal(bytes, start, end)
  }

  #hex(bytes: Uint8Array, start: number, end: number): boolean {
    let low = 0
    let high = 0
    for (let at = start; at < end; at++) {
      const code = bytes[at]!
      const digit = code <= 57 ? code - ZERO : (code | 32) - 87
      if (digit < 0 || digit > 15 || (code > 57 && digit < 10)) return false
      high = (high << 4) | (low >>> 28)
      low = (low << 4) | digit
    }
    this.#low = low >>> 0
    this.#high = high >>> 0
    return end > start && end - start <= 16
  }

  #decimal(bytes: Uint8Array, start: number, end: number): boolean {
    const negative = bytes[start] === MINUS
    const first = negative ? start + 1 : start
    let low = 0
    let high = 0
    for (let at = first; at < end; at++) {
      const digit = bytes[at]! - ZERO
      if (digit < 0 || digit > 9) return false
      low = low * 10 + digit
      const carry = Math.floor(low / 2 ** 32)
      high = high * 10 + carry
      low -= carry * 2 ** 32
    }
    if (end <= first || high >= 2 ** 32) return false
    this.#low = negative ? -low >>> 0 : low
    this.#high = negative ? (low === 0 ? -high : ~high) >>> 0 : high
    return true
  }
}

function is(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false
  return true
}

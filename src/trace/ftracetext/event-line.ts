// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Parses one line of ftrace text: task, CPU, time, the kind of event, and the fields of a page_ref event.
 *
 *     insmod-99      [001] .....     7.106246: page_ref_set: pfn=0xfcf8000 flags=none count=1 ... val=1
 *     insmod-105   1.....     7.369095: page_ref_set:   pfn=...         (trace-cmd report -l, latency-format)
 *
 * The head is parsed backwards from the colon after the time, because the task's name may contain anything.
 * Facts of the format: kernel/trace/trace_output.c, trace-cmd-report(1).
 */

import { type EventBatch, isProbe, OP_NAMES, Op } from '../events.ts'

const TAB = 9
const SPACE = 32
const OPEN_PAREN = 40
const CLOSE_PAREN = 41
const MINUS = 45
const DOT = 46
const ZERO = 48
const COLON = 58
const EQUALS = 61
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const LETTER_N = 110
const LETTER_S = 115
const LETTER_U = 117
const LETTER_X = 120

/** Maximum CPU number, given by the width of EventBatch.cpu. */
const MAX_CPU = 0xffff

/** Width of the task's name in the text of tracefs. Names are shorter and right-aligned. */
const NAME_COLUMNS = 16

const encoder = new TextEncoder()
const PREFIX = encoder.encode('page_ref_')
const OPS = OP_NAMES.slice(0, Op.PAGE_FREE).map((name, op) => ({
  op: op as Op,
  bytes: encoder.encode(name.slice(PREFIX.length)),
}))
/** Probes by name and colon. The text does not contain an event's group. */
const PROBES = OP_NAMES.flatMap((name, op) =>
  isProbe(op) ? [{ op: op as Op, bytes: encoder.encode(`${name}:`) }] : [],
)
const HAS_RET = OP_NAMES.map((_, op) => op >= Op.MOD_AND_TEST && op <= Op.FREEZE)

function hash(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = (Math.imul(value, 31) + bytes[at]!) | 0
  return value
}

const keyOf = (name: string) => hash(encoder.encode(name), 0, name.length)
const PFN = keyOf('pfn')
const FLAGS = keyOf('flags')
const COUNT = keyOf('count')
const MAPCOUNT = keyOf('mapcount')
const MAPPING = keyOf('mapping')
const MT = keyOf('mt')
const VAL = keyOf('val')
const RET = keyOf('ret')

/** Bits for the fields that an event must have. */
const SEEN_PFN = 1
const SEEN_COUNT = 2
const SEEN_VAL = 4
const SEEN_RET = 8
const NEEDED = SEEN_PFN | SEEN_COUNT | SEEN_VAL

/**
 * Names of page flags by their bits in Linux 6.12. A kernel's text contains names, so the bits that its own flags have do not
 * matter.
 */
export const FLAG_NAMES = [
  'locked',
  'writeback',
  'referenced',
  'uptodate',
  'dirty',
  'lru',
  'head',
  'waiters',
  'active',
  'workingset',
  'owner_priv_1',
  'owner_2',
  'arch_1',
  'reserved',
  'private',
  'private_2',
  'reclaim',
  'swapbacked',
  'unevictable',
  'mlocked',
  'hwpoison',
  'young',
  'idle',
  'arch_2',
] as const

const FLAG_BITS = new Map<string, number>(FLAG_NAMES.map((name, bit) => [name, bit]))

/** Number of cached flag words, a power of two. Recordings have some dozens. */
const FLAG_WORDS = 1 << 8

/** The kind of a line. */
export const LineKind = { PAGE_REF: 0, STACK: 1, OTHER: 2, PROBE: 3 } as const
export type LineKind = (typeof LineKind)[keyof typeof LineKind]

const SCHED_SWITCH = encoder.encode('sched_switch:')
const STACK_MARK = encoder.encode('<stack trace')
const STACK_EVENT = encoder.encode('kernel_stack:')

function startsWith(bytes: Uint8Array, at: number, end: number, prefix: Uint8Array): boolean {
  if (end - at < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false
  return true
}

/** 10^n, for fractions of a second with 9 - n digits. */
const POWERS = Array.from({ length: 9 }, (_, n) => 10 ** n)

const isBlank = (code: number | undefined) => code === SPACE || code === TAB
const isDigit = (code: number | undefined) => code! >= ZERO && code! <= 57

/** Parses lines one by one. Its members describe the last line parsed. */
export class EventLine {
  kind: LineKind = LineKind.OTHER
  cpu = 0
  pid = 0
  /** Start of the task's name, without leading spaces. */
  commStart = 0
  commEnd = 0
  /** Time in whole seconds and nanoseconds. For a clock that counts ticks: the digits before the last nine, and the last nine. */
  seconds = 0
  nanoseconds = 0
  /** True if the time has no decimal point. */
  ticks = false
  /** Value of the time's last digit in nanoseconds; 1 for ticks. */
  resolution = 1
  /** The operation of a page_ref event or the kind of a probe, and the start of its fields. */
  op: Op = Op.SET
  fields = 0
  /** True if an event of another kind is sched_switch, whose fields contain names of tasks. */
  isSwitch = false

  /** Column at which the head of the last line ended. */
  #column = 0
  #low = 0
  #high = 0
  #int = 0
  /** End of the number last read; -1 if there was none. */
  #next = 0
  readonly #flagWords: ({ bytes: Uint8Array; bits: number } | undefined)[] = new Array(FLAG_WORDS).fill(undefined)

  /** Parses the head of the line [start, end). Returns false if it is not an event. */
  parseHead(bytes: Uint8Array, start: number, end: number): boolean {
    // Heads nearly always end in the same column as the previous one.
    let colon = start + this.#column
    if (colon >= end || bytes[colon] !== COLON || !this.#headBefore(bytes, start, colon)) {
      colon = this.#findHead(bytes, start, end)
      if (colon < 0) return false
      this.#column = colon - start
    }
    this.#classify(bytes, colon + 1, end)
    return true
  }

  /** Returns the colon that ends the head of a line; -1 if there is none. */
  #findHead(bytes: Uint8Array, start: number, end: number): number {
    const first = this.#nextHead(bytes, start, start, end)
    if (first < 0 || this.commEnd - start >= NAME_COLUMNS) return first
    // A task may be called "a-1 [002] 3: b". The search is limited because the dash after the real name has a fixed column.
    const limit = Math.min(end, start + NAME_COLUMNS + 64)
    for (let next = first; next >= 0; next = this.#nextHead(bytes, start, next + 1, limit)) {
      if (this.commEnd - start === NAME_COLUMNS) return next
    }
    return this.#nextHead(bytes, start, first, end)
  }

  #nextHead(bytes: Uint8Array, start: number, from: number, end: number): number {
    for (let colon = from; colon < end; colon++) {
      if (bytes[colon] === COLON && this.#headBefore(bytes, start, colon)) return colon
    }
    return -1
  }

  /** Parses the time, CPU, pid and name before the colon. */
  #headBefore(bytes: Uint8Array, start: number, colon: number): boolean {
    let at = this.#timeBefore(bytes, start, colon)
    if (at < 0) return false
    at = skipSpacesBack(bytes, start, at)
    if (bytes[at] !== CLOSE_BRACKET) {
      const flags = tokenStart(bytes, start, at)
      if (isDigit(bytes[flags])) return this.#latencyHead(bytes, start, flags, at)
      at = skipSpacesBack(bytes, start, flags - 1)
      if (at <= start || bytes[at] !== CLOSE_BRACKET) return false
    }
    at = this.#intBefore(bytes, start, at - 1)
    if (at < start || bytes[at] !== OPEN_BRACKET || this.#int > MAX_CPU) return false
    this.cpu = this.#int
    return this.#taskBefore(bytes, start, at - 1)
  }

  /** Parses the time that ends before `colon`. Returns the index before its start; -1 if there is no time. */
  #timeBefore(bytes: Uint8Array, start: number, colon: number): number {
    let end = colon
    // "12us : ", "12us+: ": microseconds with a mark for long delays.
    const micro = colon - 3 > start && bytes[colon - 2] === LETTER_S && bytes[colon - 3] === LETTER_U
    if (micro) end -= 3
    const first = digitsStart(bytes, start, end)
    if (first === end || end - first > 20 || first <= start) return -1
    if (bytes[first - 1] !== DOT) {
      this.#wholeTime(bytes, first, end, micro)
      return isBlank(bytes[first - 1]) ? first - 1 : -1
    }
    const whole = digitsStart(bytes, start, first - 1)
    if (end - first > 9 || whole === first - 1 || whole <= start || first - whole > 16) return -1
    this.ticks = false
    this.seconds = decimal(bytes, whole, first - 1)
    this.resolution = POWERS[9 - (end - first)]!
    this.nanoseconds = decimal(bytes, first, end) * this.resolution
    return isBlank(bytes[whole - 1]) ? whole - 1 : -1
  }

  /** Takes a time without a decimal point: microseconds, or ticks of the trace clock. */
  #wholeTime(bytes: Uint8Array, first: number, end: number, micro: boolean): void {
    this.ticks = !micro
    this.resolution = micro ? 1000 : 1
    if (micro) {
      const total = decimal(bytes, first, end)
      this.seconds = Math.floor(total / 1e6)
      this.nanoseconds = (total % 1e6) * 1000
    } else {
      const split = Math.max(first, end - 9)
      this.seconds = decimal(bytes, first, split)
      this.nanoseconds = decimal(bytes, split, end)
    }
  }

  /** Reads the digits that end at `at` into `#int`. Returns the index before them; -1 if there are none or too many. */
  #intBefore(bytes: Uint8Array, start: number, at: number): number {
    const first = digitsStart(bytes, start, at + 1)
    this.#int = decimal(bytes, first, at + 1)
    return first > at || at - first > 10 ? -1 : first - 1
  }

  /** Parses "insmod-105   1.....", in which the CPU precedes the flags. */
  #latencyHead(bytes: Uint8Array, start: number, flags: number, last: number): boolean {
    let cpu = 0
    let at = flags
    for (; at <= last && isDigit(bytes[at]) && cpu <= MAX_CPU; at++) cpu = cpu * 10 + bytes[at]! - ZERO
    if (cpu > MAX_CPU || at > last) return false
    this.cpu = cpu
    return this.#taskBefore(bytes, start, flags - 1)
  }

  /** Parses "NAME-PID", optionally followed by "(TGID)", that ends at `at`. */
  #taskBefore(bytes: Uint8Array, start: number, at: number): boolean {
    at = skipSpacesBack(bytes, start, at)
    if (bytes[at] === CLOSE_PAREN) {
      const limit = Math.max(start, at - 12)
      while (at > limit && bytes[at] !== OPEN_PAREN) at--
      at = skipSpacesBack(bytes, start, at - 1)
    }
    const dash = this.#intBefore(bytes, start, at)
    if (dash <= start || bytes[dash] !== MINUS || this.#int > 0x7fffffff) return false
    this.pid = this.#int
    this.commEnd = dash
    this.commStart = start
    while (this.commStart < dash && bytes[this.commStart] === SPACE) this.commStart++
    return true
  }

  #classify(bytes: Uint8Array, at: number, end: number): void {
    while (at < end && bytes[at] === SPACE) at++
    // "(+338)" is printed by trace-cmd report --ts-diff.
    if (bytes[at] === OPEN_PAREN) {
      while (at < end && bytes[at] !== CLOSE_PAREN) at++
      do at++
      while (at < end && bytes[at] === SPACE)
    }
    this.kind = LineKind.OTHER
    this.isSwitch = false
    if (startsWith(bytes, at, end, PREFIX)) this.#pageRef(bytes, at + PREFIX.length, end)
    else if (startsWith(bytes, at, end, STACK_MARK) || startsWith(bytes, at, end, STACK_EVENT))
      this.kind = LineKind.STACK
    else if (startsWith(bytes, at, end, SCHED_SWITCH)) {
      this.isSwitch = true
      this.fields = at + SCHED_SWITCH.length
    } else this.#probe(bytes, at, end)
  }

  #probe(bytes: Uint8Array, at: number, end: number): void {
    for (const { op, bytes: name } of PROBES) {
      if (!startsWith(bytes, at, end, name)) continue
      this.kind = LineKind.PROBE
      this.op = op
      this.fields = at + name.length
      return
    }
  }

  #pageRef(bytes: Uint8Array, at: number, end: number): void {
    for (const { op, bytes: name } of OPS) {
      if (bytes[at + name.length] !== COLON || !startsWith(bytes, at, end, name)) continue
      this.kind = LineKind.PAGE_REF
      this.op = op
      this.fields = at + name.length + 1
      return
    }
  }

  /** Parses the fields of a page_ref event up to `end` into a row. Returns false if one is missing or not a number. */
  parseFields(bytes: Uint8Array, end: number, batch: EventBatch, row: number): boolean {
    batch.flagsLow[row] = 0
    batch.flagsHigh[row] = 0
    batch.mapcount[row] = 0
    batch.mappingLow[row] = 0
    batch.mappingHigh[row] = 0
    batch.mt[row] = 0
    batch.ret[row] = 0
    let seen = 0
    let at = this.fields
    while (at < end) {
      let key = 0
      let code = 0
      while (at < end && (code = bytes[at]!) !== EQUALS && code !== SPACE) {
        key = (Math.imul(key, 31) + code) | 0
        at++
      }
      at++
      if (code !== EQUALS) continue
      let known = true
      if (key === PFN) {
        this.#readHex(bytes, at, end)
        batch.pfn[row] = this.#high * 2 ** 32 + this.#low
        seen |= SEEN_PFN
      } else if (key === COUNT) {
        this.#readInt(bytes, at, end)
        batch.count[row] = this.#int
        seen |= SEEN_COUNT
      } else if (key === FLAGS) {
        this.#readFlags(bytes, at, end)
        batch.flagsLow[row] = this.#low
        batch.flagsHigh[row] = this.#high
      } else if (key === MAPCOUNT) {
        this.#readInt(bytes, at, end)
        batch.mapcount[row] = this.#int
      } else if (key === MAPPING) {
        this.#readPointer(bytes, at, end)
        batch.mappingLow[row] = this.#low
        batch.mappingHigh[row] = this.#high
      } else if (key === MT) {
        this.#readInt(bytes, at, end)
        batch.mt[row] = this.#int
      } else if (key === VAL) {
        this.#readInt(bytes, at, end)
        batch.val[row] = this.#int
        seen |= SEEN_VAL
      } else if (key === RET) {
        this.#readInt(bytes, at, end)
        batch.ret[row] = this.#int
        seen |= SEEN_RET
      } else known = false
      if (!known) {
        while (at < end && bytes[at] !== SPACE) at++
        continue
      }
      at = this.#next
      if (at < 0 || (at < end && bytes[at] !== SPACE)) return false
    }
    return (seen & NEEDED) === NEEDED && (!HAS_RET[this.op] || (seen & SEEN_RET) !== 0)
  }

  /** Reads a decimal number of up to 32 bits. */
  #readInt(bytes: Uint8Array, at: number, end: number): void {
    const negative = at < end && bytes[at] === MINUS
    if (negative) at++
    const first = at
    let value = 0
    for (; at < end && isDigit(bytes[at]); at++) value = value * 10 + bytes[at]! - ZERO
    this.#int = negative ? -value : value
    this.#next = at === first || value > 0xffffffff ? -1 : at
  }

  /** Reads a hexadecimal number of up to 64 bits, with or without 0x. */
  #readHex(bytes: Uint8Array, at: number, end: number): void {
    if (at + 1 < end && bytes[at] === ZERO && bytes[at + 1] === LETTER_X) at += 2
    const first = at
    let low = 0
    let high = 0
    for (; at < end; at++) {
      const code = bytes[at]!
      const digit = code <= 57 ? code - ZERO : (code | 32) - 87
      if (digit < 0 || digit > 15 || (code > 57 && digit < 10)) break
      high = (high << 4) | (low >>> 28)
      low = (low << 4) | digit
    }
    this.#low = low >>> 0
    this.#high = high >>> 0
    this.#next = at === first || at - first > 16 ? -1 : at
  }

  /** Reads a pointer as printed by the kernel or trace-cmd. "(nil)" and similar words are 0. */
  #readPointer(bytes: Uint8Array, at: number, end: number): void {
    if (bytes[at] !== OPEN_PAREN) {
      this.#readHex(bytes, at, end)
      return
    }
    this.#low = 0
    this.#high = 0
    while (at < end && bytes[at] !== SPACE) at++
    this.#next = at
  }

  /** Reads "none", a number, or names joined by "|", among which a number stands for bits without a name. */
  #readFlags(bytes: Uint8Array, at: number, end: number): void {
    if (bytes[at] === ZERO) {
      this.#readHex(bytes, at, end)
      return
    }
    let stop = at
    while (stop < end && bytes[stop] !== SPACE) stop++
    this.#high = 0
    this.#next = stop
    this.#low = stop - at === 4 && bytes[at] === LETTER_N && bytes[at + 1] === 111 ? 0 : this.#flagBits(bytes, at, stop)
  }

  #flagBits(bytes: Uint8Array, start: number, end: number): number {
    const slot = hash(bytes, start, end) & (FLAG_WORDS - 1)
    const known = this.#flagWords[slot]
    if (known && known.bytes.length === end - start && startsWith(bytes, start, end, known.bytes)) return known.bits
    const word = bytes.slice(start, end)
    const bits = flagBits(String.fromCharCode(...word.subarray(0, 512)))
    this.#flagWords[slot] = { bytes: word, bits }
    return bits
  }
}

function flagBits(word: string): number {
  let bits = 0
  for (const name of word.split('|')) {
    const bit = FLAG_BITS.get(name)
    if (bit !== undefined) bits |= 1 << bit
    else if (/^0x[0-9a-f]{1,8}$/i.test(name)) bits |= Number(name)
  }
  return bits >>> 0
}

/** Returns the start of the digits that end before `end`. */
function digitsStart(bytes: Uint8Array, start: number, end: number): number {
  let at = end
  while (at > start && isDigit(bytes[at - 1])) at--
  return at
}

function decimal(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) value = value * 10 + bytes[at]! - ZERO
  return value
}

function skipSpacesBack(bytes: Uint8Array, start: number, at: number): number {
  while (at > start && bytes[at] === SPACE) at--
  return at
}

/** Returns the start of the word that ends at `at`. */
function tokenStart(bytes: Uint8Array, start: number, at: number): number {
  const limit = Math.max(start, at - 16)
  while (at > limit && bytes[at - 1] !== SPACE) at--
  return at
}

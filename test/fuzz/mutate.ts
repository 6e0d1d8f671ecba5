// SPDX-License-Identifier: GPL-2.0-or-later
/** Damage to a recording: at random places, at its numbers, in its text, in what is packed. */

import type { Random } from '../../testkit/random.ts'
import type { Mark } from '../../testkit/writers/tracedat.ts'
import type { Seed } from './seeds.ts'

/** Repeated pieces must not make files that take long just for their size. */
const MAX_BYTES = 1 << 18

type Mutation = (bytes: Uint8Array, random: Random, marks: readonly Mark[]) => Uint8Array

/** A mutated file; `others` lend pieces. */
export function mutant(seed: Seed, others: readonly Seed[], random: Random): Uint8Array {
  if (seed.parts > 0 && random.chance(0.3)) return seed.make(partMutation(seed.parts, random)).bytes
  const { bytes, marks } = seed.make()
  let mutated: Uint8Array = bytes.slice()
  let places: readonly Mark[] = marks
  const list = seed.text ? TEXT_MUTATIONS : BINARY_MUTATIONS
  for (let rounds = 1 + (random.chance(0.5) ? 0 : random.int(1, 4)); rounds > 0; rounds--) {
    if (random.chance(0.02)) mutated = spliced(mutated, random.pick(others).make().bytes, random)
    else mutated = random.pick(list)(mutated, random, places)
    // Places move when bytes are put in or taken out.
    if (mutated.length !== bytes.length) places = []
  }
  return mutated.subarray(0, Math.max(MAX_BYTES, bytes.length))
}

/** Changes one of the parts before it is packed: damage that no checksum shows. */
function partMutation(parts: number, random: Random): (part: string, bytes: Uint8Array) => Uint8Array {
  const wanted = random.int(0, parts - 1)
  let part = 0
  return (_, bytes) => {
    if (part++ !== wanted || bytes.length === 0) return bytes
    let mutated: Uint8Array = bytes.slice()
    for (let rounds = random.int(1, 3); rounds > 0; rounds--) {
      mutated = random.pick(random.chance(0.5) ? TEXT_MUTATIONS : BINARY_MUTATIONS)(mutated, random, [])
    }
    return mutated.subarray(0, MAX_BYTES)
  }
}

const place = (bytes: Uint8Array, random: Random) => random.int(0, Math.max(0, bytes.length - 1))

const flipBits: Mutation = (bytes, random) => {
  for (let n = random.int(1, 8); n > 0; n--) bytes[place(bytes, random)]! ^= 1 << random.int(0, 7)
  return bytes
}

const setBytes: Mutation = (bytes, random) => {
  const start = place(bytes, random)
  const value = random.pick([0, 0xff, 0x7f, 0x80, 0x20, random.int(0, 255)])
  // A Buffer throws where other arrays stop at their end.
  bytes.fill(value, start, Math.min(bytes.length, start + random.int(1, 16)))
  return bytes
}

/** Numbers that break arithmetic. */
function awkward(random: Random, size: number, known: number): bigint {
  const base = random.pick([
    0n,
    1n,
    -1n,
    BigInt(size),
    BigInt(known),
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    1n << 31n,
    1n << 40n,
    1n << 53n,
    1n << 63n,
    BigInt(random.int(0, 65536)),
  ])
  return base + BigInt(random.int(-9, 9)) * BigInt(random.pick([0, 0, 1]))
}

function setNumber(bytes: Uint8Array, at: number, width: number, value: bigint, little: boolean): void {
  if (at + width > bytes.length) return
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, value), little)
  else if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), little)
  else if (width === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), little)
  else view.setUint8(at, Number(BigInt.asUintN(8, value)))
}

/** Lengths, offsets, counts, headers of events: where the writer said they are. */
const setMarked: Mutation = (bytes, random, marks) => {
  if (marks.length === 0) return setAnyNumber(bytes, random, marks)
  // Few of some kinds and many of others: choose the kind first.
  const what = random.pick([...new Set(marks.map(mark => mark.what))])
  const mark = random.pick(marks.filter(candidate => candidate.what === what))
  const little = random.chance(0.8)
  setNumber(bytes, mark.offset, mark.size, awkward(random, bytes.length, mark.offset), little)
  return bytes
}

const setAnyNumber: Mutation = (bytes, random) => {
  const at = place(bytes, random)
  setNumber(bytes, at, random.pick([1, 2, 4, 8]), awkward(random, bytes.length, at), random.chance(0.5))
  return bytes
}

/** Moves a number a little: off by one, by a page, by a word. */
const nudgeMarked: Mutation = (bytes, random, marks) => {
  const mark = marks.length > 0 ? random.pick(marks) : { offset: place(bytes, random), size: 4 }
  if (mark.offset + mark.size > bytes.length) return bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const step = BigInt(random.pick([-4096, -8, -4, -1, 1, 4, 8, 4096]))
  const little = random.chance(0.8)
  const value =
    mark.size === 8
      ? view.getBigUint64(mark.offset, little)
      : BigInt(mark.size === 4 ? view.getUint32(mark.offset, little) : bytes[mark.offset]!)
  setNumber(bytes, mark.offset, mark.size, value + step, little)
  return bytes
}

/** Puts a word in another's place: a list or a tree of page tables then leads elsewhere, or in circles. */
const relink: Mutation = (bytes, random, marks) => {
  const words = marks.filter(({ size, offset }) => size === 8 && offset + 8 <= bytes.length)
  const kind = words.length > 0 ? random.pick([...new Set(words.map(({ what }) => what))]) : ''
  const alike = words.filter(({ what }) => what === kind)
  const pick = () => (alike.length > 0 ? random.pick(alike).offset : wordOf(bytes, random))
  for (let n = random.int(1, 3); n > 0; n--) {
    const [to, from] = [pick(), pick()]
    if (Math.max(to, from) + 8 <= bytes.length) bytes.copyWithin(to, from, from + 8)
  }
  return bytes
}

/** Where a word is that is not zero, if a few tries find one. */
function wordOf(bytes: Uint8Array, random: Random): number {
  let at = 0
  for (let tries = 0; tries < 32; tries++) {
    at = place(bytes, random) & ~7
    if (bytes.subarray(at, at + 8).some(byte => byte !== 0)) break
  }
  return at
}

const truncate: Mutation = (bytes, random) => bytes.slice(0, random.int(0, bytes.length))

const remove: Mutation = (bytes, random) => {
  const start = place(bytes, random)
  const length = random.chance(0.5) ? random.int(1, 16) : random.int(1, bytes.length)
  return concat(bytes.subarray(0, start), bytes.subarray(start + length))
}

const duplicate: Mutation = (bytes, random) => {
  const start = place(bytes, random)
  const piece = bytes.subarray(start, start + random.int(1, random.pick([8, 64, 4096])))
  const to = random.chance(0.5) ? start : place(bytes, random)
  return concat(bytes.subarray(0, to), piece, bytes.subarray(to))
}

const insert: Mutation = (bytes, random) => {
  const at = place(bytes, random)
  const piece = Uint8Array.from({ length: random.int(1, 32) }, () => random.int(0, 255))
  return concat(bytes.subarray(0, at), piece, bytes.subarray(at))
}

const overwrite: Mutation = (bytes, random) => {
  const from = place(bytes, random)
  bytes.copyWithin(place(bytes, random), from, from + random.int(1, random.pick([8, 64, 1024])))
  return bytes
}

/** Replaces a number in text: offsets and sizes of fields, ids, times, pids. */
const setDigits: Mutation = (bytes, random) => {
  let start = place(bytes, random)
  const isDigit = (code: number | undefined) => code !== undefined && code >= 48 && code <= 57
  for (let tries = 0; tries < 2000 && !isDigit(bytes[start]); tries++) start = (start + 1) % bytes.length
  if (!isDigit(bytes[start])) return bytes
  while (isDigit(bytes[start - 1])) start--
  let end = start
  while (isDigit(bytes[end])) end++
  const number = random.pick([
    '0',
    '1',
    '3',
    '7',
    '255',
    '65535',
    '65536',
    '2147483648',
    '4294967295',
    '99999999999999999999',
    '',
    String(random.int(0, 9999)),
  ])
  return concat(bytes.subarray(0, start), ascii(number), bytes.subarray(end))
}

const WORDS = [
  'field:',
  'unsigned long',
  '__data_loc char[]',
  '[8]',
  'offset:',
  'size:',
  'signed:0;',
  'ID: 4',
  'name: kernel_stack',
  'print fmt: "%s", ((((((((REC->a',
  'pfn',
  'ret',
  ' => ',
  '=> ',
  ': ',
  '[000]',
  ']',
  '-',
  '<stack trace>',
  'kernel_stack:',
  'CPU:0 [LOST 1 EVENTS]',
  'CPU:99999 [LOST EVENTS]',
  '##### CPU 3 buffer started ####',
  'page_ref_set: pfn=',
  'lastput_free: page=',
  'lastput_use: (',
  ' vmemmap=',
  'error_report_end: [',
  ' <- memunmap_pages)',
  'name: lastput_memunmap',
  '0x',
  '(nil)',
  '\n',
  '\r\n',
  '\0',
  '\t',
  '\n\n\n',
  'x'.repeat(300),
]

const insertWord: Mutation = (bytes, random) => {
  const at = place(bytes, random)
  return concat(bytes.subarray(0, at), ascii(random.pick(WORDS)), bytes.subarray(at + random.pick([0, 0, 1, 5])))
}

/** Moves, doubles or drops a line. */
const moveLine: Mutation = (bytes, random) => {
  const lines = splitLines(bytes)
  const from = random.int(0, lines.length - 1)
  const line = lines[from]!
  if (random.chance(0.6)) lines.splice(from, 1)
  if (random.chance(0.7)) lines.splice(random.int(0, lines.length), 0, line)
  return concat(...lines)
}

const cutLine: Mutation = (bytes, random) => {
  const lines = splitLines(bytes)
  const at = random.int(0, lines.length - 1)
  lines[at] = lines[at]!.subarray(0, random.int(0, lines[at]!.length))
  return concat(...lines)
}

const repeatLine: Mutation = (bytes, random) => {
  const lines = splitLines(bytes)
  const at = random.int(0, lines.length - 1)
  const line = lines[at]!
  const times = Math.min(random.int(1, 2000), Math.ceil(MAX_BYTES / Math.max(1, line.length)))
  return concat(...lines.slice(0, at), ...new Array<Uint8Array>(times).fill(line), ...lines.slice(at))
}

const BINARY_MUTATIONS: readonly Mutation[] = [
  flipBits,
  setBytes,
  setMarked,
  setMarked,
  setMarked,
  setMarked,
  nudgeMarked,
  relink,
  relink,
  setAnyNumber,
  truncate,
  remove,
  duplicate,
  insert,
  overwrite,
  setDigits,
  insertWord,
]

const TEXT_MUTATIONS: readonly Mutation[] = [
  flipBits,
  setBytes,
  truncate,
  remove,
  duplicate,
  insert,
  overwrite,
  setDigits,
  setDigits,
  insertWord,
  insertWord,
  moveLine,
  cutLine,
  repeatLine,
]

/** The head of one file and the tail of another. */
function spliced(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  return concat(bytes.subarray(0, random.int(0, bytes.length)), other.subarray(random.int(0, other.length)))
}

function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start)
    const end = newline < 0 ? bytes.length : newline + 1
    lines.push(bytes.subarray(start, end))
    start = end
  }
  return lines.length > 0 ? lines : [new Uint8Array(0)]
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, char => char.charCodeAt(0))
}

function concat(...pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

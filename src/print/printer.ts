// SPDX-License-Identifier: GPL-2.0-or-later
/** Formats records by the print format of their event, as libtraceevent does. */
import { decodeText } from '../trace/common/bytes.ts'
import { type EventFormat, type Field, findField, type RecordBytes } from '../trace/common/event-format.ts'
import type { SymbolTable } from '../trace/common/symbols.ts'
import { type Conversion, type Expr, MAX_WIDTH, type PrintPart, parsePrintFmt, type TableEntry } from './print-fmt.ts'

/** Properties of the recording on which formatting depends. */
export interface PrintContext {
  littleEndian: boolean
  longSize: number
  symbols: SymbolTable
  /** Strings of the kernel by address, from tracefs `printk_formats`. */
  strings: Map<bigint, string>
}

type Value = (record: RecordBytes) => bigint
type Text = (record: RecordBytes) => string

/** Most elements shown of one array, so that a damaged length cannot print without end. */
const MAX_ELEMENTS = 1 << 16

/** Returns a function that formats records of one event. */
export function compilePrinter(format: EventFormat, context: PrintContext): Text {
  const compiler = new Compiler(format, context)
  try {
    const parts = parsePrintFmt(format.printFmt).map(part => compiler.part(part))
    return record => {
      let text = ''
      for (const part of parts) text += part(record)
      return text
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const fields = format.fields.filter(field => !field.name.startsWith('common_'))
    const shown = fields.map(field => compiler.rawField(field))
    return record => `[FAILED TO PARSE]${fields.map((field, i) => ` ${field.name}=${shown[i]!(record)}`).join('')}`
  }
}

/**
 * Returns where a field's data is: in the field itself, or where its __data_loc or __rel_loc points. Cut off at the record's end.
 */
function place(field: Field, record: RecordBytes, littleEndian: boolean): { at: number; length: number } {
  const clip = (offset: number, length: number) => {
    const start = Math.min(offset, record.length)
    return { at: record.at + start, length: Math.max(0, Math.min(length, record.length - start)) }
  }
  if (!field.dynamic) return clip(field.offset, field.size === 0 ? record.length : field.size)
  if (field.offset + 4 > record.length) return clip(0, 0)
  const location = record.view.getUint32(record.at + field.offset, littleEndian)
  const base = field.dynamic === 'rel' ? field.offset + field.size : 0
  return clip(base + (location & 0xffff), location >>> 16)
}

/** Reads an unsigned number of 1, 2, 4 or 8 bytes; 0 where the record ends before. */
function readNumber(record: RecordBytes, offset: number, size: number, littleEndian: boolean): bigint {
  if (offset < 0 || offset + size > record.length) return 0n
  const at = record.at + offset
  if (size === 4) return BigInt(record.view.getUint32(at, littleEndian))
  if (size === 8) return record.view.getBigUint64(at, littleEndian)
  if (size === 2) return BigInt(record.view.getUint16(at, littleEndian))
  return size === 1 ? BigInt(record.view.getUint8(at)) : 0n
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  const end = bytes.subarray(at, at + length).indexOf(0)
  return decodeText(bytes.subarray(at, at + (end < 0 ? length : end)))
}

const ARITHMETIC: { [op: string]: (a: bigint, b: bigint) => bigint } = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0n ? 0n : a / b),
  '%': (a, b) => (b === 0n ? 0n : a % b),
  '<<': (a, b) => (b < 64n ? a << b : 0n),
  '>>': (a, b) => (b < 64n ? a >> b : 0n),
  '&': (a, b) => a & b,
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '<': (a, b) => BigInt(a < b),
  '>': (a, b) => BigInt(a > b),
  '<=': (a, b) => BigInt(a <= b),
  '>=': (a, b) => BigInt(a >= b),
  '==': (a, b) => BigInt(a === b),
  '!=': (a, b) => BigInt(a !== b),
  '&&': (a, b) => BigInt(a !== 0n && b !== 0n),
  '||': (a, b) => BigInt(a !== 0n || b !== 0n),
}

const CAST_BITS: { [type: string]: number } = {
  u8: 8,
  s8: 8,
  char: 8,
  'unsigned char': 8,
  u16: 16,
  s16: 16,
  short: 16,
  'unsigned short': 16,
  u32: 32,
  s32: 32,
  int: 32,
  'unsigned int': 32,
}

class Compiler {
  readonly #format: EventFormat
  readonly #context: PrintContext

  constructor(format: EventFormat, context: PrintContext) {
    this.#format = format
    this.#context = context
  }

  part(part: PrintPart): Text {
    if (part.kind === 'text') return () => part.text
    const { spec, arg } = part
    const width = part.width && this.value(part.width)
    if (spec.type === 's') {
      const show = this.#string(arg)
      return record => padded(show(record), spec, width?.(record))
    }
    if (spec.type === 'p') return this.#pointer(arg, spec)
    return this.#number(arg, spec, width)
  }

  #field(name: string): Field {
    const field = findField(this.#format, name)
    if (!field) throw new SyntaxError(`no field ${name}`)
    return field
  }

  /** Returns the value of a constant expression; undefined if it depends on the record. */
  #constant(expr: Expr): bigint | undefined {
    if (expr.kind === 'number') return expr.value
    if (expr.kind === 'binary') {
      const [left, right] = [this.#constant(expr.left), this.#constant(expr.right)]
      if (left === undefined || right === undefined) return undefined
      return BigInt.asUintN(64, ARITHMETIC[expr.op]!(left, right))
    }
    return undefined
  }

  value(expr: Expr): Value {
    const constant = this.#constant(expr)
    if (constant !== undefined) return () => constant
    switch (expr.kind) {
      case 'field': {
        const { offset, size } = this.#field(expr.name)
        const { littleEndian } = this.#context
        return record => readNumber(record, offset, size, littleEndian)
      }
      case 'name': {
        const address = this.#context.symbols.addressOf(expr.name) ?? 0n
        return () => address
      }
      case 'cast': {
        const operand = this.value(expr.operand)
        const bits = CAST_BITS[expr.type]
        return bits === undefined ? operand : record => BigInt.asUintN(bits, operand(record))
      }
      case 'unary':
        return this.#unary(expr.op, expr.operand)
      case 'binary': {
        const [left, right, apply] = [this.value(expr.left), this.value(expr.right), ARITHMETIC[expr.op]!]
        return record => BigInt.asUintN(64, apply(left(record), right(record)))
      }
      case 'cond': {
        const [test, yes, no] = [this.value(expr.test), this.value(expr.yes), this.value(expr.no)]
        return record => (test(record) === 0n ? no(record) : yes(record))
      }
      case 'index':
        return this.#element(expr.array, this.value(expr.index))
      case 'call':
        return this.#call(expr.name, expr.args)
      default:
        return () => 0n
    }
  }

  #unary(op: string, operand: Expr): Value {
    const value = this.value(operand)
    if (op === '-') return record => BigInt.asUintN(64, -value(record))
    if (op === '~') return record => BigInt.asUintN(64, ~value(record))
    if (op === '!') return record => BigInt(value(record) === 0n)
    if (op === '+') return value
    throw new SyntaxError(`unary ${op} is not known`)
  }

  #call(name: string, args: Expr[]): Value {
    const [first] = args
    if (name === '__builtin_expect' && first) return this.value(first)
    if (name.endsWith('dynamic_array_len') && first?.kind === 'name') {
      const field = this.#field(first.name)
      return record => BigInt(place(field, record, this.#context.littleEndian).length)
    }
    return () => 0n
  }

  /** Returns the field that an array's expression names, with casts removed. */
  #arrayField(expr: Expr): Field {
    if (expr.kind === 'cast') return this.#arrayField(expr.operand)
    if (expr.kind === 'field') return this.#field(expr.name)
    const [first] = expr.kind === 'call' ? expr.args : []
    if (first?.kind === 'name') return this.#field(first.name)
    throw new SyntaxError('expected an array field')
  }

  #element(array: Expr, index: Value): Value {
    const field = this.#arrayField(array)
    const { littleEndian, longSize } = this.#context
    const size = elementSize(field, longSize)
    return record => {
      const { at, length } = place(field, record, littleEndian)
      const offset = Number(index(record)) * size
      return offset + size > length ? 0n : readNumber(record, at - record.at + offset, size, littleEndian)
    }
  }

  #string(expr: Expr): Text {
    switch (expr.kind) {
      case 'string':
        return () => expr.text
      case 'name':
        return () => expr.name
      case 'field':
        return this.#fieldText(this.#field(expr.name))
      case 'cast':
        return this.#string(expr.operand)
      case 'cond': {
        const [test, yes, no] = [this.value(expr.test), this.#string(expr.yes), this.#string(expr.no)]
        return record => (test(record) === 0n ? no(record) : yes(record))
      }
      case 'call':
        return this.#callText(expr.name, expr.args, expr.table)
      default:
        return () => ''
    }
  }

  #fieldText(field: Field): Text {
    const { littleEndian, longSize, strings } = this.#context
    if (!field.array && !field.dynamic && field.size === longSize) {
      return record => {
        const address = readNumber(record, field.offset, field.size, littleEndian)
        return strings.get(address) ?? address.toString(16)
      }
    }
    return record => {
      const { at, length } = place(field, record, littleEndian)
      return textAt(record.bytes, at, length)
    }
  }

  #callText(name: string, args: Expr[], table: TableEntry[]): Text {
    const [first, second, third] = args
    if (!first) throw new SyntaxError(`expected an argument of ${name}`)
    if (name === '__print_flags') return this.#flags(this.value(first), second, this.#table(table))
    if (name === '__print_symbolic') return this.#symbolic(this.value(first), this.#table(table))
    if ((name === '__get_str' || name === '__get_rel_str') && first.kind === 'name') {
      return this.#fieldText({ ...this.#field(first.name), array: true })
    }
    if (name === '__print_hex' || name === '__print_hex_str') {
      return this.#hex(this.#arrayField(first), second, name === '__print_hex' ? ' ' : '')
    }
    if (name === '__print_array') return this.#array(this.#arrayField(first), second, third)
    return () => ''
  }

  /**
   * Returns a table with values. Names of enum constants have the value that libtraceevent gives them: 0 within an expression.
   */
  #table(entries: TableEntry[]): { value: bigint; text: string }[] {
    return entries.map(({ value, text }) => ({ value: this.#tableValue(value), text }))
  }

  #tableValue(expr: Expr): bigint {
    if (expr.kind === 'number') return expr.value
    // A bare name is unknown. All ones is used for it, which no value equals.
    if (expr.kind === 'name') return BigInt.asUintN(64, -1n)
    const value = (expr: Expr): bigint => {
      if (expr.kind === 'number') return expr.value
      if (expr.kind === 'name') return 0n
      if (expr.kind === 'cast') return value(expr.operand)
      if (expr.kind === 'binary') return BigInt.asUintN(64, ARITHMETIC[expr.op]!(value(expr.left), value(expr.right)))
      if (expr.kind === 'unary' && expr.op === '~') return BigInt.asUintN(64, ~value(expr.operand))
      if (expr.kind === 'unary' && expr.op === '-') return BigInt.asUintN(64, -value(expr.operand))
      throw new SyntaxError('expected a constant')
    }
    return value(expr)
  }

  #flags(value: Value, delimiter: Expr | undefined, table: { value: bigint; text: string }[]): Text {
    const between = delimiter?.kind === 'string' ? delimiter.text : ''
    const signed = (value: bigint) => BigInt.asIntN(64, value)
    return record => {
      let left = value(record)
      const names: string[] = []
      for (const flag of table) {
        if (left === 0n && signed(flag.value) < 0n) {
          names.push(flag.text)
          break
        }
        if (signed(flag.value) > 0n && (left & flag.value) === flag.value) {
          names.push(flag.text)
          left &= ~flag.value
        }
      }
      if (left !== 0n) names.push(`0x${left.toString(16)}`)
      return names.join(between)
    }
  }

  #symbolic(value: Value, table: { value: bigint; text: string }[]): Text {
    const texts = new Map<bigint, string>()
    for (const { value, text } of table) if (!texts.has(value)) texts.set(value, text)
    return record => {
      const number = value(record)
      return texts.get(number) ?? `0x${number.toString(16)}`
    }
  }

  #hex(field: Field, length: Expr | undefined, between: string): Text {
    const count = length ? this.value(length) : () => 0n
    return record => {
      const found = place(field, record, this.#context.littleEndian)
      const end = found.at + Math.min(found.length, Number(count(record)))
      return Array.from(record.bytes.subarray(found.at, end), byte => byte.toString(16).padStart(2, '0')).join(between)
    }
  }

  #array(field: Field, length: Expr | undefined, size: Expr | undefined): Text {
    const count = length ? this.value(length) : () => 0n
    const elementBytes = size ? this.value(size) : () => 0n
    const { littleEndian } = this.#context
    return record => {
      const found = place(field, record, littleEndian)
      const bytes = Number(elementBytes(record))
      if (![1, 2, 4, 8].includes(bytes)) return ''
      const elements: bigint[] = []
      const most = Math.min(Number(count(record)), Math.floor(found.length / bytes), MAX_ELEMENTS)
      for (let i = 0; i < most; i++) {
        elements.push(readNumber(record, found.at - record.at + i * bytes, bytes, littleEndian))
      }
      return elements.join(' ')
    }
  }

  #pointer(arg: Expr, spec: Conversion): Text {
    if (arg.kind === 'string') return () => arg.text
    const value = this.value(arg)
    const { symbols, longSize } = this.#context
    if (/^[FfSs]/.test(spec.extension)) {
      const withOffset = /^[FS]/.test(spec.extension)
      return record => {
        const address = value(record)
        const symbol = symbols.findLikeTraceCmd(address)
        if (!symbol) return `0x${(longSize === 4 ? BigInt.asUintN(32, address) : address).toString(16)}`
        return withOffset ? `${symbol.name}+0x${(address - symbol.address).toString(16)}` : symbol.name
      }
    }
    return record => {
      const address = value(record)
      return padded(address === 0n ? '(nil)' : `0x${address.toString(16)}`, spec, undefined)
    }
  }

  #number(arg: Expr, spec: Conversion, width: Value | undefined): Text {
    const bits = { hh: 8, h: 16, '': 32, l: 64, ll: 64 }[spec.length] ?? 64
    const plain = spec.flags === '' && spec.width === 0 && spec.precision === -1 && width === undefined
    const { littleEndian } = this.#context
    const field = arg.kind === 'field' ? this.#field(arg.name) : undefined
    if (plain && field?.size === 4 && !field.dynamic && bits >= 32 && /[dxu]/.test(spec.type)) {
      // The usual case, without big integers.
      const { offset } = field
      const signed = spec.type === 'd' && bits === 32
      const radix = spec.type === 'x' ? 16 : 10
      return ({ view, at, length }) => {
        if (offset + 4 > length) return '0'
        return (signed ? view.getInt32(at + offset, littleEndian) : view.getUint32(at + offset, littleEndian)).toString(
          radix,
        )
      }
    }
    const value = this.value(arg)
    return record => formatNumber(value(record), bits, spec, width?.(record))
  }

  /** Formats a field as libtraceevent does if it cannot use the print format. */
  rawField(field: Field): Text {
    const { littleEndian } = this.#context
    if (field.array || field.dynamic) return record => rawArray(field, record, littleEndian)
    const long = /\blong\b/.test(field.type)
    return record => {
      const value = readNumber(record, field.offset, field.size, littleEndian)
      if (/\*/.test(field.type) || (long && !field.signed)) return `0x${value.toString(16)}`
      if (!field.signed) return value.toString()
      if (field.size === 4 && long) return `0x${value.toString(16)}`
      const number = BigInt.asIntN(field.size * 8, value).toString()
      return field.size === 2 ? number.padStart(2) : number
    }
  }
}

function rawArray(field: Field, record: RecordBytes, littleEndian: boolean): string {
  const { at, length } = place(field, record, littleEndian)
  const bytes = record.bytes.subarray(at, at + length)
  const text = /\bchar\b/.test(field.type) ? textAt(record.bytes, at, length) : ''
  if (text !== '' && /^[\x20-\x7e\s]*$/.test(text)) return text
  return `ARRAY[${Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(', ')}]`
}

function elementSize(field: Field, longSize: number): number {
  const count = /\[(\d+)\]/.exec(field.type)?.[1]
  if (field.array && count !== undefined && Number(count) > 0) return field.size / Number(count)
  const type = field.type.replace(/^__(data|rel)_loc\s+/, '').split('[', 1)[0]!
  const named = /\b[us](8|16|32|64)\b/.exec(type)?.[1]
  if (named !== undefined) return Number(named) / 8
  if (/\bchar\b/.test(type)) return 1
  if (/\bshort\b/.test(type)) return 2
  if (/\blong long\b/.test(type)) return 8
  return /\bint\b/.test(type) ? 4 : longSize
}

/** Returns the value of an argument for `*` (width or precision). */
function starred(value: bigint): number {
  return Math.max(-MAX_WIDTH, Math.min(Number(BigInt.asIntN(32, value)), MAX_WIDTH))
}

function padded(text: string, spec: Conversion, star: bigint | undefined): string {
  const precision = spec.precision === -2 ? starred(star ?? -1n) : spec.precision
  const cut = precision >= 0 ? text.slice(0, precision) : text
  const width = spec.precision !== -2 && star !== undefined ? starred(star) : spec.width
  return spec.flags.includes('-') || width < 0 ? cut.padEnd(Math.abs(width)) : cut.padStart(width)
}

/** Formats a number as printf() does. */
function formatNumber(value: bigint, bits: number, spec: Conversion, star: bigint | undefined): string {
  const signed = spec.type === 'd' || spec.type === 'i'
  const number = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
  const radix = { x: 16, X: 16, o: 8 }[spec.type] ?? 10
  let digits = (number < 0n ? -number : number).toString(radix)
  if (spec.type === 'X') digits = digits.toUpperCase()
  if (spec.precision > 0) digits = digits.padStart(spec.precision, '0')
  let prefix = number < 0n ? '-' : ''
  if (spec.flags.includes('#') && number !== 0n && radix !== 10) prefix = radix === 16 ? `0${spec.type}` : '0'
  const width = star === undefined ? spec.width : starred(star)
  if (spec.flags.includes('0') && !spec.flags.includes('-') && spec.precision < 0) {
    digits = digits.padStart(width - prefix.length, '0')
  }
  return padded(prefix + digits, { ...spec, width, precision: -1 }, undefined)
}

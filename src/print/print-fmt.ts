// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Parses `print fmt` of event formats: a format string and arguments in a subset of C.
 *
 * Facts of the language: include/trace/stages/stage3_trace_output.h and what libtraceevent makes of it.
 */

/** An argument, or a part of one. Numbers are unsigned 64-bit values. */
export type Expr =
  | { kind: 'number'; value: bigint }
  | { kind: 'string'; text: string }
  /** A name whose value is not known here: a constant of an enum, or a type. */
  | { kind: 'name'; name: string }
  | { kind: 'field'; name: string }
  | { kind: 'unary'; op: string; operand: Expr }
  | { kind: 'binary'; op: string; left: Expr; right: Expr }
  | { kind: 'cond'; test: Expr; yes: Expr; no: Expr }
  | { kind: 'cast'; type: string; operand: Expr }
  | { kind: 'index'; array: Expr; index: Expr }
  | { kind: 'call'; name: string; args: Expr[]; table: TableEntry[] }

/** One pair of __print_flags and __print_symbolic. */
export interface TableEntry {
  value: Expr
  text: string
}

/** Text between conversions, or one conversion with its arguments (of `*` too). */
export type PrintPart =
  | { kind: 'text'; text: string }
  | { kind: 'conversion'; spec: Conversion; width: Expr | undefined; arg: Expr }

/** "%-5lx" */
export interface Conversion {
  flags: string
  width: number
  /** Precision; -1: none; -2: taken from an argument. */
  precision: number
  /** 'hh', 'h', '', 'l', 'll' */
  length: string
  /** d i u x X o s p */
  type: string
  /** Letters after %p. */
  extension: string
}

/** Functions whose arguments may be bare names of fields or types. */
const FUNCTIONS = new Set([
  '__print_flags',
  '__print_symbolic',
  '__print_hex',
  '__print_hex_str',
  '__print_array',
  '__get_str',
  '__get_rel_str',
  '__get_dynamic_array',
  '__get_rel_dynamic_array',
  '__get_dynamic_array_len',
  '__get_rel_dynamic_array_len',
  '__builtin_expect',
])

/** Deepest nesting of parentheses and operators; formats of real kernels stay far below. */
const MAX_DEPTH = 200

/** Most characters that a conversion may be padded to. */
export const MAX_WIDTH = 1 << 10

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]+|\d+)[uUlL]*|([A-Za-z_]\w*)|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)+)'|(->|>>|<<|>=|<=|==|!=|&&|\|\||[-+*/%&|^~!<>?:()[\]{},.]))/y

interface Token {
  kind: 'number' | 'name' | 'string' | 'char' | 'op' | 'end'
  text: string
}

/** Precedence of each binary operator. */
const PRECEDENCE: { [op: string]: number } = {
  '*': 10,
  '/': 10,
  '%': 10,
  '+': 9,
  '-': 9,
  '<<': 8,
  '>>': 8,
  '<': 7,
  '>': 7,
  '<=': 7,
  '>=': 7,
  '==': 6,
  '!=': 6,
  '&': 5,
  '^': 4,
  '|': 3,
  '&&': 2,
  '||': 1,
}

const END: Token = { kind: 'end', text: '' }

class PrintParser {
  readonly #tokens: Token[] = []
  #at = 0
  #depth = 0

  constructor(text: string) {
    TOKEN.lastIndex = 0
    for (let last = 0; last < text.length; last = TOKEN.lastIndex) {
      const match = TOKEN.exec(text)
      if (!match) {
        if (text.slice(last).trim() === '') break
        throw new SyntaxError(`unexpected ${JSON.stringify(text.slice(last, last + 20))}`)
      }
      const [, number, name, string, char, op] = match
      if (number !== undefined) this.#tokens.push({ kind: 'number', text: number })
      else if (name !== undefined) this.#tokens.push({ kind: 'name', text: name })
      else if (string !== undefined) this.#tokens.push({ kind: 'string', text: string })
      else if (char !== undefined) this.#tokens.push({ kind: 'char', text: char })
      else this.#tokens.push({ kind: 'op', text: op! })
    }
  }

  get #token(): Token {
    return this.#tokens[this.#at] ?? END
  }

  #isOp(text: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead]
    return token?.kind === 'op' && token.text === text
  }

  #take(text: string): void {
    if (!this.#isOp(text)) throw new SyntaxError(`expected ${text} before ${JSON.stringify(this.#token.text)}`)
    this.#at++
  }

  #taken(text: string): boolean {
    if (!this.#isOp(text)) return false
    this.#at++
    return true
  }

  #name(): string {
    if (this.#token.kind !== 'name') throw new SyntaxError(`expected a name before ${JSON.stringify(this.#token.text)}`)
    return this.#tokens[this.#at++]!.text
  }

  /** Reads adjacent string literals as one. */
  #literal(): string {
    let text = ''
    while (this.#tokens[this.#at]?.kind === 'string') text += this.#tokens[this.#at++]!.text
    return text
  }

  parse(): { format: string; args: Expr[] } {
    if (this.#token.kind !== 'string') throw new SyntaxError('expected a format string')
    const format = this.#literal()
    const args: Expr[] = []
    while (this.#taken(',')) args.push(this.#expression())
    if (this.#at < this.#tokens.length) throw new SyntaxError(`unexpected ${JSON.stringify(this.#token.text)}`)
    return { format, args }
  }

  #expression(): Expr {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError('nested too deeply')
    const test = this.#binary(1)
    let expr = test
    if (this.#taken('?')) {
      const yes = this.#expression()
      this.#take(':')
      expr = { kind: 'cond', test, yes, no: this.#expression() }
    }
    this.#depth--
    return expr
  }

  #binary(least: number): Expr {
    let left = this.#unary()
    for (;;) {
      const op = this.#token.kind === 'op' ? this.#token.text : ''
      const precedence = PRECEDENCE[op] ?? 0
      if (precedence < least) return left
      this.#at++
      left = { kind: 'binary', op, left, right: this.#binary(precedence + 1) }
    }
  }

  #unary(): Expr {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError('nested too deeply')
    const op = ['-', '+', '~', '!', '*', '&'].find(op => this.#isOp(op))
    let expr: Expr
    if (op !== undefined) {
      this.#at++
      expr = { kind: 'unary', op, operand: this.#unary() }
    } else expr = this.#postfix(this.#primary())
    this.#depth--
    return expr
  }

  #postfix(expr: Expr): Expr {
    let result = expr
    while (this.#taken('[')) {
      result = { kind: 'index', array: result, index: this.#expression() }
      this.#take(']')
    }
    return result
  }

  #primary(): Expr {
    const token = this.#token
    if (token.kind === 'string') return { kind: 'string', text: this.#literal() }
    if (this.#taken('(')) return this.#parenthesis()
    this.#at++
    if (token.kind === 'number') return { kind: 'number', value: BigInt.asUintN(64, numberOf(token.text)) }
    if (token.kind === 'char') return { kind: 'number', value: BigInt(token.text.charCodeAt(token.text.length - 1)) }
    if (token.kind !== 'name') throw new SyntaxError(`unexpected ${JSON.stringify(token.text)}`)
    if (token.text === 'REC' && this.#taken('->')) return { kind: 'field', name: this.#name() }
    if (this.#taken('(')) return this.#call(token.text)
    let name = token.text
    while (this.#token.kind === 'name') name += ` ${this.#name()}`
    return { kind: 'name', name }
  }

  /** After "(": a cast, or an expression in parentheses. */
  #parenthesis(): Expr {
    const type = this.#castType()
    if (type !== undefined) return { kind: 'cast', type, operand: this.#unary() }
    const expr = this.#expression()
    this.#take(')')
    return expr
  }

  /** The type of a cast up to its ")"; undefined, with nothing consumed, when there is none. */
  #castType(): string | undefined {
    let ahead = 0
    const words: string[] = []
    for (; this.#tokens[this.#at + ahead]?.kind === 'name'; ahead++) words.push(this.#tokens[this.#at + ahead]!.text)
    for (; this.#isOp('*', ahead); ahead++) words.push('*')
    if (words.length === 0 || words[0] === '*' || words[0] === 'REC' || !this.#isOp(')', ahead)) return undefined
    const next = this.#tokens[this.#at + ahead + 1]
    const operand = next !== undefined && (next.kind !== 'op' || next.text === '(')
    if (!operand) return undefined
    this.#at += ahead + 1
    return words.join(' ')
  }

  #call(name: string): Expr {
    if (!FUNCTIONS.has(name)) throw new SyntaxError(`function ${name} is not known`)
    const args: Expr[] = []
    const table: TableEntry[] = []
    while (!this.#taken(')')) {
      if (this.#isOp('{')) table.push(this.#entry())
      else args.push(this.#expression())
      if (!this.#isOp(')')) this.#take(',')
    }
    return { kind: 'call', name, args, table }
  }

  #entry(): TableEntry {
    this.#take('{')
    const value = this.#expression()
    this.#take(',')
    const text = this.#token.kind === 'string' ? this.#literal() : this.#name()
    this.#take('}')
    return { value, text }
  }
}

/** As strtoull() with base 0: a leading zero makes octal. */
function numberOf(text: string): bigint {
  return /^0[0-7]+$/.test(text) ? BigInt(`0o${text.slice(1)}`) : /^0\d/.test(text) ? 0n : BigInt(text)
}

const ESCAPES: { [letter: string]: string } = { n: '\n', t: '\t', r: '\r' }

/** Returns the text of a format string with its escape sequences replaced. */
function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter)
}

/** Characters that libtraceevent 1.7 accepts between % and the letter of a conversion. */
const MODIFIERS = /[-#hlLzZ.0-9*]*/y
const PARTS = /^([-#0]*)(\*|[1-9]\d*|)(?:\.(\*|\d*))?([hlLzZ]*)$/

/** Splits a format string at its conversions and gives each its arguments. */
function splitFormat(format: string, args: Expr[]): PrintPart[] {
  const parts: PrintPart[] = []
  let next = 0
  const take = () => {
    const arg = args[next++]
    if (!arg) throw new SyntaxError('expected an argument for each conversion')
    return arg
  }
  const text = (raw: string) => {
    if (raw !== '') parts.push({ kind: 'text', text: withoutEscapes(raw) })
  }
  let start = 0
  for (let at = format.indexOf('%'); at >= 0; at = format.indexOf('%', start)) {
    text(format.slice(start, at))
    MODIFIERS.lastIndex = at + 1
    const modifiers = MODIFIERS.exec(format)![0]
    const type = format[at + 1 + modifiers.length] ?? ''
    start = at + 2 + modifiers.length
    if (type === '%' && modifiers === '') parts.push({ kind: 'text', text: '%' })
    else if (!/^[diuxXosp]$/.test(type)) parts.push({ kind: 'text', text: `>${type}<` })
    else {
      const extension = type === 'p' ? pointerExtension(format.slice(start)) : ''
      start += extension.length
      parts.push(conversion(modifiers, type, extension, take))
    }
  }
  text(format.slice(start))
  return parts
}

function conversion(modifiers: string, type: string, extension: string, take: () => Expr): PrintPart {
  const match = PARTS.exec(modifiers)
  if (!match) throw new SyntaxError(`unknown conversion %${modifiers}${type}`)
  const [, flags, width, precision, length] = match
  const shorts = length!.split('h').length - 1
  const longs = length!.includes('L') ? 2 : length!.split(/[lzZ]/).length - 1
  const spec: Conversion = {
    flags: flags!,
    width: width === '*' ? 0 : Math.min(Number(width), MAX_WIDTH),
    precision: precision === undefined ? -1 : precision === '*' ? -2 : Math.min(Number(precision), MAX_WIDTH),
    length: shorts > 0 ? 'h'.repeat(Math.min(shorts, 2)) : 'l'.repeat(Math.min(longs, 2)),
    type,
    extension,
  }
  const star = width === '*' || precision === '*' ? take() : undefined
  return { kind: 'conversion', spec, width: star, arg: take() }
}

/** The letters after %p that say how the pointer is shown. */
function pointerExtension(letters: string): string {
  return /^(?:[FfSs]|[Mm][FR]?|[iI](?:4|6c?|S[pfsc]*)[hnbl]?|U[bBlL]?|h[CDN]?)/.exec(letters)?.[0] ?? ''
}

/** Parses a print format; throws SyntaxError on what is not understood. */
export function parsePrintFmt(text: string): PrintPart[] {
  const { format, args } = new PrintParser(text).parse()
  return splitFormat(format, args)
}

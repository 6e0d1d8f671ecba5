// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Parses stacks in ftrace text: lines of frames, innermost first.
 *
 *     => folio_put                         => func+0x10/0x40 [module] <ffffffffc0001010>      (tracefs)
 *     => __page_ref_set (ffffffff812d95ee)                                                    (trace-cmd report)
 *
 * Few distinct stacks recur, so a whole block of lines is looked up by its bytes and parsed only once.
 */

import { decodeText } from '../common/bytes.ts'
import { MAX_STACK_DEPTH, type StackInterner } from '../common/stacks.ts'
import type { SymbolTable } from '../common/symbols.ts'

const TAB = 9
const SPACE = 32
const EQUALS = 61
const GREATER = 62

/** Maximum number of bytes of distinct blocks that are cached. Further blocks are parsed each time. */
const MAX_KEPT_BYTES = 1 << 26

interface Block {
  bytes: Uint8Array
  stack: number
  /** The block that followed this one last time. A guess at the next block. */
  next: Block | undefined
}

/** Maximum number of bytes before a frame on its line. Kernels print one space. */
export const MAX_INDENT = 64

/** True if the line [start, end) shows a frame. Examines only its first bytes. */
export function isFrameLine(bytes: Uint8Array, start: number, end: number): boolean {
  const limit = Math.min(end, start + MAX_INDENT)
  let at = start
  while (at < limit && (bytes[at] === SPACE || bytes[at] === TAB)) at++
  return at + 1 < end && bytes[at] === EQUALS && bytes[at + 1] === GREATER
}

export class TextStacks {
  /** End of the lines that `guess` found. */
  foundEnd = 0
  #last: Block | undefined
  readonly #stacks: StackInterner
  readonly #symbols: SymbolTable
  readonly #blocks = new Map<number, Block[]>()
  #kept = 0

  constructor(stacks: StackInterner, symbols: SymbolTable) {
    this.#stacks = stacks
    this.#symbols = symbols
  }

  /** Returns the id of the expected stack if its frame lines are at `start`, and sets `foundEnd` to their end; otherwise -1. */
  guess(bytes: Uint8Array, start: number, end: number): number {
    const last = this.#last
    if (!last) return -1
    const guess = [last.next, last].find(block => block && standsAt(block.bytes, bytes, start, end))
    if (!guess) return -1
    this.#follow(guess)
    this.foundEnd = start + guess.bytes.length
    return guess.stack
  }

  /** Returns the stack id of the frame lines [start, end). */
  intern(bytes: Uint8Array, start: number, end: number): number {
    let hash = end - start
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
    const blocks = this.#blocks.get(hash)
    const known = blocks?.find(block => block.bytes.length === end - start && standsAt(block.bytes, bytes, start, end))
    if (known) {
      this.#follow(known)
      return known.stack
    }
    const lines = bytes.slice(start, end)
    const block: Block = { bytes: lines, stack: this.#stack(lines), next: undefined }
    if (this.#kept + lines.length <= MAX_KEPT_BYTES) {
      this.#kept += lines.length
      if (blocks) blocks.push(block)
      else this.#blocks.set(hash, [block])
      this.#follow(block)
    }
    return block.stack
  }

  #follow(block: Block): void {
    if (this.#last) this.#last.next = block
    this.#last = block
  }

  #stack(block: Uint8Array): number {
    const frames: number[] = []
    for (const line of decodeText(block).split('\n')) {
      const text = line.trim()
      const label = text.startsWith('=>') ? text.slice(2).trimStart() : ''
      if (label !== '' && frames.length < MAX_STACK_DEPTH) frames.push(this.#frame(label))
    }
    return this.#stacks.stack(frames)
  }

  #frame(label: string): number {
    if (/^(0x[0-9a-f]{1,16}|[0-9a-f]{8}|[0-9a-f]{16})$/.test(label)) return this.#stacks.addressFrame(hex(label))
    const { name, offset, module, address } = parseLabel(label)
    // Symbols from the user include the module and the offset, which the text may omit.
    if (address !== 0n && this.#symbols.find(address)) return this.#stacks.addressFrame(address)
    return this.#stacks.labelFrame({ name, offset, module, address })
  }
}

function parseLabel(label: string): {
  name: string
  offset: number | undefined
  module: string | undefined
  address: bigint
} {
  const address = /\s(?:\(([0-9a-f]{1,16})\)|<(?:0x)?([0-9a-f]{1,16})>)$/.exec(label)
  const rest = address ? label.slice(0, address.index).trimEnd() : label
  // Only what follows the last bracket before can be the module's.
  const from = rest.lastIndexOf(']', rest.length - 2) + 1
  const module = rest.endsWith(']') ? /\s\[([^\]\s]+)/.exec(rest.slice(from)) : null
  const symbol = module ? rest.slice(0, from + module.index).trimEnd() : rest
  const offset = /\+0x([0-9a-f]{1,8})(?:\/0x[0-9a-f]+)?$/.exec(symbol)
  return {
    name: offset ? symbol.slice(0, offset.index) : symbol,
    offset: offset ? Number.parseInt(offset[1]!, 16) : undefined,
    module: module?.[1],
    address: address ? hex(address[1] ?? address[2]!) : 0n,
  }
}

function hex(digits: string): bigint {
  return BigInt(digits.startsWith('0x') ? digits : `0x${digits}`)
}

function standsAt(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length > end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}

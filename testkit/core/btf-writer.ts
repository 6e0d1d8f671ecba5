// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes BTF for structures and enumerations, as far as the reader of dumps uses it. */

/** Type of a member: an integer of a number of bytes, a pointer, bytes of text, a structure, or an array of structures. */
export type MemberType =
  | 1
  | 2
  | 4
  | 8
  | 'pointer'
  | { text: number }
  | { struct: string }
  | { array: string; length: number }

export interface BtfSpec {
  /** Structures by name; offsets of members are in bytes. */
  structs: Record<string, { size: number; members: Record<string, readonly [offset: number, type: MemberType]> }>
  enums: Record<string, Record<string, number>>
}

const INTS: readonly (readonly [number, string])[] = [
  [1, 'unsigned char'],
  [2, 'short unsigned int'],
  [4, 'unsigned int'],
  [8, 'long unsigned int'],
]
const POINTER = INTS.length + 1

class Writer {
  readonly #names = ['']
  readonly #offsets = new Map([['', 0]])
  #end = 1
  readonly words: number[] = []
  types = 0

  name(text: string): number {
    const known = this.#offsets.get(text)
    if (known !== undefined) return known
    const at = this.#end
    this.#names.push(text)
    this.#offsets.set(text, at)
    this.#end += text.length + 1
    return at
  }

  /** Adds a type; returns its id. */
  type(name: string, kind: number, count: number, size: number, ...extra: number[]): number {
    this.words.push(this.name(name), (kind << 24) | count, size, ...extra)
    return ++this.types
  }

  bytes(): Uint8Array {
    const text = new TextEncoder().encode(this.#names.map(name => `${name}\0`).join(''))
    const file = new Uint8Array(24 + 4 * this.words.length + text.length)
    const view = new DataView(file.buffer)
    view.setUint16(0, 0xeb9f, true)
    view.setUint8(2, 1)
    const header = [24, 0, 4 * this.words.length, 4 * this.words.length, text.length]
    for (const [i, word] of [...header, ...this.words].entries()) view.setUint32(4 + 4 * i, word >>> 0, true)
    file.set(text, 24 + 4 * this.words.length)
    return file
  }
}

export function writeBtf({ structs, enums }: BtfSpec): Uint8Array {
  const writer = new Writer()
  for (const [size, name] of INTS) writer.type(name, 1, 0, size, size * 8)
  writer.type('', 2, 0, 0)
  for (const [name, values] of Object.entries(enums)) {
    const members = Object.entries(values)
    writer.type(name, 6, members.length, 4, ...members.flatMap(([member, value]) => [writer.name(member), value]))
  }
  const ids = new Map<string, number>()
  for (const [name, { size, members }] of Object.entries(structs)) {
    const list = Object.entries(members).map(([member, [offset, type]]) => {
      return [writer.name(member), typeId(writer, ids, type), offset * 8]
    })
    ids.set(name, writer.type(name, 4, list.length, size, ...list.flat()))
  }
  return writer.bytes()
}

function typeId(writer: Writer, ids: ReadonlyMap<string, number>, type: MemberType): number {
  if (type === 'pointer') return POINTER
  if (typeof type === 'number') return INTS.findIndex(([size]) => size === type) + 1
  if ('text' in type) return writer.type('', 3, 0, 0, 1, 3, type.text)
  const name = 'struct' in type ? type.struct : type.array
  const id = ids.get(name)
  if (id === undefined) throw new Error(`struct ${name} must come before those that hold it`)
  return 'struct' in type ? id : writer.type('', 3, 0, 0, id, 3, type.length)
}

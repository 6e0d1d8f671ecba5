// SPDX-License-Identifier: GPL-2.0-or-later
/** BTF, the kernel's description of its own types (Documentation/bpf/btf.rst): that of vmlinux, and split BTF of modules. */
import { viewOf } from '../memory/source.ts'
import { NamePool } from './names.ts'

const MAGIC = 0xeb9f
const MOST_TYPES = 1 << 21
/** Maximum number of typedefs, qualifiers and arrays around a type, and maximum depth of anonymous members. */
const MOST_DEPTH = 32

const Kind = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const

/** Bytes that follow the 12 of `btf_type`, by kind: per member, and in total. */
const PER_MEMBER: Record<number, number> = {
  [Kind.STRUCT]: 12,
  [Kind.UNION]: 12,
  [Kind.ENUM]: 8,
  [Kind.FUNC_PROTO]: 8,
  [Kind.DATASEC]: 12,
  [Kind.ENUM64]: 12,
}
const EXTRA: Record<number, number> = { [Kind.INT]: 4, [Kind.ARRAY]: 12, [Kind.VAR]: 4, [Kind.DECL_TAG]: 4 }

/** A member of a structure. For members of anonymous structures and unions, the offset counts from the outermost structure. */
export interface Member {
  readonly name: string
  /** Offset in bytes from the start of the structure. */
  readonly offset: number
  /** For bit fields, the number of the first bit within the byte at `offset`; otherwise 0. */
  readonly bit: number
  /** Width of a bit field in bits; otherwise 0. */
  readonly bits: number
  readonly type: number
}

export interface Struct {
  readonly name: string
  readonly size: number
  readonly members: ReadonlyMap<string, Member>
}

export class BtfError extends Error {}

/** The types of vmlinux, or those of a module together with the types of vmlinux that it refers to. */
export class Btf {
  readonly #base: Btf | undefined
  readonly #view: DataView
  readonly #names: NamePool
  /** Byte offset in `view` of each type, from the first id on. */
  readonly #starts: Uint32Array
  readonly #firstId: number
  readonly #firstName: number
  readonly #structs = new Map<string, Struct | undefined>()

  /** @throws BtfError if the bytes are not BTF */
  constructor(bytes: Uint8Array, base?: Btf) {
    this.#base = base
    this.#firstId = base ? base.#end : 1
    this.#firstName = base ? base.#nameEnd : 0
    if (bytes.length < 24 || viewOf(bytes).getUint16(0, true) !== MAGIC) throw new BtfError('no BTF header')
    const view = viewOf(bytes)
    const header = view.getUint32(4, true)
    const [typeOffset, typeBytes] = [header + view.getUint32(8, true), view.getUint32(12, true)]
    const [nameOffset, nameBytes] = [header + view.getUint32(16, true), view.getUint32(20, true)]
    if (typeOffset + typeBytes > bytes.length || nameOffset + nameBytes > bytes.length) {
      throw new BtfError('sections of BTF that are longer than it')
    }
    this.#view = viewOf(bytes.subarray(typeOffset, typeOffset + typeBytes))
    // The strings of split BTF continue those of its base, so that their first byte need not be a NUL.
    const text = new Uint8Array(nameBytes + 1)
    text.set(bytes.subarray(nameOffset, nameOffset + nameBytes), 1)
    this.#names = new NamePool(text)
    this.#starts = typeStarts(this.#view)
  }

  get #end(): number {
    return this.#firstId + this.#starts.length
  }

  get #nameEnd(): number {
    return this.#firstName + this.#names.length - 1
  }

  /** A structure or union by name; undefined where the kernel has none. */
  struct(name: string): Struct | undefined {
    if (!this.#structs.has(name)) {
      const id = this.#find(name, [Kind.STRUCT, Kind.UNION])
      this.#structs.set(name, id === undefined ? this.#base?.struct(name) : this.structOf(id))
    }
    return this.#structs.get(name)
  }

  /** Returns the structure or union that a type stands for, looking through typedefs and qualifiers. */
  structOf(type: number): Struct | undefined {
    const id = this.resolve(type)
    const kind = this.#kind(id)
    if (kind !== Kind.STRUCT && kind !== Kind.UNION) return undefined
    const members = new Map<string, Member>()
    this.#collect(id, 0, members, 0)
    return { name: this.nameOf(id), size: this.#word(id, 8), members }
  }

  /** Finds a member, which can be nested: `page._refcount`, `page.flags.f`. */
  member(path: string): Member | undefined {
    const [name, ...rest] = path.split('.')
    let struct = this.struct(name!)
    let found: Member | undefined
    let offset = 0
    for (const part of rest) {
      found = struct?.members.get(part)
      if (!found) return undefined
      offset += found.offset
      struct = this.structOf(found.type)
    }
    return found && { ...found, offset }
  }

  /** Returns the value of an enumerator of any enumeration; undefined if there is none of that name. */
  enumerator(name: string): number | undefined {
    const at = this.#nameAt(name)
    for (let i = 0; at >= 0 && i < this.#starts.length; i++) {
      const id = this.#firstId + i
      const kind = this.#kind(id)
      if (kind !== Kind.ENUM && kind !== Kind.ENUM64) continue
      const size = PER_MEMBER[kind]!
      for (let n = this.#count(id), m = 12; n > 0; n--, m += size) {
        if (this.#word(id, m) !== at) continue
        const low = this.#word(id, m + 4)
        return kind === Kind.ENUM64 ? this.#word(id, m + 8) * 2 ** 32 + low : low | 0
      }
    }
    return this.#base?.enumerator(name)
  }

  /**
   * Returns the names of an enumeration's values. Where several names have the same value, returns the first, because aliases are
   * defined last (enum pageflags).
   */
  enumerators(enumName: string): Map<number, string> {
    const id = this.#find(enumName, [Kind.ENUM])
    if (id === undefined) return this.#base?.enumerators(enumName) ?? new Map()
    const values = new Map<number, string>()
    for (let n = this.#count(id), m = 12; n > 0; n--, m += 8) {
      const value = this.#word(id, m + 4) | 0
      if (!values.has(value)) values.set(value, this.name(this.#word(id, m)))
    }
    return values
  }

  /** Size of a type in bytes; 0 for types without a size. */
  sizeOf(type: number): number {
    const id = this.resolve(type)
    const kind = this.#kind(id)
    if (kind === Kind.PTR) return 8
    if (kind !== Kind.ARRAY) return kind === Kind.FUNC_PROTO || kind === Kind.FWD || id === 0 ? 0 : this.#word(id, 8)
    return this.#word(id, 20) * this.#elementBytes(this.#word(id, 12), MOST_DEPTH)
  }

  /** Number of elements of an array type; undefined for other types. */
  lengthOf(type: number): number | undefined {
    const id = this.resolve(type)
    return this.#kind(id) === Kind.ARRAY ? this.#word(id, 20) : undefined
  }

  /** Returns the type that a pointer type points to, or the element type of an array; 0 for other types. */
  target(type: number): number {
    const id = this.resolve(type)
    const kind = this.#kind(id)
    if (kind === Kind.PTR) return this.#word(id, 8)
    return kind === Kind.ARRAY ? this.#word(id, 12) : 0
  }

  isPointer(type: number): boolean {
    return this.#kind(this.resolve(type)) === Kind.PTR
  }

  /** Resolves typedefs and qualifiers. */
  resolve(type: number): number {
    let id = type
    for (let depth = 0; depth < MOST_DEPTH; depth++) {
      const kind = this.#kind(id)
      const named = kind === Kind.TYPEDEF || kind === Kind.TYPE_TAG
      if (!named && kind !== Kind.VOLATILE && kind !== Kind.CONST && kind !== Kind.RESTRICT) return id
      id = this.#word(id, 8)
    }
    return 0
  }

  nameOf(type: number): string {
    return type === 0 ? 'void' : this.name(this.#word(type, 0))
  }

  /** Ids of all structures that this BTF defines itself, without those of its base. */
  *structIds(): Generator<number> {
    for (let i = 0; i < this.#starts.length; i++) {
      if (this.#kind(this.#firstId + i) === Kind.STRUCT) yield this.#firstId + i
    }
  }

  name(offset: number): string {
    if (this.#base && offset < this.#firstName) return this.#base.name(offset)
    return this.#names.at(offset - this.#firstName + 1)
  }

  #elementBytes(type: number, depth: number): number {
    const id = this.resolve(type)
    if (depth === 0 || this.#kind(id) !== Kind.ARRAY) return this.sizeOf(id)
    return this.#word(id, 20) * this.#elementBytes(this.#word(id, 12), depth - 1)
  }

  #collect(id: number, base: number, members: Map<string, Member>, depth: number): void {
    if (depth > MOST_DEPTH) return
    const fields = (this.#info(id) & 0x80000000) !== 0
    for (let n = this.#count(id), at = 12; n > 0; n--, at += 12) {
      const name = this.name(this.#word(id, at))
      const type = this.#word(id, at + 4)
      const place = this.#word(id, at + 8)
      const bits = fields ? place >>> 24 : 0
      const bitOffset = fields ? place & 0xffffff : place
      const offset = base + Math.floor(bitOffset / 8)
      if (name !== '') {
        if (!members.has(name)) members.set(name, { name, offset, bit: bitOffset & 7, bits, type })
        continue
      }
      const inner = this.resolve(type)
      const kind = this.#kind(inner)
      if (kind === Kind.STRUCT || kind === Kind.UNION) this.#collect(inner, offset, members, depth + 1)
    }
  }

  /** Offset of a name in the string section, as types refer to it; -1 if the name does not occur. */
  #nameAt(name: string): number {
    const own = this.#names.find(name)
    if (own >= 0) return own - 1 + this.#firstName
    return this.#base ? this.#base.#nameAt(name) : -1
  }

  #find(name: string, kinds: readonly number[]): number | undefined {
    const at = this.#nameAt(name)
    if (at < 0) return undefined
    for (let i = 0; i < this.#starts.length; i++) {
      const start = this.#starts[i]!
      if (this.#view.getUint32(start, true) !== at) continue
      const id = this.#firstId + i
      if (kinds.includes(this.#kind(id)) && this.#count(id) > 0) return id
    }
    return undefined
  }

  #kind(id: number): number {
    return (this.#info(id) >>> 24) & 0x1f
  }

  #count(id: number): number {
    return this.#info(id) & 0xffff
  }

  #info(id: number): number {
    return id === 0 ? 0 : this.#word(id, 4)
  }

  #word(id: number, at: number): number {
    if (this.#base && id < this.#firstId) return this.#base.#word(id, at)
    const start = this.#starts[id - this.#firstId]
    return start === undefined || start + at + 4 > this.#view.byteLength ? 0 : this.#view.getUint32(start + at, true)
  }
}

/** Returns the offset of each type. Stops at the first type that does not fit in the data. */
function typeStarts(view: DataView): Uint32Array {
  const starts: number[] = []
  for (let at = 0; at + 12 <= view.byteLength && starts.length < MOST_TYPES; ) {
    const info = view.getUint32(at + 4, true)
    const kind = (info >>> 24) & 0x1f
    if (kind === 0 || kind > Kind.ENUM64) break
    const bytes = 12 + (EXTRA[kind] ?? 0) + (PER_MEMBER[kind] ?? 0) * (info & 0xffff)
    if (at + bytes > view.byteLength) break
    starts.push(at)
    at += bytes
  }
  return Uint32Array.from(starts)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** What a sample of a watched count tells by itself: the effect of the instruction and what registers say of the count. */
import type { Columns } from '../../common/columns.ts'
import { operandValue, type Registers, writtenAddress } from './write.ts'
import type { FoundWrite, WriteFinder } from './write-finder.ts'
import { X86_FLAGS, ZERO_FLAG } from './x86-write.ts'

/** In `op`: a row that `CountResolver` has not looked at yet. */
export const WATCHED = 0xff

/** In `mt` of such a row: what was done to the count. `val` and `ret` are valid as far as `Told` says. */
export const Change = {
  /** `val` was added. */
  ADD: 0,
  /** The count became `val`. */
  SET: 1,
  /** The count became `val` if it was what the code expected; before that it was `ret`. */
  COMPARE: 2,
  /** `val` was added to `ret`. */
  FETCH: 3,
  /** The count was `ret` and became `val`. */
  EXCHANGE: 4,
  /** Something else. */
  UNKNOWN: 5,
} as const

/** In `mapcount` of such a row, as bits: what is known of it. */
export const Told = {
  /** `val` is known. */
  AMOUNT: 1,
  /** `ret` is known. */
  BEFORE: 2,
  /** Of COMPARE: it took place; it did not. */
  STORED: 4,
  REFUSED: 8,
} as const

const COUNT_BYTES = 4
const INT_BITS = 32
/** Places of _refcount in struct page, and of the eight bytes that it is the upper half of. */
const REFCOUNT_OFFSET = 0x34
const PAGE_STRUCT_MASK = 0x3f

/** One watched count. */
export interface WatchedCount {
  pfn: number
  /** Address of the count. */
  address: bigint
  /** Reads make samples too. */
  readsToo: boolean
}

/** A write to a count. */
interface Hit {
  write: FoundWrite
  /** Bytes from the start of what was written to the count. */
  offset: number
}

/** Columns of a row that say what happened to a count. */
type Row = Pick<Columns, 'op' | 'mt' | 'val' | 'ret' | 'mapcount' | 'pfn'>

/** Turns samples of watched counts into rows. */
export class ChangeReader {
  /** Samples by what their instruction did; `doubtful`: an address that the registers did not confirm. */
  unknown = 0
  unchecked = 0
  readonly #finder: WriteFinder | undefined

  constructor(finder: WriteFinder | undefined) {
    this.#finder = finder
  }

  /** Writes what a sample at `ip` tells to a row. Returns false if the count was only read. */
  store(ip: bigint, registers: Registers, count: WatchedCount, columns: Row, row: number): boolean {
    const found = this.#finder?.at(ip) ?? []
    if (count.readsToo && found[0]?.effect === 'none') return false
    columns.op[row] = WATCHED
    columns.pfn[row] = count.pfn
    columns.mt[row] = Change.UNKNOWN
    columns.val[row] = columns.ret[row] = columns.mapcount[row] = 0
    const hit = hitOf(found, registers, count)
    if (!hit || !describe(hit, registers, columns, row)) this.unknown++
    return true
  }
}

/** The write that can have hit the count. */
function hitOf(found: readonly FoundWrite[], registers: Registers, count: WatchedCount): Hit | undefined {
  for (const write of found) {
    if (write.effect === 'none') continue
    const address = writtenAddress(write, registers)
    const offset = address === undefined ? likelyOffset(write) : Number(BigInt.asIntN(64, count.address - address))
    if (offset >= 0 && offset + COUNT_BYTES <= write.width) return { write, offset }
  }
  return undefined
}

/** Where in what was written the count lies, by the displacement from the page's structure alone. */
function likelyOffset({ width, address }: FoundWrite): number {
  if (width === COUNT_BYTES) return 0
  return REFCOUNT_OFFSET - (Number(BigInt.asUintN(6, address?.displacement ?? 0n)) & PAGE_STRUCT_MASK)
}

const KINDS = {
  add: Change.ADD,
  set: Change.SET,
  compare: Change.COMPARE,
  'fetch-add': Change.FETCH,
  exchange: Change.EXCHANGE,
} as const

/** Writes a hit to a row; false: what it did is not known. */
function describe({ write, offset }: Hit, registers: Registers, columns: Row, row: number): boolean {
  const { effect } = write
  if (effect === 'none' || effect === 'unknown') return false
  // Of wider operations only stores are read: no code adds to a count and its neighbour at once.
  if (write.width !== COUNT_BYTES && effect !== 'set') return false
  columns.mt[row] = KINDS[effect]
  const operand = effect === 'fetch-add' || effect === 'exchange' ? write.addend : write.operand
  const value = operandValue(operand, registers)
  let told = 0
  if (value !== undefined) {
    columns.val[row] = Number(BigInt.asIntN(INT_BITS, value >> BigInt(8 * offset)))
    told |= Told.AMOUNT
  }
  const before = write.before < 0 ? undefined : registers.get(write.before)
  if (before !== undefined) {
    columns.ret[row] = Number(BigInt.asIntN(INT_BITS, before))
    told |= Told.BEFORE
  }
  if (effect === 'compare' && value !== undefined) told |= outcome(write, registers, columns, row, told)
  columns.mapcount[row] = told
  return told !== 0
}

/**
 * Whether a compare and exchange took place: the zero flag says it. Where flags were not recorded, the code before it may: by
 * the value that it expected, which is the one found or is not; or because what it would store is made of the value that it
 * expected, and so exceeds the value found by just as much only if the two are the same.
 */
function outcome(write: FoundWrite, registers: Registers, columns: Row, row: number, told: number): number {
  const flags = registers.get(X86_FLAGS)
  if (flags !== undefined) return flags & ZERO_FLAG ? Told.STORED : Told.REFUSED
  if ((told & Told.BEFORE) === 0) return 0
  const found = columns.ret[row]!
  const compared = operandValue(write.compared, registers)
  if (compared !== undefined) return Number(BigInt.asIntN(INT_BITS, compared)) === found ? Told.STORED : Told.REFUSED
  const addend = operandValue(write.addend, registers)
  if (addend === undefined) return 0
  const exceeds = (columns.val[row]! - found) | 0
  return exceeds === Number(BigInt.asIntN(INT_BITS, addend)) ? Told.STORED : Told.REFUSED
}

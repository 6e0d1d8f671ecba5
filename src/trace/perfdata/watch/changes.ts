// SPDX-License-Identifier: GPL-2.0-or-later
/** Determines from one sample of a watched count what the instruction did, and what the registers show of the count. */
import type { Columns } from '../../common/columns.ts'
import { operandValue, type Registers, writtenAddress } from './write.ts'
import type { FoundWrite, WriteFinder } from './write-finder.ts'
import { X86_FLAGS, ZERO_FLAG } from './x86-write.ts'

/** Value of `op` in rows that `CountResolver` has not processed yet. */
export const WATCHED = 0xff

/** Value of `mt` in such rows: what was done to the count. `Told` says whether `val` and `ret` are valid. */
export const Change = {
  /** `val` was added. */
  ADD: 0,
  /** The count was set to `val`. */
  SET: 1,
  /** Compare and exchange: the count was set to `val` if it had the expected value. Before, it was `ret`. */
  COMPARE: 2,
  /** `val` was added to the count, which was `ret` before. */
  FETCH: 3,
  /** The count was `ret` and was set to `val`. */
  EXCHANGE: 4,
  /** Anything else. */
  UNKNOWN: 5,
} as const

/** Bits of `mapcount` in such rows: which values are known. */
export const Told = {
  /** `val` is known. */
  AMOUNT: 1,
  /** `ret` is known. */
  BEFORE: 2,
  /** For COMPARE: the exchange took place, or it did not. */
  STORED: 4,
  REFUSED: 8,
} as const

const COUNT_BYTES = 4
const INT_BITS = 32
/** Offset of _refcount in struct page, and the mask of offsets within a struct page. */
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

/** A write that changed the count. */
interface Hit {
  write: FoundWrite
  /** Offset in bytes of the count within the written memory. */
  offset: number
}

/** The columns that describe a change of a count. */
type Row = Pick<Columns, 'op' | 'mt' | 'val' | 'ret' | 'mapcount' | 'pfn'>

/** Converts samples of watched counts to rows. */
export class ChangeReader {
  /** Numbers of samples whose change is unknown, and of samples whose address the registers did not confirm. */
  unknown = 0
  unchecked = 0
  readonly #finder: WriteFinder | undefined

  constructor(finder: WriteFinder | undefined) {
    this.#finder = finder
  }

  /** Writes the contents of a sample at `ip` to a row. Returns false if the count was only read. */
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

/** Returns the first write that can have changed the count. */
function hitOf(found: readonly FoundWrite[], registers: Registers, count: WatchedCount): Hit | undefined {
  for (const write of found) {
    if (write.effect === 'none') continue
    const address = writtenAddress(write, registers)
    const offset = address === undefined ? likelyOffset(write) : Number(BigInt.asIntN(64, count.address - address))
    if (offset >= 0 && offset + COUNT_BYTES <= write.width) return { write, offset }
  }
  return undefined
}

/** Returns the likely offset of the count within the written memory, judging by the displacement from the struct page alone. */
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

/** Writes a hit to a row. Returns false if what it did is not known. */
function describe({ write, offset }: Hit, registers: Registers, columns: Row, row: number): boolean {
  const { effect } = write
  if (effect === 'none' || effect === 'unknown') return false
  // Of wider operations, only stores are meaningful: no code adds to a count and its neighbour at once.
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
 * Determines whether a compare and exchange took place. The zero flag shows it. Without recorded flags, there are two other ways.
 * If the code before shows the expected value, it is compared with the value found. If the code before shows that the new value
 * is the expected one plus an addend, the new value must exceed the value found by that addend.
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

// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds and reads the kernel's registers in a sample (PERF_SAMPLE_REGS_INTR). */
import { type PerfAttr, Sample } from './header.ts'
import type { Registers } from './watch/write.ts'

/** PERF_SAMPLE_BRANCH_HW_INDEX */
const BRANCH_HW_INDEX = 1 << 17
const BRANCH_BYTES = 24

/**
 * Returns the offset of a sample's registers: their ABI, followed by their values. The parts before them vary in length.
 *
 * @param next end of the callchain
 * @returns the end of the sample if it has no registers; -1 if a part exceeds the sample
 */
export function registersAt(view: DataView, littleEndian: boolean, attr: PerfAttr, next: number, end: number): number {
  const { sampleType } = attr
  if ((sampleType & Sample.REGS_INTR) === 0) return end
  let at = next
  const word = () => (at + 8 <= end ? Number(view.getBigUint64(at, littleEndian)) : -1)
  if (sampleType & Sample.RAW) at += at + 4 <= end ? 4 + view.getUint32(at, littleEndian) : 4
  if (sampleType & Sample.BRANCH_STACK)
    at += 8 + (attr.branchSampleType & BRANCH_HW_INDEX ? 8 : 0) + BRANCH_BYTES * Math.max(0, word())
  if (sampleType & Sample.REGS_USER) at += 8 + (word() > 0 ? 8 * bitCount(attr.userRegisters) : 0)
  if (sampleType & Sample.STACK_USER) {
    const size = Math.max(0, word())
    at += 8 + (size > 0 ? size + 8 : 0)
  }
  for (const bit of [Sample.WEIGHT, Sample.WEIGHT_STRUCT, Sample.DATA_SRC, Sample.TRANSACTION])
    if (sampleType & bit) at += 8
  return word() < 0 || at + 8 + (word() > 0 ? 8 * bitCount(attr.registers) : 0) > end ? -1 : at
}

function bitCount(bits: bigint): number {
  let count = 0
  for (let left = bits; left > 0n; left &= left - 1n) count++
  return count
}

/** The registers of one sample. The object is reused for every sample. */
export class SampleRegisters implements Registers {
  #view: DataView = new DataView(new ArrayBuffer(0))
  #littleEndian = true
  #place = 0
  #mask = 0n
  /** Index among the recorded registers by register number; -1 if not recorded. */
  #index = new Int8Array(64).fill(-1)
  #hasAny = false

  /** Moves to the registers of another sample. */
  set(view: DataView, littleEndian: boolean, mask: bigint, place: number): void {
    this.#view = view
    this.#littleEndian = littleEndian
    this.#place = place
    // A place at the end of the sample means that it has no registers.
    this.#hasAny = place + 8 <= view.byteLength && mask !== 0n && view.getBigUint64(place, littleEndian) !== 0n
    if (mask === this.#mask) return
    this.#mask = mask
    let next = 0
    for (let register = 0; register < 64; register++)
      this.#index[register] = (mask >> BigInt(register)) & 1n ? next++ : -1
  }

  get(register: number): bigint | undefined {
    const index = this.#hasAny ? this.#index[register]! : -1
    return index < 0 ? undefined : this.#view.getBigUint64(this.#place + 8 + 8 * index, this.#littleEndian)
  }
}

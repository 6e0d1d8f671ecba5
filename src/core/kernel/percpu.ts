// SPDX-License-Identifier: GPL-2.0-or-later
/** Per-CPU memory, and percpu references, which are stored in it (lib/percpu-refcount.c). */
import type { Kernel } from './kernel.ts'
import { has, pointer } from './typed.ts'

const MOST_CPUS = 8192
const ATOMIC = 1n
const DEAD = 2n
/** PERCPU_COUNT_BIAS: in percpu mode the atomic count includes it, so that it cannot reach zero. */
const BIAS = 1n << 63n

/** Offsets of the per-CPU areas of all possible CPUs. */
export function percpuOffsets(kernel: Kernel): bigint[] {
  const table = kernel.address('__per_cpu_offset')
  const possible = kernel.address('__cpu_possible_mask')
  const count = kernel.address('nr_cpu_ids')
  if (table === undefined || possible === undefined || count === undefined) return [0n]
  const cpus = Math.min(MOST_CPUS, kernel.memory.u32(count))
  const offsets: bigint[] = []
  for (let cpu = 0; cpu < cpus; cpu++) {
    const mask = kernel.memory.u8(possible + BigInt(cpu >> 3))
    if (mask & (1 << (cpu & 7))) offsets.push(kernel.memory.u64(table + BigInt(8 * cpu)))
  }
  return offsets
}

export interface PercpuRef {
  /** `percpu`: counted per CPU; `atomic`: counted in one place; `dead`: killed, which switches to atomic after a grace period. */
  state: 'percpu' | 'atomic' | 'dead'
  /**
   * Number of references, including the initial one unless it was killed; undefined if a part of the count is not in the dump.
   */
  references: bigint | undefined
  /** Sum of the counts of all CPUs. */
  percpuSum: bigint | undefined
}

/**
 * Reads a `struct percpu_ref`.
 * @throws NotInDump
 */
export function readPercpuRef(kernel: Kernel, address: bigint): PercpuRef {
  const ref = kernel.at('percpu_ref', address)
  const word = pointer(ref, 'percpu_count_ptr')
  const atomic = kernel.try('the count of a percpu reference', () => {
    // Before 5.10 (2b0d3d3e4fcf) the count was a member of percpu_ref itself.
    if (!has(ref, 'data')) return pointer(ref, 'count')
    const data = pointer(ref, 'data')
    return data === 0n ? 0n : pointer(kernel.at('percpu_ref_data', data), 'count')
  })
  const state = word & DEAD ? 'dead' : word & ATOMIC ? 'atomic' : 'percpu'
  if (word & ATOMIC) return { state, references: atomic && BigInt.asIntN(64, atomic), percpuSum: 0n }
  const counts = word & ~3n
  const percpuSum = kernel.try('a percpu reference', () => {
    let sum = 0n
    for (const offset of percpuOffsets(kernel)) sum += kernel.memory.u64(BigInt.asUintN(64, counts + offset))
    return BigInt.asIntN(64, sum)
  })
  const whole = atomic !== undefined && percpuSum !== undefined
  // A killed reference stays in percpu mode until an RCU grace period has passed.
  return { state, references: whole ? BigInt.asIntN(64, (atomic & (BIAS - 1n)) + percpuSum) : undefined, percpuSum }
}

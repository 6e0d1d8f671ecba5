// SPDX-License-Identifier: GPL-2.0-or-later
// A memory that is full, or that there is none, changes where columns are and nothing else.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LearningTracker } from '../../src/ledger/learn/learning-tracker.ts'
import { Arena, plainArena } from '../../src/ledger/track/arena.ts'
import { PAGE_BYTES } from '../../src/util/wasm.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import { Stacks } from '../../testkit/stacks.ts'
import { compare, compareNoise, compareRecording, RECORDINGS } from './compare-loops.ts'

/** Most pages of 64 KB of a memory; undefined: none can be had. */
let most: number | undefined

vi.mock('../../src/util/wasm.ts', async original => {
  const module = await original<typeof import('../../src/util/wasm.ts')>()
  const sharedMemory = (pages: number) =>
    most && new WebAssembly.Memory({ initial: Math.min(pages, most), maximum: most, shared: true })
  return { ...module, sharedMemory }
})

beforeEach(() => {
  most = 400
})
afterEach(() => {
  most = undefined
})

describe('an arena', () => {
  it('makes columns of zeros that do not overlap, and copies of them', () => {
    const arena = new Arena()
    const columns = Array.from({ length: 50 }, (_, i) =>
      i % 2 ? arena.column(Float64Array, i).fill(i) : arena.column(Uint8Array, i).fill(i),
    )
    const longer = columns.map((column, i) => arena.grown(column as Float64Array, 100, 7 * (i + 1)))
    columns.forEach((column, i) => {
      expect([...column]).toEqual(Array(i).fill(i))
    })
    longer.forEach((column, i) => {
      const end = i % 2 ? 7 * (i + 1) : (7 * (i + 1)) % 256
      expect([...column]).toEqual([...Array(i).fill(i), ...Array(100 - i).fill(end)])
    })
    expect(arena.isWhole).toBe(true)
    expect(
      new Set([...columns, ...longer].filter(column => column.length > 0).map(column => column.buffer)).size,
    ).toBeLessThan(4)
  })

  it('gives columns buffers of their own once the memory is full', () => {
    const arena = new Arena()
    const inside = arena.column(Int32Array, 1000).fill(1)
    const outside = arena.column(Int32Array, 401 << 14)
    expect(arena.isWhole).toBe(false)
    expect(outside.buffer).not.toBe(inside.buffer)
    expect(arena.grown(inside, 2000, -1)[1999]).toBe(-1)
  })

  it('needs no memory', () => {
    most = undefined
    for (const arena of [new Arena(), plainArena()]) {
      expect(arena.isWhole).toBe(false)
      expect(arena.column(Int32Array, 3)).toEqual(new Int32Array(3))
    }
  })
})

/** Pages of memory that a tracker needs before its first event. */
function atFirst(): number {
  most = 1 << 16
  const made = vi.spyOn(Arena.prototype, 'column')
  new LearningTracker(new Stacks())
  const { used } = made.mock.contexts.at(-1) as Arena
  made.mockRestore()
  return Math.ceil(used / PAGE_BYTES)
}

// From too little for the tables of an empty recording to enough for most of a small one. It is full in the middle of a batch.
describe.each([-1000, 0, 1, 2, 4, 8, 16])(
  'a tracker with a memory that is %i pages larger than it needs at first',
  more => {
    beforeEach(() => {
      most = atFirst() + more
    })
    it('says the same of a real recording', () => compareRecording(RECORDINGS[5]!))
    it('says the same of a simulated one', () => compare(makeRecording(4242).recording))
    it('says the same of noise', () => compareNoise(11))
  },
)

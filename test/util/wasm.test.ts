// SPDX-License-Identifier: GPL-2.0-or-later
// The compiled loops in src are what the compiler makes of their sources.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { compiled, LOOPS } from '../../lab/wasm.ts'
import { sharedMemory, wasmModule } from '../../src/util/wasm.ts'

it.each(LOOPS)('$source', async ({ source, target }) => {
  expect(readFileSync(target, 'utf8')).toBe(await compiled(source))
})

it('has no module where the bytes are none', () => {
  expect(wasmModule('')).toBeUndefined()
})

it('has a memory that grows under the arrays over it', () => {
  const memory = sharedMemory(1)!
  const before = new Int32Array(memory.buffer, 0, 4)
  memory.grow(1)
  before[0] = 7
  expect(new Int32Array(memory.buffer)[0]).toBe(7)
})

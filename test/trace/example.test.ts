// SPDX-License-Identifier: GPL-2.0-or-later
// The example that the README runs is a real recording, trimmed: nothing but unused symbols may be missing.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { trimTraceDat } from '../../lab/trim.ts'
import { BlobSource } from '../../src/trace/bytes.ts'
import { openTraceDat } from '../../src/trace/tracedat.ts'
import { collect, frameNames } from '../support/collect.ts'
import { dataPath, haveData, haveProgram, run } from '../support/data.ts'

const example = fileURLToPath(new URL('../../examples/leak-6.12/trace.dat', import.meta.url))
const original = '6.12/zdbug-leak/trace.dat'

it('is small', () => {
  expect(readFileSync(example).length).toBeLessThan(250_000)
})

it('knows the functions of all its stacks but the freed init section of the module', async () => {
  const recording = await openTraceDat(new BlobSource('trace.dat', new Blob([readFileSync(example)])))
  const { events } = await collect(recording)
  expect(events).toHaveLength(3329)
  const names = new Set(events.flatMap(({ stack }) => frameNames(recording, stack)))
  expect(names).toContain('zdbug_bug_leak_get')
  expect([...names].filter(name => name.startsWith('0x'))).toEqual(['0xffffffffc00060c0', '0xffffffffc0006158'])
})

it.runIf(haveData(original))('is what lab/trim.ts makes of the original', async () => {
  const kallsyms = readFileSync(dataPath('6.12/zdbug-leak/kallsyms.txt'), 'latin1')
  const trimmed = await trimTraceDat(readFileSync(dataPath(original)), [kallsyms])
  expect(Buffer.compare(trimmed, readFileSync(example))).toBe(0)
})

it.runIf(haveData(original) && haveProgram('trace-cmd'))('reads the same in trace-cmd report', () => {
  expect(run('trace-cmd', ['report', example])).toBe(run('trace-cmd', ['report', dataPath(original)]))
})

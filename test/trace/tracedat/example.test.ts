// SPDX-License-Identifier: GPL-2.0-or-later
// The examples are real recordings, trimmed: nothing but unused symbols may be missing.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { RECORDINGS, trimmed } from '../../../lab/examples.ts'
import { BlobSource } from '../../../src/trace/common/bytes.ts'
import { openTraceDat } from '../../../src/trace/tracedat/recording.ts'
import { data, dataPath, program, run } from '../../../testkit/data.ts'
import { collect, frameNames } from '../../support/collect.ts'
import { needs } from '../../support/needs.ts'

const example = fileURLToPath(new URL('../../../examples/leak-6.12/trace.dat', import.meta.url))
const original = '6.12/zdbug-leak/trace.dat'

it('knows the functions of all its stacks but the freed init section of the module', async () => {
  const recording = await openTraceDat(new BlobSource('trace.dat', new Blob([readFileSync(example)])))
  const { events } = await collect(recording)
  expect(events).toHaveLength(3329)
  const names = new Set(events.flatMap(({ stack }) => frameNames(recording, stack)))
  expect(names).toContain('zdbug_bug_leak_get')
  expect([...names].filter(name => name.startsWith('0x'))).toEqual(['0xffffffffc00060c0', '0xffffffffc0006158'])
})

describe.each(Object.entries(RECORDINGS))('examples/%s', (name, from) => {
  const file = fileURLToPath(new URL(`../../../examples/${name}/trace.dat`, import.meta.url))

  needs(data(from)).test('is what lab/trim.ts makes of the original', async () => {
    expect(Buffer.compare(await trimmed(from), readFileSync(file))).toBe(0)
  })

  it('is small', () => {
    expect(readFileSync(file).length).toBeLessThan(400_000)
  })
})

needs(data(original), program('trace-cmd')).test('reads the same in trace-cmd report', () => {
  expect(run('trace-cmd', ['report', example])).toBe(run('trace-cmd', ['report', dataPath(original)]))
})

// SPDX-License-Identifier: GPL-2.0-or-later
// What the walk is shown before it decodes must be what it will see: every kind of record, and none that is refused.

import { describe, expect, it } from 'vitest'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { columnBytes, layArrays, layColumns } from '../../../src/trace/common/columns.ts'
import { RawStacks } from '../../../src/trace/common/raw-stacks.ts'
import { type ColumnPlan, compileColumnWalk } from '../../../src/trace/tracedat/column-walk.ts'
import { TraceContents } from '../../../src/trace/tracedat/recording.ts'
import { newWalkState } from '../../../src/trace/tracedat/walk-state.ts'
import { sampleSubBuffer, warmUp } from '../../../src/trace/tracedat/warm-up.ts'
import { probeEvents } from '../../../testkit/writers/probe-events.ts'
import { pageRefEvents, writeTraceDat } from '../../../testkit/writers/tracedat.ts'

async function planOf(bigEndian: boolean, longSize: 4 | 8): Promise<ColumnPlan> {
  const events = [...pageRefEvents(longSize), ...probeEvents(longSize)]
  const cpus = new Map([[0, [{ kind: 'event' as const, time: 2n ** 40n, event: 'page_ref_set' }]]])
  const spec = { version: 7 as const, bigEndian, longSize, events, buffers: [{ name: '', cpus }] }
  const contents = await TraceContents.open(new BytesSource('trace.dat', writeTraceDat(spec).bytes), [], {})
  return contents.plan()!
}

const layouts = [false, true].flatMap(bigEndian => ([8, 4] as const).map(longSize => ({ bigEndian, longSize })))

describe.each(layouts)('a sample of $longSize bytes a word, big endian: $bigEndian', ({ bigEndian, longSize }) => {
  it.each([false, true])('has one of each event, missed: %s', async missed => {
    const plan = await planOf(bigEndian, longSize)
    const columns = layColumns(new ArrayBuffer(columnBytes(64)))
    const state = newWalkState()
    const target = { columns, stacks: new RawStacks(longSize) }
    compileColumnWalk(plan)(layArrays(sampleSubBuffer(plan, missed)), 0, 1, state, target)
    expect(state.damage).toEqual([])
    expect(plan.records.length).toBe(7)
    expect(plan.probes.length).toBeGreaterThan(0)
    expect(state.events).toBe(plan.records.length + plan.probes.length)
    expect([...columns.op.subarray(0, plan.records.length)]).toEqual(plan.records.map(({ op }) => op))
    expect(state.gaps.length).toBe(missed ? 1 : 0)
  })
})

it('leaves out events that fit no sub-buffer, and sub-buffers that fit no sample', async () => {
  const plan = await planOf(false, 8)
  const [first, ...others] = plan.records
  const records = [{ ...first!, size: 2 ** 33 }, ...others]
  const state = newWalkState()
  const target = { columns: layColumns(new ArrayBuffer(columnBytes(64))), stacks: new RawStacks(8) }
  const walk = compileColumnWalk(plan)
  walk(layArrays(sampleSubBuffer({ ...plan, records }, false)), 0, 1, state, target)
  expect(state.damage).toEqual([])
  expect(state.events).toBe(records.length - 1 + plan.probes.length)
  const never = () => expect.unreachable('walked')
  warmUp({ ...plan, layout: { ...plan.layout, pageSize: 0 } }, never)
})

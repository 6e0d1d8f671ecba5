// SPDX-License-Identifier: GPL-2.0-or-later
// Tasks whose names the kernel had forgotten are known by sched_switch, in either byte order; and the example in the other byte order.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { account } from '../../../src/ledger/account.ts'
import { nodeCodecs } from '../../../src/node/codecs.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { openRecording } from '../../../src/trace/open.ts'
import {
  commonFields,
  type EventSpec,
  pageRefEvents,
  type SynthRecord,
  writeTraceDat,
} from '../../../testkit/writers/tracedat.ts'
import { collect } from '../../support/collect.ts'

const comm = (name: string) => ({ name, type: 'char', size: 1, signed: true, count: 16 })
const int = (name: string) => ({ name, type: 'int', size: 4, signed: true })
const SWITCH: EventSpec = {
  system: 'sched',
  name: 'sched_switch',
  id: 300,
  fields: [
    ...commonFields(),
    comm('prev_comm'),
    int('prev_pid'),
    int('prev_prio'),
    { name: 'prev_state', type: 'long', size: 8, signed: true },
    comm('next_comm'),
    int('next_pid'),
    int('next_prio'),
  ],
  print: '"prev_comm=%s", REC->prev_comm',
}

const letters = (name: string) => [...name].map(letter => letter.charCodeAt(0))
const switched = (time: bigint, prev: [string, number], next: [string, number]): SynthRecord => ({
  kind: 'event',
  time,
  event: 'sched_switch',
  values: { prev_comm: letters(prev[0]), prev_pid: prev[1], next_comm: letters(next[0]), next_pid: next[1] },
})
const used = (time: bigint, pid: number): SynthRecord => ({
  kind: 'event',
  time,
  event: 'page_ref_mod',
  pid,
  values: { pfn: 0x10, count: 1, val: 1 },
})

describe('names', () => {
  test.each([false, true])('of sched_switch, big endian: %s', async bigEndian => {
    const { bytes } = writeTraceDat({
      version: 7,
      bigEndian,
      cmdlines: '42 known\n',
      events: [...pageRefEvents(8), SWITCH],
      buffers: [
        {
          name: '',
          cpus: new Map([
            [
              0,
              [
                used(1n, 43),
                switched(2n, ['swapper/0', 0], ['known too', 42]),
                switched(3n, ['forgotten', 43], ['sixteen letters.', 44]),
                used(4n, 44),
                used(5n, 45),
              ],
            ],
          ]),
        },
      ],
    })
    const recording = await openRecording(new BytesSource('x', bytes))
    const { events } = await collect(recording)
    expect(events).toHaveLength(3)
    expect([0, 42, 43, 44, 45].map(pid => recording.tasks.name(pid))).toEqual([
      '<idle>',
      'known',
      'forgotten',
      'sixteen letters.',
      '<...>',
    ])
    expect(recording.damage).toEqual([])
  })

  test('of sched_switch in texts, as tracefs and as trace-cmd show it', async () => {
    const at = (time: string, rest: string) => `           <...>-43      [000] .....     1.00000${time}: ${rest}\n`
    const page = 'page_ref_mod: pfn=0x10 flags=none count=1 mapcount=0 mapping=0000000000000000 mt=0 val=1'
    for (const shown of [
      'sched_switch: prev_comm=a b:c prev_pid=43 prev_prio=120 prev_state=S ==> next_comm=next next_pid=44 next_prio=120',
      'sched_switch:         a b:c:43 [120] S ==> next:44 [120]',
    ]) {
      const recording = await openRecording(
        new BytesSource('x', new TextEncoder().encode(at('1', page) + at('2', shown))),
      )
      await collect(recording)
      expect([43, 44].map(pid => recording.tasks.name(pid))).toEqual(['a b:c', 'next'])
    }
  })
})

test('the example, written in the other byte order, has the same findings', async () => {
  const file = new URL('../../../examples/leak-6.12/trace.dat', import.meta.url).pathname
  const original = await openRecording(new BytesSource('x', readFileSync(file)), { codecs: nodeCodecs })
  const { findings, events: count } = await account(original)
  const again = await openRecording(new BytesSource('x', readFileSync(file)), { codecs: nodeCodecs })
  const { events } = await collect(again)
  const cpus = new Map<number, SynthRecord[]>()
  const symbols = new Set<string>()
  for (const { cpu, pid, time, op, stack, ret, ...values } of events) {
    const records = cpus.get(cpu) ?? []
    cpus.set(cpu, records)
    records.push({ kind: 'event', time, event: op, pid, values: { ...values, ret: Number(ret ?? 0) } })
    const frames = Array.from(again.stacks.frames(stack), id => again.stacks.frame(id))
    if (frames.length > 0) records.push({ kind: 'stack', time, pid, frames: frames.map(({ address }) => address) })
    for (const { address, offset, name, module } of frames) {
      const start = (address - BigInt(offset ?? 0)).toString(16)
      if (offset !== undefined) symbols.add(`${start} T ${name}${module === undefined ? '' : `\t[${module}]`}`)
    }
  }
  const { bytes } = writeTraceDat({
    version: 7,
    bigEndian: true,
    uname: 'Linux host 6.12.117-zdlab ppc64',
    kallsyms: `${[...symbols].sort().join('\n')}\n`,
    events: pageRefEvents(8),
    buffers: [{ name: '', cpus }],
  })
  const swapped = await account(await openRecording(new BytesSource('x', bytes)))
  expect(swapped.events).toBe(count)
  const told = (of: typeof findings) =>
    of.map(({ kind, pfn, count, culprit }) => ({ kind, pfn, count, function: culprit?.frame?.name }))
  expect(told(swapped.findings)).toEqual(told(findings))
  expect(told(findings)).toMatchObject([{ kind: 'leak', function: 'zdbug_bug_leak_get' }])
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The text of perf script is read like the perf.data that it was made of.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { account } from '../../../src/ledger/account.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { PerfScript } from '../../../src/trace/ftracetext/perf-script.ts'
import { openRecording } from '../../../src/trace/open.ts'
import { program, run } from '../../../testkit/data.ts'
import { collect, frameNames } from '../../support/collect.ts'
import { needs } from '../../support/needs.ts'

const folder = new URL('../../../examples/leak-perf-6.12/', import.meta.url)
const file = new URL('perf.data', folder).pathname
const kallsyms = [readFileSync(new URL('kallsyms', folder), 'utf8')]

const open = (text: string | Uint8Array, options = {}) =>
  openRecording(new BytesSource('text', typeof text === 'string' ? new TextEncoder().encode(text) : text), options)

const EVENT =
  'my task  42/43   [001]  5.000000123:          1 page_ref:page_ref_mod: pfn=0x10 flags=none count=2 mapcount=-1 mapping=(nil) mt=1 val=1\n'
const STACK =
  '\tffffffff81000010 __page_ref_mod+0x10 ([kernel.kallsyms])\n\tffffffffc0001010 leak+0x8 ([zdbug])\n\tffffffffc0002010 [unknown] ([unknown])\n\n'

describe('lines', () => {
  test('of events and stacks', async () => {
    const recording = await open(`${EVENT}${STACK}${EVENT.replace('123', '200')}${STACK}`)
    const { events } = await collect(recording)
    expect(events.map(({ cpu, pid, time, op, count }) => [cpu, pid, time, op, count])).toEqual([
      [1, 43, 5_000_000_123n, 'page_ref_mod', 2],
      [1, 43, 5_000_000_200n, 'page_ref_mod', 2],
    ])
    expect(recording.tasks.name(43)).toBe('my task')
    expect(frameNames(recording, events[0]!.stack)).toEqual(['__page_ref_mod', 'leak', '0xffffffffc0002010'])
    const [, leak] = Array.from(recording.stacks.frames(events[0]!.stack), id => recording.stacks.frame(id))
    expect(leak).toMatchObject({ offset: 8, module: 'zdbug', address: 0xffffffffc0001010n })
    expect(recording.notes).toEqual(['read as the text of perf script'])
  })

  test('of other programs stay what they are', () => {
    const lines = new PerfScript()
    expect(lines.lines('# captured on: x')).toEqual(['# captured on: x'])
    expect(lines.lines('')).toEqual([])
  })

  test('of a mail that quotes it', async () => {
    const quoted = `${EVENT}${STACK}${EVENT}${STACK}`.replace(/^/gm, '> ')
    const recording = await open(`Look:\n\n${quoted}\n\nJane\n`)
    const { events } = await collect(recording)
    expect(events).toHaveLength(2)
    expect(recording.damage).toEqual([])
    expect(frameNames(recording, events[1]!.stack)).toHaveLength(3)
  })
})

needs(program('perf')).test('the text that perf script makes of a recording gives its findings', async () => {
  const named = async (recording: Awaited<ReturnType<typeof open>>) => {
    recording.info.endTime = undefined
    const { findings, events, lives } = await account(recording)
    return { events, lives, named: findings.map(({ kind, pfn, culprit }) => [kind, pfn, culprit?.frame?.name]) }
  }
  const binary = await named(await open(readFileSync(file), { kallsyms }))
  expect(binary.named).toEqual([['leak', 0xfcf81fc, 'zd2_submit_io']])
  for (const more of [[], ['--ns']])
    expect(await named(await open(run('perf', ['script', '-i', file, ...more]), { kallsyms }))).toEqual(binary)
})

// SPDX-License-Identifier: GPL-2.0-or-later
// A recording of a real kernel by perf itself, with call chains and packed records, against perf script.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { account } from '../../../src/ledger/account.ts'
import { openFile } from '../../../src/node/open.ts'
import { type Frame, OP_NAMES } from '../../../src/trace/events.ts'
import { program, run } from '../../../testkit/data.ts'
import { needs } from '../../support/needs.ts'

const folder = new URL('../../../examples/leak-perf-6.12/', import.meta.url)
const file = new URL('perf.data', folder).pathname
const kallsyms = [readFileSync(new URL('kallsyms', folder), 'utf8')]

async function read() {
  const recording = await openFile(file, { kallsyms })
  const events: string[] = []
  const chains: Frame[][] = []
  for await (const batch of recording.batches()) {
    for (let i = 0; i < batch.length; i++) {
      const row = batch.order[i]!
      const time = recording.timeBase + BigInt(batch.time[row]!)
      const stamp = `${time / 1_000_000_000n}.${String(time % 1_000_000_000n).padStart(9, '0')}`
      const [cpu, pid] = [batch.cpu[row]!, batch.pid[row]!]
      const name = OP_NAMES[batch.op[row]!]!
      events.push(
        `${recording.tasks.name(pid)} ${pid} ${cpu} ${stamp} ${name} 0x${batch.pfn[row]!.toString(16)} ` +
          `${batch.count[row]} ${batch.mapcount[row]} ${batch.val[row]}`,
      )
      chains.push(Array.from(recording.stacks.frames(batch.stack[row]!), id => recording.stacks.frame(id)))
    }
  }
  const { damage } = recording
  await recording.close()
  return { events, chains, damage }
}

it('names who leaked', async () => {
  const { findings } = await account(await openFile(file, { kallsyms }))
  const named = findings.map(({ kind, pfn, culprit }) => ({ kind, pfn, function: culprit?.frame?.name }))
  expect(named).toEqual([{ kind: 'leak', pfn: 0xfcf81fc, function: 'zd2_submit_io' }])
})

it('is read whole, each event with its call chain', async () => {
  const { events, chains, damage } = await read()
  expect(damage).toEqual([])
  expect(events).toHaveLength(3167)
  expect(chains.every(chain => chain.length >= 5)).toBe(true)
  const submits = chains.filter(chain => chain.some(({ name, module }) => name === 'zd2_submit_io' && module === 'zd2'))
  const ends = chains.filter(chain => chain.some(({ name }) => name === 'zd2_end_io'))
  expect(submits.length).toBe(ends.length + 1)
})

/** "task tid [cpu] time: page_ref:event: pfn=... count=... mapcount=... val=..." as the events above. */
const LINE = /^(\S+) (\d+) \[(\d+)\] ([\d.]+): page_ref:(\w+): pfn=(\S+) .*count=(\S+) mapcount=(\S+) .*val=(\S+)/

needs(program('perf')).describe('perf script', () => {
  it('prints the same events', async () => {
    const text = run('perf', ['script', '-i', file, '--ns', '-G', '-F', 'comm,tid,cpu,time,event,trace'])
    const lines = text.trimEnd().split('\n')
    const theirs = lines.map(line => {
      const [, task, tid, cpu, time, event, ...fields] = LINE.exec(line.trim().replace(/\s+/g, ' '))!
      return `${task} ${tid} ${Number(cpu)} ${time} ${event} ${fields.join(' ')}`
    })
    expect((await read()).events).toEqual(theirs)
  })

  it('prints the same call chains, of which the kernel part is kept', async () => {
    const samples = run('perf', ['script', '-i', file, '-F', 'ip'])
      .trim()
      .split(/\n\s*\n\s*/)
    const theirs = samples.map(sample =>
      sample
        .trim()
        .split(/\s+/)
        .filter(address => address.startsWith('ffffffff')),
    )
    expect((await read()).chains.map(chain => chain.map(frame => frame.address.toString(16)))).toEqual(theirs)
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// What the model writes as ftrace text is what lastput trace reads, and it comes to the same conclusion.
import { describe, expect, test } from 'vitest'
import { type Account, account } from '../../src/ledger/index.ts'
import { build, drivers, Machine, protocols, type Scenario, verify } from '../../src/linux/index.ts'
import { replay } from '../../src/report/check.ts'
import { ftraceText } from '../../src/report/ftrace.ts'
import { BytesSource, OP_NAMES, openRecording } from '../../src/trace/index.ts'

async function read(text: string) {
  const recording = await openRecording(new BytesSource('model', new TextEncoder().encode(text)))
  const events: { op: string; pfn: number; count: number }[] = []
  for await (const batch of recording.batches())
    for (let i = 0; i < batch.length; i++)
      events.push({ op: OP_NAMES[batch.op[i]!]!, pfn: batch.pfn[i]!, count: batch.count[i]! })
  return events
}

async function judged(text: string): Promise<Account> {
  return account(await openRecording(new BytesSource('model', new TextEncoder().encode(text))))
}

const scenario = (driver: string, protocol: string, threads?: Record<string, number>): Scenario => ({
  driver: drivers.find(d => d.name === driver)!,
  protocol: protocols.find(p => p.id === protocol)!,
  ...(threads ? { threads } : {}),
})

test('every event of a run is read back', async () => {
  const built = build(scenario('test_hmm', 'G'))
  const machine = new Machine(built)
  machine.run(3, 300)
  const made = machine.steps.flatMap(s => s.events)
  const found = await read(ftraceText(built, machine.steps))
  const initial = 2 * built.kernel.pgmap.pages.length
  expect(found).toHaveLength(initial + made.length)
  expect(found.slice(initial).map(e => [e.op, e.pfn, e.count])).toEqual(made.map(e => [e.event, e.pfn, e.count]))
})

describe('the ledger condemns a counterexample for the same reason', () => {
  test('a reference that nobody gave back', async () => {
    const found = await verify(scenario('test_hmm', 'G', { migrate: 1, leak: 1, exit: 1 }), { properties: ['count'] })
    expect(found.verdict.verdict).toBe('violated')
    const { findings } = await judged(ftraceText(found.built, replay(found)))
    const unpaired = findings.flatMap(f => f.history.filter(h => h.delta > 0 && h.partner === undefined))
    expect(unpaired.map(h => h.frame?.name)).toContain('leaky_get')
  })

  test('after lives that went well, by name', async () => {
    const machine = new Machine(build(scenario('test_hmm', 'G', { migrate: 3, leak: 1, exit: 1 })))
    for (const thread of ['migrate[0]', 'exit', 'migrate[1]', 'exit', 'migrate[2]', 'leak', 'exit'])
      machine.finish(thread)
    const { findings } = await judged(ftraceText(machine.built, machine.steps))
    expect(findings.map(f => f.culprit?.frame?.name)).toEqual(['leaky_get'])
  })

  test('a put too many', async () => {
    const machine = new Machine(build(scenario('test_hmm', 'G', { migrate: 1, exit: 1, 'surplus-put': 1 })))
    machine.finish('migrate')
    machine.finish('surplus-put')
    machine.finish('exit')
    const { findings } = await judged(ftraceText(machine.built, machine.steps))
    expect(findings.map(f => f.kind).some(k => k.includes('put'))).toBe(true)
  })

  test('a correct run is not accused', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const machine = new Machine(build(scenario('test_hmm', 'G')))
      machine.run(seed, 400)
      const { findings } = await judged(ftraceText(machine.built, machine.steps))
      expect(findings.filter(f => f.kind !== 'held-at-end').map(f => f.kind)).toEqual([])
    }
  })
})

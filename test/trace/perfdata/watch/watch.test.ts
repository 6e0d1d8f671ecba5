// SPDX-License-Identifier: GPL-2.0-or-later
import { expect, test } from 'vitest'
import { BytesSource } from '../../../../src/trace/common/bytes.ts'
import { OP_NAMES, type OpenOptions, type Recording } from '../../../../src/trace/events.ts'
import { openRecording } from '../../../../src/trace/open.ts'
import { WatchMachine } from '../../../../testkit/writers/watch-machine.ts'

interface Told {
  op: string
  pfn: number
  val: number
  ret: number
  count: number
  name: string | undefined
}

async function eventsOf(recording: Recording): Promise<Told[]> {
  const events: Told[] = []
  for await (const batch of recording.batches())
    for (let k = 0; k < batch.length; k++) {
      const i = batch.order[k]!
      const frame = recording.stacks.frames(batch.stack[i]!)[0]
      events.push({
        op: OP_NAMES[batch.op[i]!]!,
        pfn: batch.pfn[i]!,
        val: batch.val[i]!,
        ret: batch.ret[i]!,
        count: batch.count[i]!,
        name: frame === undefined ? undefined : recording.stacks.frame(frame).name,
      })
    }
  return events
}

async function gapsOf(recording: Recording) {
  const gaps = []
  for await (const batch of recording.batches()) gaps.push(...batch.lost)
  return gaps
}

const open = async (machine: WatchMachine, options?: OpenOptions) => eventsOf(await machine.open(options))

test('each way to change a count is told with its amount, and the count after it', async () => {
  const machine = new WatchMachine([1, 3])
  for (const way of ['get', 'add', 'tryGet', 'sub', 'putReturn', 'put'] as const)
    machine.run(machine.fn(`f_${way}`, way), 0, { n: 2 })
  machine.run(machine.fn('f_freeze', 'freeze'), 1)
  machine.run(machine.fn('f_unfreeze', 'unfreeze'), 1, { n: 2 })
  machine.run(machine.fn('f_wide', 'setWide'), 1, { n: 7 })
  machine.run(machine.fn('f_set', 'set'), 1)
  const page = { pfn: 0x7fe9f, ret: 0 }
  const other = { pfn: 0x7fea0, ret: 0 }
  expect(await open(machine)).toEqual([
    { ...page, op: 'page_ref_mod', name: 'f_get', val: 1, count: 2 },
    { ...page, op: 'page_ref_mod', name: 'f_add', val: 2, count: 4 },
    { ...page, op: 'page_ref_mod_and_return', name: 'f_tryGet', val: 1, count: 5, ret: 5 },
    { ...page, op: 'page_ref_mod', name: 'f_sub', val: -2, count: 3 },
    { ...page, op: 'page_ref_mod_and_return', name: 'f_putReturn', val: -1, count: 2, ret: 2 },
    { ...page, op: 'page_ref_mod', name: 'f_put', val: -1, count: 1 },
    { ...other, op: 'page_ref_freeze', name: 'f_freeze', val: 3, count: 0, ret: 1 },
    { ...other, op: 'page_ref_unfreeze', name: 'f_unfreeze', val: 2, count: 2 },
    { ...other, op: 'page_ref_set', name: 'f_wide', val: 7, count: 7 },
    { ...other, op: 'page_ref_set', name: 'f_set', val: 1, count: 1 },
  ])
})

test('a compare and exchange that found another count is told as one that changed nothing', async () => {
  for (const hasFlags of [false, true]) {
    const machine = new WatchMachine([1], { hasFlags })
    const tryGet = machine.fn('try_get', 'tryGet')
    machine.run(machine.fn('get', 'get'), 0, { pid: 2, cpu: 1 })
    machine.run(tryGet, 0, { refused: true })
    machine.run(tryGet, 0)
    const recording = await machine.open()
    expect((await eventsOf(recording)).map(({ op, val, count }) => [op, val, count])).toEqual([
      ['page_ref_mod', 1, 2],
      ['page_ref_mod_unless', 0, 2],
      ['page_ref_mod_and_return', 1, 3],
    ])
    expect(recording.notes).toContain(
      '1 sample is of a compare and exchange that found another count and changed nothing',
    )
  }
})

test('a sample that is stamped late is told where its count shows that it belongs', async () => {
  const machine = new WatchMachine([1, 1])
  const [get, put, peek] = [machine.fn('get', 'get'), machine.fn('put', 'put'), machine.fn('peek', 'tryGet')]
  const [first, second] = [
    { pid: 1, cpu: 0 },
    { pid: 2, cpu: 1 },
  ]
  // What most samples say of the count at the start is believed.
  for (let i = 0; i < 3; i++) for (const fn of [peek, put]) machine.run(fn, 0, second)
  machine.run(get, 0, first)
  machine.run(peek, 0, { ...second, skew: 2500 })
  machine.run(put, 0, first)
  machine.run(get, 1, first)
  machine.run(put, 0, second)
  // The other way round: what a later stamp did is found.
  machine.run(get, 0, { ...first, skew: 1500 })
  machine.run(peek, 0, second)
  machine.run(put, 0, second)
  machine.run(put, 0, first)
  const recording = await machine.open()
  const events = await eventsOf(recording)
  expect(
    events
      .filter(({ pfn }) => pfn === 0x7fe9f)
      .slice(6)
      .map(({ name, count }) => [name, count]),
  ).toEqual([
    ['get', 2],
    ['peek', 3],
    ['put', 2],
    ['put', 1],
    ['get', 2],
    ['peek', 3],
    ['put', 2],
    ['put', 1],
  ])
  expect(recording.notes).toContainEqual(expect.stringMatching(/^2 samples were stamped behind later changes/))
})

test('batches are in order of time, whatever was moved', async () => {
  const machine = new WatchMachine([1, 1, 1])
  const [get, put, peek] = [machine.fn('get', 'get'), machine.fn('put', 'put'), machine.fn('peek', 'tryGet')]
  for (let i = 0; i < 300; i++) {
    const page = i % 3
    machine.run(get, page, { pid: 1, cpu: 0 })
    machine.run(peek, page, { pid: 2, cpu: 1, skew: (i % 5) * 700 })
    machine.run(put, page, { pid: 1, cpu: 0, skew: (i % 7) * 300 })
    machine.run(put, page, { pid: 2, cpu: 1, skew: 3000 })
  }
  for await (const { order, time, length } of (await machine.open()).batches()) {
    expect([...order.subarray(0, length)].sort((a, b) => a - b)).toEqual([...Array(length).keys()])
    for (let k = 1; k < length; k++) expect(time[order[k]!]).toBeGreaterThanOrEqual(time[order[k - 1]!]!)
  }
})

test('a freeze without flags is known by what follows it', async () => {
  const machine = new WatchMachine([2])
  const [freeze, unfreeze, get] = [
    machine.fn('freeze', 'freeze'),
    machine.fn('unfreeze', 'unfreeze'),
    machine.fn('try_get', 'tryGet'),
  ]
  machine.run(freeze, 0, { refused: true })
  machine.run(get, 0)
  machine.run(freeze, 0)
  machine.run(unfreeze, 0, { n: 3 })
  expect((await open(machine)).map(({ op, ret, count }) => [op, ret, count])).toEqual([
    ['page_ref_freeze', 0, 2],
    ['page_ref_mod_and_return', 3, 3],
    ['page_ref_freeze', 1, 0],
    ['page_ref_unfreeze', 0, 3],
  ])
})

test('a count that nothing tells is the least that fits, and that is said', async () => {
  const machine = new WatchMachine([9, 1])
  const [get, put, peek] = [machine.fn('get', 'get'), machine.fn('put', 'put'), machine.fn('peek', 'tryGet')]
  for (const fn of [put, put, get, put]) machine.run(fn, 0)
  for (const fn of [get, peek, put, put]) machine.run(fn, 1)
  const recording = await machine.open()
  expect((await eventsOf(recording)).map(({ count }) => count)).toEqual([2, 1, 2, 1, 2, 3, 2, 1])
  expect(recording.notes).toContain('the count of page 0x7fe9f at the start is not known: the least that fits is shown')
})

test('a count that was read before the watch is believed, and tells the frame numbers', async () => {
  const machine = new WatchMachine([9, 4], { firstPfn: 0x4007fe9f })
  const [get, put] = [machine.fn('get', 'get'), machine.fn('put', 'put')]
  for (const page of [0, 1]) for (const fn of [put, put, get, put]) machine.run(fn, page)
  const told = async (startCounts?: ReadonlyMap<number, number>) =>
    (await open(machine, startCounts && { startCounts }))
      .map(({ pfn, count }) => [pfn, count])
      .filter((_, i) => i % 4 === 0)
  const known = [
    [0x4007fe9f, 8],
    [0x4007fea0, 3],
  ]
  expect(
    await told(
      new Map([
        [0x4007fe9f, 9],
        [0x4007fea0, 4],
      ]),
    ),
  ).toEqual(known)
  // Of other pages: it says nothing of these.
  const unknown = [
    [0x7fe9f, 2],
    [0x7fea0, 2],
  ]
  expect(await told(new Map([[0x4007fe9f, 9]]))).toEqual(unknown)
  expect(await told()).toEqual(unknown)
})

test('what an unknown instruction did is told by the counts around it', async () => {
  const machine = new WatchMachine([1])
  const peek = machine.fn('peek', 'tryGet')
  machine.run(peek, 0)
  machine.run(machine.fn('mark', 'or'), 0)
  machine.run(machine.fn('put', 'put'), 0)
  machine.run(peek, 0)
  const recording = await machine.open()
  const events = await eventsOf(recording)
  expect(events.map(({ op, val, count }) => [op, val, count])).toEqual([
    ['page_ref_mod_and_return', 1, 2],
    ['page_ref_mod', 4, 6],
    ['page_ref_mod', -1, 5],
    ['page_ref_mod_and_return', 1, 6],
  ])
  expect(recording.notes).toContain('1 change is known from the counts around it, not from its instruction')
})

test('what nothing tells is left out, as a gap', async () => {
  const machine = new WatchMachine([1])
  machine.run(machine.fn('peek', 'tryGet'), 0)
  machine.run(machine.fn('mark', 'or'), 0)
  machine.run(machine.fn('put', 'put'), 0)
  const recording = await machine.open()
  expect(await eventsOf(recording)).toHaveLength(2)
  expect(recording.notes).toContainEqual(
    expect.stringMatching(/^the amount of 1 change of page 0x7fe9f is not known: it is left out/),
  )
  expect(await gapsOf(await machine.open())).toEqual([
    { cpu: 0, from: 1000, to: 1000, count: 1, isUnknownChange: true },
  ])
})

test('an exchange whose operand was lost is told by the next count', async () => {
  const machine = new WatchMachine([3])
  const blind = machine.fn('put', 'putReturnBlind')
  machine.run(blind, 0)
  machine.run(blind, 0)
  expect((await open(machine)).map(({ val, ret }) => [val, ret])).toEqual([[-1, 2]])
})

test('without the code of the kernel no amount is known, and that is said', async () => {
  const machine = new WatchMachine([1])
  machine.run(machine.fn('get', 'get'), 0)
  const { data } = machine.files()
  const recording = await openRecording(new BytesSource('data', data))
  expect(await eventsOf(recording)).toEqual([])
  expect(recording.notes).toContainEqual(expect.stringMatching(/record with --kcore/))
})

test('code that is damaged is reported, and the rest is read', async () => {
  const machine = new WatchMachine([1])
  machine.run(machine.fn('get', 'get'), 0)
  const { kcore } = machine.files()
  for (const bytes of [new Uint8Array(0), kcore.subarray(0, 70), Uint8Array.from(kcore, (b, i) => (i === 0 ? 0 : b))]) {
    const recording = await machine.open({ kcore: new BytesSource('kcore', bytes) })
    expect(await eventsOf(recording)).toEqual([])
    expect(recording.damage[0]).toMatchObject({ file: 'kcore' })
  }
  const cut = await machine.open({ kcore: new BytesSource('kcore', kcore.subarray(0, kcore.length - 1)) })
  await eventsOf(cut)
  expect(cut.notes).toContain("1 parts of the kernel's code are cut off or too large")
})

test('frame numbers come from the memory map that is given, or from memory below 64 GiB', async () => {
  const machine = new WatchMachine([1])
  machine.run(machine.fn('get', 'get'), 0)
  const [event] = await open(machine, { vmemmap: 0xffffea0000000000n - 64n * 0x1000n })
  expect(event!.pfn).toBe(0x7fe9f + 0x1000)
  const recording = await machine.open({ vmemmap: 0xffffeb0000000000n }).catch((error: Error) => error)
  expect(String(recording)).toContain('found no tracepoint, only watched addresses')
})

// SPDX-License-Identifier: GPL-2.0-or-later
// A lifetime that is never idle needs no more room than what is out and what came last; nothing that was set aside is forgotten.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLedger } from '../../src/ledger/account.ts'
import { Traffic } from '../../src/ledger/diagnose/traffic.ts'
import { EventPool } from '../../src/ledger/track/event-pool.ts'
import { NO_PAIR } from '../../src/ledger/track/hot-layout.ts'
import { MAX_RECENT } from '../../src/ledger/track/order-limits.ts'
import { SetAside } from '../../src/ledger/track/set-aside.ts'
import { unitKey } from '../../src/ledger/track/unit-key.ts'
import { newBatch } from '../../src/trace/common/batch.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const frame = (name: string): Frame => ({ address: 0n, name, offset: 1, module: 'drv' })

/** A device with one page that is used in turns: each takes references of one kind, and later gives them back one by one. */
class Device {
  readonly rows: Row[] = []
  count = 0
  #time = 0

  event(pfn: number, op: Op, val: number, site: string, pid = 1): void {
    this.#time += 1000
    this.count = op === Op.SET ? val : this.count + val
    const stack = [frame(site)]
    this.rows.push({
      time: this.#time,
      cpu: 0,
      op,
      pid,
      pfn,
      val,
      ret: Number(this.count === 0),
      count: this.count,
      stack,
    })
  }

  /** One short lifetime with every kind of reference, by which the laws are known. */
  lifetime(pfn: number, kinds: number): void {
    this.event(pfn, Op.SET, 1, 'drv_alloc')
    for (let kind = 0; kind < kinds; kind++) {
      if (pfn % (kind + 2) === 0) continue
      this.event(pfn, Op.MOD, kind + 1, `drv_get_${kind}`)
      for (let n = 0; n <= kind; n++) this.event(pfn, Op.MOD_AND_TEST, -1, `drv_put_${kind}`)
    }
    this.event(pfn, Op.MOD_AND_TEST, -1, 'drv_free')
  }
}

function deviceWith(turns: readonly { kind: number; isPut: boolean }[]): Device {
  const device = new Device()
  const setUp = [frame('__init_zone_device_page'), frame('memremap_pages')]
  for (let pfn = 0x1000; pfn < 0x1020; pfn++) {
    device.rows.push({ time: 0, cpu: 0, op: Op.SET, pid: 1, pfn, val: 1, ret: 0, count: 1, stack: setUp })
    device.rows.push({ time: 0, cpu: 0, op: Op.SET, pid: 1, pfn, val: 0, ret: 0, count: 0, stack: setUp })
  }
  for (let round = 0; round < 4; round++) for (let pfn = 0x1001; pfn < 0x1020; pfn++) device.lifetime(pfn, 3)
  device.event(0x1000, Op.SET, 1, 'drv_alloc')
  const out: number[] = []
  for (const { kind, isPut } of turns) {
    if (isPut && out.length > 0) {
      const first = out[0]!
      for (let n = 0; n <= first; n++) device.event(0x1000, Op.MOD_AND_TEST, -1, `drv_put_${first}`, 2)
      out.shift()
    } else {
      device.event(0x1000, Op.MOD, kind + 1, `drv_get_${kind}`)
      out.push(kind)
    }
  }
  return device
}

const turns = fc.array(fc.record({ kind: fc.nat(2), isPut: fc.boolean() }), { minLength: 100, maxLength: 600 })

test('what is left of a lifetime, and what was set aside, is all that happened', async () => {
  let setAside = 0
  const property = fc.asyncProperty(turns, async drawn => {
    const device = deviceWith(drawn)
    const ledger = await readLedger(fakeRecording(device.rows))
    const row = ledger.pages.find(0x1000)
    const events = ledger.lifeEvents(row)
    const units = new Map<number, number>()
    const add = (key: number, n: number) => units.set(key, (units.get(key) ?? 0) + n)
    for (const { signature, delta } of events) add(unitKey(signature, delta), delta)
    ledger.aside.addUnits(units, ledger.pages.aside[row]!, events[0]!.ordinal, Infinity)
    setAside += ledger.aside.length
    const happened = new Map<string, number>()
    for (const { pfn, val, stack } of device.rows.slice(64))
      if (pfn === 0x1000) happened.set(stack![0]!.name, (happened.get(stack![0]!.name) ?? 0) + val)
    const byName = new Map([...units].map(([key, n]) => [ledger.sites.actingFrame(key >> 1)!.name, n]))
    expect(byName).toEqual(happened)
    expect(events[0]).toMatchObject({ op: Op.SET, delta: 1 })
  })
  await fc.assert(property, { numRuns: 30 })
  expect(setAside).toBeGreaterThan(1000)
})

test('the order of references is told of those that were set aside, too', async () => {
  // Never idle, one after the other.
  const drawn = Array.from({ length: 400 }, (_, i) => ({ kind: 0, isPut: i % 2 === 1 }))
  const device = deviceWith(drawn)
  const ledger = await readLedger(fakeRecording(device.rows))
  const row = ledger.pages.find(0x1000)
  expect(ledger.pages.events[row]).toBeLessThan(64 + MAX_RECENT)
  const get = ledger.lifeEvents(row).find(({ signature }) => ledger.sites.actingFrame(signature)!.name === 'drv_get_0')!
  const law = ledger.book.lawOf(unitKey(get.signature, 1))
  expect(law).toBeGreaterThanOrEqual(0)
  const taken = device.rows.filter(({ stack, val }) => val > 0 && stack![0]!.name === 'drv_get_0').length
  expect(new Traffic(ledger).of(law).all).toMatchObject({ returned: taken, most: 0 })
})

test('only the latest are remembered, and those of one lifetime are told from others', () => {
  const aside = new SetAside()
  const pool = new EventPool()
  const batch = newBatch(1)
  const node = (ordinal: number, delta: number) => pool.add(-1, 0, delta, batch, 0, 7, 0, ordinal, 0)
  let last = NO_PAIR
  const all = 300_000
  const [get, put] = [node(10, 1), node(11, -1)]
  last = aside.add(0, last, 1, get, put, pool)
  for (let i = 0; i < all; i++) aside.add(1, NO_PAIR, 1, get, put, pool)
  expect(aside.length).toBe(all + 1)
  expect(aside.length - aside.first).toBe(1 << 18)
  const units = (page: number, from: number, to: number) => {
    const sums = new Map<number, number>()
    aside.addUnits(sums, page, from, to)
    return Object.fromEntries(sums)
  }
  expect(units(last, 0, Infinity)).toEqual({})
  const earlier = aside.add(2, NO_PAIR, 1, get, put, pool)
  const later = aside.add(2, earlier, 2, node(20, 2), node(21, -2), pool)
  expect(units(later, 0, Infinity)).toEqual({ 14: 3, 15: -3 })
  expect(units(later, 15, Infinity)).toEqual({ 14: 2, 15: -2 })
  expect(units(later, 0, 15)).toEqual({ 14: 1, 15: -1 })
})

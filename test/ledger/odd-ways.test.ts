// SPDX-License-Identifier: GPL-2.0-or-later
// Drivers put together by hand, each with a habit of the driver sluice (lab/kernel/drivers/sluice.c) and one fault.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account, type Finding } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const frame = (name: string): Frame => ({
  address: 0n,
  name,
  offset: 1,
  module: name.startsWith('drv') ? 'drv' : undefined,
})

const PAGES = 40
/** Task that gives back what others took. */
const OTHER = 2

/** A device whose pages are handed out by a set of the count. */
class Device {
  readonly #rows: Row[] = []
  readonly #counts = new Array<number>(PAGES).fill(0)
  #time = 0

  constructor() {
    for (let page = 0; page < PAGES; page++) {
      this.#add(page, Op.SET, 1, 1, ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages'])
      this.#add(page, Op.SET, 0, 0, ['memmap_init_zone_device', 'memremap_pages'])
    }
  }

  allocate(page: number): void {
    this.#counts[page] = 1
    this.#add(page, Op.SET, 1, 1, ['drv_alloc', 'drv_work'])
  }

  take(page: number, site: string, units = 1): void {
    this.#counts[page]! += units
    this.#add(page, Op.MOD, units, this.#counts[page]!, [site, 'drv_work'])
  }

  put(page: number, site: string, units = 1, pid = 1): void {
    this.#counts[page]! -= units
    const count = this.#counts[page]!
    this.#add(page, Op.MOD_AND_TEST, -units, count, [site, 'drv_work'], count === 0 ? 1 : 0, pid)
  }

  async accusations(): Promise<Finding[]> {
    const { findings } = await account(fakeRecording(this.#rows))
    return findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  }

  #add(page: number, op: Op, val: number, count: number, stack: string[], ret = 0, pid = 1): void {
    this.#time += 10_000
    this.#rows.push({
      time: this.#time,
      cpu: 0,
      op,
      pid,
      pfn: 0x1000 + page,
      val,
      ret,
      count,
      stack: stack.map(frame),
    })
  }
}

/** Lifetimes of pages that are pinned with 1,024 units and unpinned. */
function pins(device: Device, times: number): void {
  for (let i = 0; i < times; i++) {
    const page = 1 + (i % 8)
    device.allocate(page)
    device.take(page, 'drv_pin', 1024)
    device.put(page, 'drv_unpin', 1024)
    device.put(page, 'drv_release')
  }
}

test('a put of one that no law has cannot have given back a pin of 1,024', async () => {
  const device = new Device()
  pins(device, 60)
  device.allocate(0)
  device.take(0, 'drv_pin', 1024)
  device.put(0, 'drv_unpin_wrongly')
  device.put(0, 'drv_release')
  pins(device, 60)
  const [leak, ...others] = await device.accusations()
  expect(leak).toMatchObject({ kind: 'leak', pfn: 0x1000, references: 1023 })
  expect(leak!.culprit?.frame?.name).toBe('drv_pin')
  expect(others).toEqual([])
})

test('what came back by the puts of another law as the driver came to rest is not out', async () => {
  const device = new Device()
  const live = (page: number, forks: number, last: string) => {
    device.allocate(page)
    for (let i = 0; i < forks; i++) device.take(page, 'drv_fork')
    for (let i = 0; i < forks; i++) device.put(page, 'drv_exit', 1, OTHER)
    device.put(page, last, 1, OTHER)
  }
  for (let i = 0; i < 200; i++) live(1 + (i % 8), i % 3, 'drv_unmap')
  device.allocate(0)
  for (let i = 0; i < 8; i++) live(1 + i, i % 3, 'drv_unmap')
  for (let i = 0; i < 12; i++) live(10 + i, i % 3, 'drv_exit')
  const [leak, ...others] = await device.accusations()
  expect(leak).toMatchObject({ kind: 'leak', pfn: 0x1000, certainty: 'likely' })
  expect(leak!.culprit?.frame?.name).toBe('drv_alloc')
  expect(others).toEqual([])
})

test('where an owner gives a page back that it was never handed, who used it meanwhile may be right', async () => {
  const device = new Device()
  const use = (page: number) => {
    device.take(page, 'drv_lookup')
    device.put(page, 'drv_lookup_done')
    device.put(page, 'drv_release')
  }
  for (let i = 0; i < 60; i++) {
    device.allocate(i % 8)
    use(i % 8)
  }
  use(0)
  const [finding] = await device.accusations()
  expect(finding).toMatchObject({ kind: 'get-on-free-page', pfn: 0x1000, culpritCertainty: 'possible' })
  expect(finding!.evidence.join('\n')).toMatch(/^drv_release\+0x1 gave the page back .* which nothing had handed out/m)
  expect(finding!.evidence.join('\n')).toMatch(/^what drv_alloc\+0x1 takes, drv_release\+0x1 gives back/m)
})

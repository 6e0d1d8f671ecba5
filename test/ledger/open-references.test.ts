// SPDX-License-Identifier: GPL-2.0-or-later
// References that are out at the end, by site, held against what was put together.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const frame = (name: string): Frame => ({
  address: 0n,
  name,
  offset: 1,
  module: name.startsWith('drv') ? 'drv' : undefined,
})
const SITES = ['drv_user_get', 'drv_pin', 'drv_dma_map']

/** A device whose pages are handed out and come back, 20 lives for each site; then some stay out. */
class Device {
  readonly rows: Row[] = []
  #time = 0

  event(page: number, op: Op, val: number, count: number, stack: string[], ret = 0): void {
    this.#time += 10_000
    this.rows.push({
      time: this.#time,
      cpu: 0,
      op,
      pid: 1,
      pfn: 0x1000 + page,
      val,
      ret,
      count,
      stack: stack.map(frame),
    })
  }

  setUp(page: number): void {
    this.event(page, Op.SET, 1, 1, ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages'])
    this.event(page, Op.SET, 0, 0, ['memmap_init_zone_device', 'memremap_pages'])
  }

  allocate(page: number): void {
    this.event(page, Op.SET, 1, 1, ['drv_alloc', 'drv_work'])
  }

  take(page: number, site: string, count: number): void {
    this.event(page, Op.MOD, 1, count, [site, 'drv_work'])
  }

  put(page: number, site: string, count: number): void {
    this.event(page, Op.MOD_AND_TEST, -1, count, [site, 'drv_work'], count === 0 ? 1 : 0)
  }
}

test('each site has out what it took and nobody gave back', async () => {
  const held = fc.array(fc.array(fc.constantFrom(...SITES), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(held, async pages => {
      const device = new Device()
      for (let page = 0; page < 40; page++) device.setUp(page)
      for (let round = 0; round < 20; round++) {
        SITES.forEach((site, page) => {
          device.allocate(page)
          device.take(page, site, 2)
          device.put(page, site.replace(/get|pin|map/, 'put'), 1)
          device.put(page, 'drv_release', 0)
        })
      }
      const wanted = new Map<string, { references: number; pages: number }>()
      const count = (site: string, references: number) => {
        const of = wanted.get(site) ?? { references: 0, pages: 0 }
        wanted.set(site, { references: of.references + references, pages: of.pages + 1 })
      }
      pages.forEach((sites, page) => {
        device.allocate(page)
        count('drv_alloc', 1)
        for (const [i, site] of sites.entries()) device.take(page, site, 2 + i)
        for (const site of new Set(sites)) count(site, sites.filter(each => each === site).length)
      })
      const { open } = await account(fakeRecording(device.rows))
      expect(new Map(open.map(({ get, references, pages }) => [get?.name, { references, pages }]))).toEqual(wanted)
      expect(open.map(({ references }) => references)).toEqual(
        open.map(({ references }) => references).sort((a, b) => b - a),
      )
      for (const { pfn } of open) expect(pfn).toBeGreaterThanOrEqual(0x1000)
    }),
    { numRuns: 40 },
  )
})

test('nothing is out when every page has come back', async () => {
  const device = new Device()
  for (let page = 0; page < 8; page++) device.setUp(page)
  for (let page = 0; page < 8; page++) {
    device.allocate(page)
    device.put(page, 'drv_release', 0)
  }
  expect((await account(fakeRecording(device.rows))).open).toEqual([])
})

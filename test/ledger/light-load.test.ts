// SPDX-License-Identifier: GPL-2.0-or-later
// A driver with little to do comes to rest again and again. What is out when its recording is cut may just be slow.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const frame = (name: string): Frame => ({ address: BigInt(name.length), name, offset: 4, module: 'x' })

/** Jobs one after the other, each with a page. One in 20 is slow: `overtaken` others begin and end before it does. */
function jobs(overtaken: number): Row[] {
  const rows: Row[] = []
  const add = (pid: number, pfn: number, op: Op, val: number, names: string[]) => {
    const count = op === Op.SET ? val : 0
    const ret = op === Op.MOD_AND_TEST ? 1 : 0
    rows.push({ time: rows.length * 5000, cpu: 0, op, pid, pfn, val, ret, count, mapcount: 0, stack: names.map(frame) })
  }
  const take = (pfn: number) => add(10, pfn, Op.SET, 1, ['zone_device_page_init', 'x_alloc', 'x_ioctl'])
  const give = (pfn: number) => add(11, pfn, Op.MOD_AND_TEST, -1, ['x_done', 'x_work'])
  for (let pfn = 0x1000; pfn < 0x1040; pfn++)
    for (const val of [1, 0]) add(1, pfn, Op.SET, val, ['__init_single_page', 'memmap_init_zone_device', 'x_probe'])
  for (let slow = 0; slow < 13; slow++) {
    const isLast = slow === 12
    take(0x1000 + slow)
    for (let job = 0; job < (isLast ? 6 : 19); job++) {
      take(0x1020 + job)
      give(0x1020 + job)
      if (job + 1 === overtaken && !isLast) give(0x1000 + slow)
    }
  }
  return rows
}

test.each([
  ['nobody leaks what is out where others were overtaken as often', 10, 0],
  ['who leaks the only one that was ever overtaken so often is accused', 2, 1],
])('%s', async (_, overtaken, leaks) => {
  const { findings } = await account(fakeRecording(jobs(overtaken), []))
  expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toHaveLength(leaks)
})

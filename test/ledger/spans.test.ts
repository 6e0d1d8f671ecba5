// SPDX-License-Identifier: GPL-2.0-or-later
/** How long something took, in the sentences of findings: in the unit of the recording's clock. */
import { expect, it } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { Op, type SourceInfo } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const PFN = 0x140000

/** A page that is handed out and given back, and memunmap_pages(), which is entered and does not return. */
function rowsOf(step: number): Row[] {
  const row = (at: number, op: Op, names: string[], fields: Partial<Row>): Row => {
    const stack = names.map(name => ({ address: 0n, name, offset: undefined, module: undefined }))
    return { time: at * step, cpu: 0, op, pid: 1, pfn: PFN, val: 0, ret: 0, count: 0, stack, ...fields }
  }
  return [
    row(0, Op.SET, ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages'], {}),
    row(1, Op.SET, ['zd_alloc'], { count: 1, val: 1 }),
    row(2, Op.MOD_AND_TEST, ['zd_free'], { val: -1, ret: 1 }),
    row(3, Op.MEMUNMAP, ['memunmap_pages', 'zd_remove'], { val: 1 }),
  ]
}

it.each([
  ['local', 'ns', 1_000_000, '3.0 ms'],
  ['uptime', 'ns', 10_000_000, '30 ms'],
  ['counter', 'ticks', 7, '21 ticks'],
] as const)('by the clock %s', async (clock, unit, step, span) => {
  const info: Partial<SourceInfo> = { clock, unit, endTime: 6 * step }
  const { findings } = await account(fakeRecording(rowsOf(step), [], { info }))
  const said = findings.flatMap(({ evidence }) => evidence)
  expect(said).toContainEqual(expect.stringContaining(`entered memunmap_pages() ${span} before the recording ends`))
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Which pages are device memory, in recordings that begin after the pagemap was set up: by what runs for them only, or by what the
// user says. Nobody is said to leak ordinary pages, so what is not recognised is not judged.
import { describe, expect, test } from 'vitest'
import { ACCUSATIONS, type AccountOptions, account } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const FIRST = 0x100000
const PAGES = 8
const names: string[] = []

function frame(name: string): Frame {
  if (!names.includes(name)) names.push(name)
  return { address: BigInt(0x1000 * (1 + names.indexOf(name))), name, offset: 0x10, module: undefined }
}

const through = (...functions: string[]) => ['__page_ref_mod', ...functions].map(frame)

/**
 * A driver whose pages are idle at 1: a task gets each page and puts it, round after round. `freed` is what the stack of the core's
 * reset has; undefined for a driver whose pages are never freed by the core. The last reference that one page lends is never put.
 */
function rowsOf(freed: string | undefined, first = FIRST): Row[] {
  const rows: Row[] = []
  const at = new Map<number, number>()
  const add = (pfn: number, op: Op, val: number, stack: Row['stack']) => {
    const before = at.get(pfn) ?? 1
    const count = op === Op.SET ? val : before + val
    at.set(pfn, count)
    const ret = op === Op.MOD_AND_TEST && count === 0 ? 1 : 0
    rows.push({ time: rows.length * 1000, cpu: 0, op, pid: 100, pfn, val, ret, count, stack })
  }
  const rounds = 200
  const leaking = first + 3
  for (let round = 0; round < rounds; round++) {
    const pfn = first + (round % PAGES)
    if (pfn === leaking && round > rounds / 2 + PAGES) continue
    add(pfn, Op.MOD, 1, through('drv_use'))
    if (pfn === leaking && round > rounds / 2) add(pfn, Op.MOD, 1, through('drv_lend'))
    else if (round % 2 === 1) {
      add(pfn, Op.MOD, 1, through('drv_lend'))
      add(pfn, Op.MOD_AND_TEST, -1, through('drv_return'))
    }
    add(pfn, Op.MOD_AND_TEST, -1, through('drv_unuse'))
    if (freed === undefined) continue
    add(pfn, Op.MOD_AND_TEST, -1, through('drv_free'))
    if (at.get(pfn) === 0) add(pfn, Op.SET, 1, through(freed, 'drv_free'))
  }
  return rows
}

const info = { kernel: '6.12.0' }
const judge = (rows: Row[], options: AccountOptions = {}) => account(fakeRecording(rows, [], { info }), options)

describe('device memory is recognised', () => {
  test.each(['free_zone_device_folio', 'free_zone_device_page', 'free_devmap_managed_page'])(
    'by %s, which frees device pages only, though no page began with it',
    async freed => {
      const { pagemaps, findings } = await judge(rowsOf(freed))
      expect(pagemaps).toMatchObject([{ device: true, idleCount: 1 }])
      const accused = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
      expect(accused).toMatchObject([{ kind: 'leak', pfn: FIRST + 3, culprit: { frame: { name: 'drv_lend' } } }])
    },
  )

  test('by nothing that runs for ordinary pages as well', async () => {
    const { pagemaps, findings, notes } = await judge(rowsOf('drv_reset'))
    expect(pagemaps).toMatchObject([{ device: false }])
    expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toEqual([])
    expect(notes.join()).toContain('--device')
  })
})

describe('--device', () => {
  const device = [{ first: FIRST, last: FIRST + PAGES - 1 }]

  test('has pages judged of which the recording tells nothing', async () => {
    const { pagemaps, findings } = await judge(rowsOf('drv_reset'), { device })
    expect(pagemaps).toMatchObject([{ device: true, firstPfn: FIRST, lastPfn: FIRST + PAGES - 1, pages: PAGES }])
    expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toMatchObject([{ kind: 'leak', pfn: FIRST + 3 }])
  })

  test('leaves out the ordinary pages around them', async () => {
    const beside = rowsOf(undefined, FIRST + 64)
    const rows = [...rowsOf('drv_reset'), ...beside]
      .sort((a, b) => a.time - b.time)
      .map((row, i) => ({ ...row, time: i * 1000 }))
    const { pagemaps, skipped } = await judge(rows, { device })
    expect(pagemaps).toHaveLength(1)
    expect(skipped).toBeGreaterThan(0)
    expect(skipped).toBeLessThanOrEqual(beside.length)
  })
})

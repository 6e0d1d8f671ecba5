// SPDX-License-Identifier: GPL-2.0-or-later
// Where the clocks of CPUs differ, a hand-out can be stamped before the last put that it followed.
import { describe, expect, it } from 'vitest'
import { ACCUSATIONS, account, type Finding } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import { FIRST_PFN, probeHistory } from './probe-history.ts'

const US = 1000
const found = async (rows: readonly Row[]): Promise<Finding[]> => (await account(fakeRecording(rows, []))).findings

describe('histories in which nothing is wrong', () => {
  async function accused(skew: number, histories = 60): Promise<{ any: number; certain: number }> {
    const count = { any: 0, certain: 0 }
    for (let seed = 0; seed < histories; seed++) {
      const shape = { tasks: 2 + (seed % 3), cpus: 4, pages: 1 + (seed % 4), steps: 40 }
      const { rows } = probeHistory({ ...shape, seed, counting: 'set', stacks: true, lag: 300, skew, teardown: false })
      const accusations = (await found(rows)).filter(({ kind }) => ACCUSATIONS.has(kind))
      count.any += Number(accusations.length > 0)
      count.certain += accusations.filter(({ certainty }) => certainty === 'certain').length
    }
    return count
  }

  // Not never: a whole get and put can be stamped after the last put that followed them, and then the life is closed.
  it.each([
    [0, 0],
    [5 * US, 2],
    [20 * US, 15],
  ])('by up to %i ns, few of 60 accuse, and none with certainty', async (skew, few) => {
    const { any, certain } = await accused(skew)
    expect(certain).toBe(0)
    expect(any).toBeLessThanOrEqual(few)
  })
})

describe('a set that finds the count it sets', () => {
  const frames = (...names: string[]): Frame[] =>
    names.map(name => ({ address: 0n, name, offset: undefined, module: undefined }))

  /** Lives that go well, and one whose last put is stamped that long after the next hand-out; then a get, which reads a count. */
  function story(later: number, count: number): Row[] {
    const shape = { tasks: 2, cpus: 2, pages: 3, steps: 40, stacks: true, lag: 500, skew: 0, teardown: false }
    const rows = probeHistory({ ...shape, seed: 7, counting: 'set' }).rows.filter(({ op }) => op !== Op.REPORT)
    let now = rows.at(-1)!.time
    const add = (after: number, op: Op, pid: number, by: string, what: Partial<Row>) => {
      now += after
      const row = { time: now, cpu: pid % 2, op, pid, pfn: FIRST_PFN, val: 0, ret: 0, count: 0, mapcount: -1 }
      rows.push({ ...row, stack: frames(by, 'kthread'), ...what })
    }
    add(1e6, Op.PAGE_ALLOC, 301, 'zd_alloc', {})
    add(10 * US, Op.SET, 301, 'zd_alloc', { val: 1, count: 1 })
    add(100e6, Op.PAGE_ALLOC, 302, 'zd_alloc', {})
    add(US, Op.SET, 302, 'zd_alloc', { val: 1, count: 1 })
    add(later, Op.MOD_AND_TEST, 301, 'zd_put', { val: -1, ret: 1 })
    add(US, Op.PAGE_FREE, 301, 'zd_page_free', {})
    add(100e6, Op.MOD, 302, 'zd_insert', { val: 1, count })
    add(1e9, Op.REPORT, 900, 'kthread', { val: 9, pfn: 0 })
    return rows
  }

  it('waits for the put before it as long as clocks may differ', async () => {
    // Followed exactly: the new owner's two references are out.
    const findings = await found(story(15 * US, 2))
    expect(findings.map(({ kind, references }) => [kind, references])).toEqual([['held-at-end', 2]])
  })

  it('and no longer: then the page was handed out twice, and one put left it free', async () => {
    const findings = await found(story(25 * US, 1))
    expect(findings.map(({ kind, culprit }) => [kind, culprit?.frame?.name])).toEqual([['count-mismatch', 'zd_alloc']])
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// What the ledger makes of results that no order of the recorded events explains.
import { describe, expect, it, test } from 'vitest'
import { ACCUSATIONS, type Account, account } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import { type Counting, FIRST_PFN, probeHistory } from './probe-history.ts'

const US = 1000
const MS = 1000 * US

/** The two tasks of a story, each on a CPU of its own. */
const [A, B] = [0, 1]

type Step = [after: number, task: number, op: Op, what: Partial<Row>]

const stack: Frame[] = ['zd_work', 'kthread'].map(name => ({ address: 0n, name, offset: undefined, module: undefined }))

/** Accounts for lifetimes that go well, and these steps on the first page long after them. */
function accountOf(counting: Counting, steps: readonly Step[]): Promise<Account> {
  const shape = { tasks: 2, cpus: 2, pages: 3, steps: 40, stacks: true, lag: 500, skew: 0, teardown: false }
  const rows = probeHistory({ ...shape, seed: 7, counting }).rows.filter(({ op }) => op !== Op.REPORT)
  let now = rows.at(-1)!.time + 1000 * MS
  const add = ([after, task, op, what]: Step) => {
    now += after
    const row = { time: now, cpu: task, op, pid: 301 + task, pfn: FIRST_PFN, val: 0, ret: 0, count: 0, stack }
    rows.push({ ...row, ...what })
  }
  for (const step of [...steps, [1000 * MS, A, Op.REPORT, { val: 9, pfn: 0 }] satisfies Step]) add(step)
  return account(fakeRecording(rows, []))
}

const get = (after: number, task: number, count: number): Step => [after, task, Op.MOD, { val: 1, count }]
const put = (after: number, task: number, count: number): Step => [
  after,
  task,
  Op.MOD_AND_RETURN,
  { val: -1, ret: count, count },
]

/** A put that leaves one more than was taken, and near it another task that takes two, which does not make up for it. */
const oneMore = (count = 3): Step[] => [
  get(0, A, 2),
  get(100 * MS, A, count),
  put(100 * MS, A, 3),
  [10 * US, B, Op.MOD, { val: 2, count: 5 }],
]

const mismatches = ({ findings }: Account) => findings.filter(({ kind }) => kind === 'count-mismatch')

describe('a result that differs from the count', () => {
  it('is a mismatch', async () => {
    expect(mismatches(await accountOf('get', oneMore()))).toHaveLength(1)
  })

  it('is none where an earlier event has read another count, too', async () => {
    const { findings } = await accountOf('get', oneMore(4))
    expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toEqual([])
  })

  it('is none where a later result differs as much the other way', async () => {
    const { findings } = await accountOf('get', [...oneMore(), put(100 * MS, A, 3)])
    expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toEqual([])
  })

  it('still is one where a later result differs by more', async () => {
    expect(mismatches(await accountOf('get', [...oneMore(), put(100 * MS, A, 2)]))).toHaveLength(1)
  })
})

/**
 * Gets and puts of two tasks in turn, of which the first task's put in the middle is stamped last. They come too late to be those
 * of an interrupt before the mismatch.
 */
function swappedAmong(many: number): Step[] {
  const inTurn = [get(10 * US, A, 6), put(10 * US, A, 5), get(10 * US, B, 6), put(10 * US, B, 5)]
  const swapped = [get(10 * US, A, 6), get(10 * US, B, 7), put(10 * US, B, 5), put(US, A, 6)]
  const turns = Array.from({ length: many }, (_, i) => (i === many >> 1 ? swapped : inTurn)).flat()
  return [get(300 * US, B, 6), put(10 * US, B, 5), ...turns]
}

test.each([2, 20, 200])('of %i times four events after a mismatch none is a second one', async many => {
  const [found, ...more] = mismatches(await accountOf('get', [...oneMore(), ...swappedAmong(many)]))
  const after = found?.consequences.filter(({ kind }) => kind === 'count-mismatch')
  expect([after, found?.moreConsequences, more]).toEqual([[], 0, []])
})

describe('a put of a free page with a hand-out near it is a fault', () => {
  /** A put of a free page that reads that count, the hand-out, and what comes then. Returns how often events were missing. */
  const missing = async (count: number, ...later: Step[]) => {
    const putToo: Step = [0, A, Op.MOD_AND_TEST, { val: -1, ret: 0, count }]
    const set: Step = [10 * US, B, Op.SET, { val: 1, count: 1 }]
    return (await accountOf('set', [putToo, set, ...later])).unrecorded
  }

  it.each([
    ['its own', -1],
    ["the hand-out's", 1],
  ])('if it read %s count', async (_, count) => {
    expect(await missing(count)).toBe(0)
  })

  it('if it read that of a get after the hand-out', async () => {
    expect(await missing(2, get(10 * US, B, 2))).toBe(0)
  })

  it.each([2, 4, -3])('but not if it read %i: events are missing', async count => {
    expect(await missing(count)).toBe(1)
  })
})

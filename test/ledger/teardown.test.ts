// SPDX-License-Identifier: GPL-2.0-or-later
// Without stacks, memunmap_pages() is known by putting page after page; so do users.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import { Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

const FIRST = 0x1000
const PAGES = 64

/** Events of one task on pages that are idle at 1, one after the other, without stacks. */
class Task {
  readonly rows: Row[] = []
  readonly #counts = new Map<number, number>()

  event(page: number, op: Op, val: number): void {
    const count = op === Op.SET ? val : this.#counts.get(page)! + val
    this.#counts.set(page, count)
    const ret = op === Op.MOD_AND_RETURN ? count : op === Op.MOD_AND_TEST ? Number(count === 0) : 0
    const time = 1e6 + 1000 * this.rows.length
    const init = op === Op.SET ? { mapcount: 0, flagsLow: 0 } : {}
    this.rows.push({ time, cpu: 0, op, pid: 7, pfn: FIRST + page, val, ret, count, stack: undefined, ...init })
  }

  all(op: Op, val: number): void {
    for (let page = 0; page < PAGES; page++) this.event(page, op, val)
  }
}

test.each([Op.MOD_AND_RETURN, Op.MOD_AND_TEST])(
  'users who put page after page tear nothing down (op %i)',
  async put => {
    const task = new Task()
    task.all(Op.SET, 1)
    for (let round = 0; round < 4; round++) {
      task.all(Op.MOD, 1)
      task.all(put, -1)
    }
    task.all(Op.MOD, 1)
    const { findings, lives } = await account(fakeRecording(task.rows))
    expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind) || kind === 'teardown-waits')).toEqual([])
    expect(lives).toMatchObject({ complete: 4 * PAGES, openAtEnd: PAGES })
  },
)

test('a teardown without stacks that a reference holds up names its page', async () => {
  const leaked = 20
  const task = new Task()
  task.all(Op.SET, 1)
  for (let round = 0; round < 4; round++) {
    task.all(Op.MOD, 1)
    task.all(Op.MOD_AND_RETURN, -1)
  }
  task.event(leaked, Op.MOD, 1)
  task.all(Op.MOD_AND_RETURN, -1)
  const { findings } = await account(fakeRecording(task.rows))
  expect(findings.map(({ kind, pfn, certainty }) => [kind, pfn, certainty])).toEqual([
    ['leak', FIRST + leaked, 'possible'],
  ])
})

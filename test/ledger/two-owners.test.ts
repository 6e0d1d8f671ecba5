// SPDX-License-Identifier: GPL-2.0-or-later
// Uses of a free page whose user is innocent: it was handed out twice, or not at all, or a rare path put once too often.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { checkEvidence } from '../../testkit/evidence-check.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import { namesOf } from '../support/named.ts'

const MS = 1_000_000
const FIRST_PFN = 0x140000
const PAGES = 8

const frame = (name: string): Frame => ({ address: 0n, name, offset: undefined, module: undefined })
const stacks = new Map<string, Frame[]>()
function stackOf(name: string): Frame[] {
  const stack = stacks.get(name) ?? [name, 'small_thread', 'kthread'].map(frame)
  stacks.set(name, stack)
  return stack
}

/** A driver that sets the count of a page to hand it out. Its jobs and its scanner take references for a while. */
class SmallDriver {
  readonly #rows: Row[] = []
  readonly #counts = new Array<number>(PAGES).fill(0)
  #now = MS

  constructor() {
    const stack = ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages', 'small_probe'].map(frame)
    for (let page = 0; page < PAGES; page++)
      for (const val of [1, 0]) this.#row(page, Op.SET, { val, count: val, stack, flagsLow: val === 1 ? 0 : 0x2000 })
  }

  /** Lifetimes in which nothing goes wrong. */
  run(lifetimes: number): this {
    for (let i = 0; i < lifetimes; i++) {
      const page = i % PAGES
      this.alloc(page)
      for (let jobs = i % 3; jobs > 0; jobs--) this.pin(page)
      if (i % 2 === 0) this.scan(page).putBack(page)
      for (let jobs = i % 3; jobs > 0; jobs--) this.done(page)
      this.drop(page)
    }
    return this
  }

  alloc(page: number): this {
    this.#counts[page] = 1
    return this.#row(page, Op.SET, { val: 1, count: 1, stack: stackOf('small_alloc') })
  }

  pin = (page: number) => this.#change(page, 1, 'small_job_pin')
  done = (page: number) => this.#change(page, -1, 'small_job_done')
  abort = (page: number) => this.#change(page, -1, 'small_job_abort')
  scan = (page: number) => this.#change(page, 1, 'small_scan')
  putBack = (page: number) => this.#change(page, -1, 'small_put_back')
  /** Takes eight references at once, as for parts of the page that are used one by one, of which what is left is put at once. */
  cut = (page: number) => this.#change(page, 8, 'small_cut')
  part = (page: number) => this.#change(page, -1, 'small_part_done')
  rest = (page: number, left: number) => this.#change(page, -left, 'small_rest')
  drop = (page: number) => this.#change(page, -1, 'small_drop')

  async accused(): Promise<string[]> {
    const recording = () => fakeRecording(this.#rows)
    const made = await account(recording())
    expect((await checkEvidence(recording(), made)).wrong).toEqual([])
    return made.findings
      .filter(({ kind }) => ACCUSATIONS.has(kind))
      .map(found => {
        const { kind, pfn, certainty, culpritCertainty } = found
        return `${kind} on ${pfn - FIRST_PFN} ${certainty}, ${culpritCertainty} ${namesOf(found).join(' or ')}`
      })
  }

  #change(page: number, val: number, name: string): this {
    const count = this.#counts[page]! + val
    this.#counts[page] = count
    const op = val > 0 ? Op.MOD : Op.MOD_AND_TEST
    return this.#row(page, op, { val, count, ret: Number(val < 0 && count === 0), stack: stackOf(name) })
  }

  #row(page: number, op: Op, more: Partial<Row>): this {
    this.#now += MS
    const row = { time: this.#now, cpu: 0, pid: 301, pfn: FIRST_PFN + page, val: 0, ret: 0, count: 0, stack: undefined }
    this.#rows.push({ ...row, op, ...more })
    return this
  }
}

test('who gets a page that was handed out twice, after the first owner has put it, is not accused', async () => {
  const driver = new SmallDriver().run(60)
  driver.alloc(3).alloc(3).pin(3).done(3).drop(3)
  driver.pin(3).done(3).drop(3)
  expect(await driver.run(16).accused()).toEqual(['count-mismatch on 3 likely, possible small_alloc'])
})

test('nor is who puts it', async () => {
  const driver = new SmallDriver().run(60)
  driver.alloc(3).alloc(3).drop(3).drop(3)
  expect(await driver.run(16).accused()).toEqual(['count-mismatch on 3 likely, possible small_alloc'])
})

test('a put too many by one of the two owners is told as such', async () => {
  const driver = new SmallDriver().run(60)
  driver.alloc(3).alloc(3).pin(3).done(3).done(3).drop(3).drop(3)
  expect(await driver.run(16).accused()).toEqual(['surplus-put on 3 certain, certain small_job_done'])
})

test('a get of a free page is likely at fault if it is the only one', async () => {
  const driver = new SmallDriver().run(60)
  driver.pin(3).done(3).pin(3).done(3)
  expect(await driver.run(16).accused()).toEqual(['get-on-free-page on 3 certain, likely small_job_pin'])
})

test('but not if another call site gets the free page, too: its owner was handed it without its initialisation', async () => {
  const driver = new SmallDriver().run(60)
  driver.pin(3).done(3).scan(3).putBack(3).drop(3)
  const [found, ...more] = await driver.run(16).accused()
  expect(more).toEqual([])
  expect(found).not.toContain('likely small_job_pin')
})

test('a put after which something impossible happens to most of its pages is no way of giving back what was out', async () => {
  const driver = new SmallDriver().run(40)
  for (let page = 0; page < 4; page++) {
    driver.run(16)
    // The job puts twice, which frees the page, and later its owner puts it.
    driver.alloc(page).pin(page).done(page).abort(page)
    driver.drop(page)
  }
  const found = await driver.run(16).accused()
  expect(found).toEqual([0, 1, 2, 3].map(page => `surplus-put on ${page} likely, likely small_job_abort`))
})

test('a put that occurs once is too many if what was out when the page was freed comes back later', async () => {
  const driver = new SmallDriver().run(60)
  driver.alloc(3).scan(3).pin(3).done(3).abort(3).drop(3)
  // The scanner puts the page of the next owner, and so on: nothing is impossible.
  driver.alloc(3).pin(3).putBack(3).done(3)
  expect(await driver.run(16).accused()).toEqual(['surplus-put on 3 likely, likely small_job_abort'])
})

test('but rightful if nothing does', async () => {
  const driver = new SmallDriver().run(60)
  driver.alloc(3).scan(3).pin(3).done(3).abort(3).drop(3)
  expect(await driver.run(16).accused()).toEqual([])
})

/** A job is aborted too often while another of the page's jobs goes on: that one's end comes two lifetimes later, and frees the page. */
function hiddenAbort(): SmallDriver {
  const driver = new SmallDriver().run(40)
  for (let i = 0; i < 16; i++) driver.run(4).alloc(3).pin(3).abort(3).drop(3)
  driver.alloc(3).pin(3).pin(3).done(3).abort(3).drop(3)
  return driver.alloc(3).drop(3).alloc(3).done(3)
}

test('where a put gives back what was taken lifetimes ago, the puts of that time may be the one too many', async () => {
  const driver = hiddenAbort().pin(3).done(3).drop(3)
  expect(await driver.run(16).accused()).toEqual([
    'surplus-put on 3 certain, undefined small_job_done or small_job_abort',
  ])
})

test('who gets the page after that is right, even if a later reference of the law is held and makes up for it', async () => {
  const driver = hiddenAbort().pin(3).drop(3)
  expect(await driver.accused()).toEqual(['surplus-put on 3 likely, undefined small_job_done or small_job_abort'])
})

/** A page of which two parts were put and the rest, one too many, so that the put of the third part finds the page free. */
function cutPages(usual: (lifetime: number) => number): SmallDriver {
  const driver = new SmallDriver().run(40)
  for (let i = 0; i < 30; i++) {
    driver.alloc(3).cut(3)
    for (let part = usual(i); part > 0; part--) driver.part(3)
    driver.rest(3, 8 - usual(i)).drop(3)
  }
  return driver.alloc(3).cut(3).part(3).part(3).rest(3, 6).drop(3).part(3)
}

test('a put of more than its call site gives back in any other lifetime is likely the one too many', async () => {
  const driver = cutPages(() => 3)
  expect(await driver.run(16).accused()).toEqual(['surplus-put on 3 certain, likely small_rest'])
})

test('but not where that varies', async () => {
  const driver = cutPages(lifetime => 3 + (lifetime % 2))
  expect(await driver.run(16).accused()).toEqual([
    'put-on-free-page on 3 certain, undefined small_part_done or small_rest',
  ])
})

// SPDX-License-Identifier: GPL-2.0-or-later
// What a driver hands to device_private(): nothing checks its types in a file, and a misspelt name would go unseen.
import { describe, expect, test } from 'vitest'
import {
  A,
  build,
  cell,
  type DevicePrivate,
  type Driver,
  G,
  get_dev_pagemap,
  get_page_unless_zero,
  type PageList,
  put_page,
  type Steps,
  step,
  verify,
} from '../../src/linux/index.ts'
import { device_memory } from './device-memory.ts'

/** A driver without a mistake, as changed by `more`. */
function gpu(more: (free: PageList) => object): Driver {
  return {
    name: 'gpu',
    type: 'PRIVATE',
    protocols: ['A', 'G'],
    setup: kernel => device_memory(kernel, more),
  }
}
const built = (more: object) => () => build({ driver: gpu(() => more), protocol: G })
const body = function* (): Steps<void> {}

describe('device_private()', () => {
  test('takes a driver without a mistake', () => {
    expect(built({})).not.toThrow()
    expect(built({ evict: undefined, threads: { w: { about: 'works', body, times: 1, count: 0 } } })).not.toThrow()
  })

  test.each<[string, object, string]>([
    [
      'a misspelt function',
      { after_evicton: () => undefined },
      'device_private(): nothing reads "after_evicton"; there',
    ],
    [
      'a misspelt demand on a thread',
      { threads: { w: { body, finish: true } } },
      'role w: nothing reads "finish"; there',
    ],
    ['no clear()', { clear: undefined }, 'device_private(): clear is no function'],
    ['no page_free()', { page_free: undefined }, 'device_private(): page_free is no function'],
    ['a step for a function', { evict: step('evict', () => undefined) }, 'device_private(): evict is no function'],
    [
      'an async function',
      { page_free: async function* () {} },
      'device_private(): page_free is async: steps are taken',
    ],
    ['evicts left out', { evicts: undefined }, 'device_private(): evicts is undefined, not true or false'],
    ['a thread without a body', { threads: { w: { about: 'works' } } }, 'role w: its body is no function'],
    ['a negative number of threads', { threads: { w: { body, count: -1 } } }, 'role w: count is -1, not a number'],
    ['half a thread', { threads: { w: { body, count: 0.5 } } }, 'role w: count is 0.5, not a number of threads'],
  ])('refuses %s', (_, more, message) => {
    expect(built(more)).toThrow(message)
  })

  test.each<[string, object, string]>([
    [
      'alloc_page()',
      {
        *alloc_page() {
          yield* step('alloc', () => undefined)
          return true
        },
      },
      'alloc_page() returns true: it returns a page of the pagemap',
    ],
    ['migrate_to_ram()', { migrate_to_ram: body }, "migrate_to_ram() returns undefined, not 'retry' or 'SIGBUS'"],
  ])('refuses what %s returns, if that is none of its values', async (_, more, message) => {
    const asked = verify({ driver: gpu(() => more), protocol: G, pages: 1, vas: 1, threads: { fault: 1, migrate: 1 } })
    await expect(asked).rejects.toThrow(message)
  })

  test('says of removal whether it evicts', () => {
    const about = (evicts: boolean) => build({ driver: gpu(() => ({ evicts })), protocol: G }).parts.roles.unbind!.about
    expect(about(true)).toContain('clear(), eviction, memunmap_pages()')
    expect(about(false)).toContain('clear(), memunmap_pages()')
  })
})

describe('what an invariant says', () => {
  const said = async (more: (free: PageList) => object, threads: Record<string, number>, protocol = G) => {
    const { verdict: v } = await verify({ driver: gpu(more), protocol, pages: 1, vas: 1, threads })
    return `${v.verdict} ${v.property}: ${v.message}`
  }

  test('a page that page_free() does not file', async () => {
    const files_nothing = () => ({
      *page_free() {
        yield* step('free', () => undefined)
      },
    })
    const threads = { migrate: 1, exit: 1 }
    expect(await said(files_nothing, threads)).toBe(
      'violated count-mismatch: pgmap.ref is 1, not 2 with page 0 handed out',
    )
    // Where a free page has count 1, the counts are those of a free page.
    expect(await said(files_nothing, threads, A)).toBe(
      'violated count-mismatch: page 0 has no reference left, and was never freed',
    )
  })

  test('a reference on the pagemap that is never put', async () => {
    const driver = (): Driver => ({
      ...gpu(() => ({})),
      setup: kernel => {
        function* dma(): Steps<void> {
          yield* get_dev_pagemap(kernel.pgmap)
        }
        return gpu(() => ({ threads: { dma: { body: dma, times: 1 } } })).setup(kernel)
      },
    })
    const { verdict: v } = await verify({ driver: driver(), protocol: G, pages: 1, vas: 1, threads: { dma: 1 } })
    expect([v.property, v.message]).toEqual(['count-mismatch', 'pgmap.ref is 2, not 1'])
  })

  test('a reference on a page that is never put', async () => {
    expect(await said(() => ({}), { migrate: 1, leak: 1 })).toBe(
      'violated count-mismatch: page 0 is handed out and mapped once, and its count is 2, not 1',
    )
  })

  test('a page that is filed while it is mapped', async () => {
    const early = (free: PageList) => ({
      *after_migration(page: Parameters<DevicePrivate['page_free']>[0]) {
        yield* step('free', s => free.push(s, page))
      },
    })
    expect(await said(early, { migrate: 1 })).toBe('violated freed-in-use: page 0 is free, and an entry maps it')
  })

  test('a reference that outlives its run, though a run of another thread would put it', async () => {
    const pin = (within: boolean): Driver => ({
      ...gpu(() => ({})),
      setup: kernel => {
        const done = cell('done', { max: 2 })
        kernel.cells.push(done)
        const page = kernel.pgmap.pages[0]!
        function* ioctl(): Steps<void> {
          if (!(yield* get_page_unless_zero(page))) return
          yield* step('start DMA', s => s.set(done, 1))
          if (within) yield* step('wait', s => s.wait(s.get(done) === 2))
          if (within) yield* put_page(page)
        }
        function* irq(): Steps<void> {
          yield* step('irq', s => {
            s.wait(s.get(done) === 1)
            s.set(done, 2)
          })
          if (!within) yield* put_page(page)
        }
        const threads = { ioctl: { body: ioctl, times: 1 }, irq: { body: irq, daemon: true } }
        return gpu(() => ({ threads })).setup(kernel)
      },
    })
    const verdicts = [true, false].map(async within => {
      const threads = { migrate: 1, exit: 1, ioctl: 1, irq: 1 }
      const { verdict } = await verify({ driver: pin(within), protocol: G, pages: 1, vas: 1, threads })
      return verdict.message ?? verdict.verdict
    })
    expect(await Promise.all(verdicts)).toEqual([
      'holds',
      'page 0 is handed out and mapped once, and its count is 2, not 1',
    ])
  })
})

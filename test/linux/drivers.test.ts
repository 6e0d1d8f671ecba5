// SPDX-License-Identifier: GPL-2.0-or-later
// Mistakes that drivers of other hands make, each beside the same driver without it.
import { describe, expect, test } from 'vitest'
import {
  cell,
  cells,
  type Driver,
  device_private,
  driver,
  F,
  file_free,
  G,
  get_page_unless_zero,
  hand_out,
  type Kernel,
  memunmap_pages,
  migrate_device_page,
  migrate_device_pfn,
  type Page,
  page_bitmap,
  page_list,
  percpu_ref_put_many,
  percpu_ref_tryget_live,
  put_page,
  type Shared,
  type Steps,
  set_page_count,
  step,
  touch_freed_page,
  unlock_page,
  verify,
  vm_insert_page,
  zap_pte,
  zone_device_page_init,
} from '../../src/linux/index.ts'

/** A pool of PCI memory whose owner takes the pagemap's reference itself, and gives it back in page_free(). */
function pool(order: 'file, put' | 'put, file' | 'put, call'): Driver {
  return driver({
    name: 'pool',
    type: 'PCI_P2PDMA',
    protocols: ['F', 'G'],
    setup(kernel: Kernel) {
      const { pgmap, mm } = kernel
      const free = page_bitmap(kernel)
      function* refill(page: Page): Steps<void> {
        yield* step('refill', s => free.push(s, page))
      }
      function* page_free(page: Page): Steps<void> {
        if (order !== 'file, put') yield* percpu_ref_put_many(pgmap, 1)
        yield* refill(page)
        if (order === 'file, put') yield* percpu_ref_put_many(pgmap, 1)
      }
      function* use(index: number): Steps<void> {
        const page = yield* step('take', s => (percpu_ref_tryget_live(s, pgmap) ? free.pop(s) : undefined))
        if (!page) return
        yield* set_page_count(page, 1)
        yield* vm_insert_page(mm.addresses[index]!, page)
        yield* put_page(page)
      }
      function* exit(): Steps<void> {
        for (const address of mm.addresses) yield* zap_pte(address)
      }
      return {
        ops: { page_free },
        roles: {
          use: { body: use, times: 1 },
          exit: { body: exit, daemon: true },
          unbind: { body: () => memunmap_pages(pgmap), times: 1, finishes: true },
        },
        threads: { use: 1, exit: 1, unbind: 1 },
      }
    },
  })
}

const GOOD_PRIVATE = {
  file_twice: false,
  touch_late: false,
  init: true,
  clears: true,
  evicts: true,
}

/** Device-private memory behind a list. */
function list(mistake: Partial<typeof GOOD_PRIVATE>): Driver {
  const how = { ...GOOD_PRIVATE, ...mistake }
  return driver({
    name: 'list',
    type: 'PRIVATE',
    protocols: ['E', 'F', 'G'],
    setup(kernel: Kernel) {
      const free = page_list(kernel)
      return device_private(kernel, {
        *alloc_page() {
          const page = yield* step('alloc', s => free.pop(s))
          if (page && how.init) yield* zone_device_page_init(page)
          return page
        },
        *page_free(page) {
          yield* step('file', s => free.push(s, page))
          if (how.file_twice) yield* step('file again', s => free.push(s, page))
          if (how.touch_late) yield* touch_freed_page(page, 'zone_device_data')
        },
        clear: how.clears ? free.clear : () => undefined,
        evicts: how.evicts,
      })
    },
  })
}

async function verdictOf(of: Driver, threads?: Record<string, number>): Promise<string> {
  const { verdict } = await verify({
    driver: of,
    protocol: of.protocols.includes('G') ? G : F,
    pages: 1,
    vas: 1,
    ...(threads ? { threads } : {}),
  })
  return verdict.property ?? verdict.verdict
}

describe('filing', () => {
  test.each([
    ['file, put', 'holds'],
    ['put, file', 'pagemap-gone'],
    ['put, call', 'pagemap-gone'],
  ] as const)('a pool whose page_free() does %s: %s', async (order, expected) => {
    expect(await verdictOf(pool(order))).toBe(expected)
  })

  test('twice', async () => expect(await verdictOf(list({ file_twice: true }))).toBe('free-twice'))
  test('and a look at the page after it', async () => {
    const users = { migrate: 2, exit: 1 }
    expect(await verdictOf(list({}), users)).toBe('holds')
    expect(await verdictOf(list({ touch_late: true }), users)).toBe('touch-after-free')
  })
})

describe('allocation', () => {
  test('without zone_device_page_init()', async () => expect(await verdictOf(list({ init: false }))).toBe('warn'))
  test('as it should be', async () => expect(await verdictOf(list({}))).toBe('holds'))
})

/** `list` with a thread that evicts its pages while they are in use, as a driver short of memory does. */
function evicting(evict: (page: Page) => Steps<unknown>): Driver {
  const base = list({})
  return driver({
    ...base,
    name: 'evicting',
    setup(kernel: Kernel) {
      const parts = base.setup(kernel)
      function* evict_all(): Steps<void> {
        for (const page of kernel.pgmap.pages) yield* evict(page)
      }
      return { ...parts, roles: { ...parts.roles, evict: { body: evict_all, times: 1, finishes: true } } }
    },
  })
}

describe('eviction', () => {
  const first = async (of: Driver, threads: Record<string, number>) => {
    const { verdict } = await verify({ driver: of, protocol: G, pages: 1, vas: 1, threads })
    return `${verdict.verdict} ${verdict.property ?? ''} ${verdict.message ?? ''}`.trim()
  }
  const users = { fault: 1, migrate: 1, evict: 1 }
  function* unlocked(page: Page): Steps<void> {
    if (yield* get_page_unless_zero(page)) yield* migrate_device_page(page, undefined)
  }

  test('without the page lock', async () =>
    expect(await first(evicting(unlocked), users)).toMatch(/^violated warn VM_BUG_ON_FOLIO: .* is not locked$/))
  test('as it should be', async () => expect(await first(evicting(migrate_device_pfn), users)).toBe('holds'))
  test('that is left out: removal waits for a mapping that stays', async () => {
    const threads = { migrate: 1, unbind: 1 }
    expect(await first(list({}), threads)).toBe('holds')
    expect(await first(list({ evicts: false }), threads)).toBe(
      'violated deadlock stuck: unbind in wait_for_drain: wait_for_completion',
    )
  })
})

/** Private memory in a bitmap: a free page is looked for and taken under one lock, or not. */
function bitmap(locked: boolean): Driver {
  return driver({
    name: 'bitmap',
    type: 'PRIVATE',
    protocols: ['G'],
    setup(kernel: Kernel) {
      const { pages } = kernel.pgmap
      const used = cells(kernel.page_sort, 'used', { max: 1 })
      kernel.cells.push(...used)
      const find = (s: Shared) => pages.find(p => s.get(used[p.index]!) === 0)
      const take = (s: Shared, page: Page) => {
        s.set(used[page.index]!, 1)
        hand_out(s, page)
        return page
      }
      return device_private(kernel, {
        *alloc_page() {
          const page = yield* step('find_first_zero_bit', s => {
            const page = find(s)
            return page && locked ? take(s, page) : page
          })
          if (!page) return undefined
          if (!locked) yield* step('set_bit', s => take(s, page))
          yield* zone_device_page_init(page)
          return page
        },
        *page_free(page) {
          yield* step('clear_bit', s => {
            file_free(s, page)
            s.set(used[page.index]!, 0)
          })
        },
        clear: s => {
          for (const bit of used) s.set(bit, 1)
        },
        evicts: true,
      })
    },
  })
}

describe('locking', () => {
  const first = async (of: Driver) => {
    const { verdict } = await verify({ driver: of, protocol: G, pages: 2, vas: 2 }, { properties: ['free-twice'] })
    return [verdict.verdict, verdict.bounds]
  }
  // One thread alone takes no page from under another: a check that names no threads looks at two.
  test('a free page is taken by another step than the one that found it', async () =>
    expect(await first(bitmap(false))).toEqual([
      'violated',
      '2 pages, 2 addresses, 4 threads (migrate:2, exit, unbind)',
    ]))
  test('by the same', async () => {
    const [verdict, bounds] = await first(bitmap(true))
    expect(verdict).toBe('holds')
    expect(bounds).toMatch(
      /^2 pages, 2 addresses, 4 threads \(fault, .*\), and then 4 threads \(migrate:2, exit, unbind\)$/,
    )
  })
})

/** A driver with a worker that takes a page, and looks at what it got to, by itself; `how` says what it does right. */
function worker(how: { stops?: boolean; after_init?: boolean; undo?: 'put' | 'file' }): Driver {
  return driver({
    name: 'worker',
    type: 'PRIVATE',
    protocols: ['G'],
    setup(kernel: Kernel) {
      const free = page_list(kernel)
      const gone = cell('gone', { max: 1 })
      const active = cell('active', { max: 1 })
      kernel.cells.push(gone, active)
      function* alloc_page(): Steps<Page | undefined> {
        const page = yield* step('alloc', s => free.pop(s))
        if (!page) return undefined
        if (how.after_init === false) yield* touch_count(page)
        yield* zone_device_page_init(page)
        if (how.after_init) yield* touch_count(page)
        return page
      }
      /** What whoever is told of a new page expects of it. */
      function* touch_count(page: Page): Steps<void> {
        yield* step('publish', s => s.warn(s.get(page._refcount) === 0, 'published-with-count', 'no count yet'))
      }
      function* prefetch(): Steps<void> {
        const enters = yield* step('enter', s => {
          if (how.stops && s.get(gone) === 1) return false
          s.set(active, 1)
          return true
        })
        if (!enters) return
        const page = yield* alloc_page()
        if (page && how.undo === 'file') yield* step('undo', s => free.push(s, page))
        else if (page) {
          yield* unlock_page(page)
          yield* put_page(page)
        }
        yield* step('leave', s => s.set(active, 0))
      }
      return device_private(kernel, {
        alloc_page,
        *page_free(page) {
          yield* step('file', s => free.push(s, page))
        },
        clear: s => {
          if (how.stops) s.wait(s.get(active) === 0)
          s.set(gone, 1)
        },
        evicts: true,
        threads: { worker: { body: prefetch, times: 2 } },
      })
    },
  })
}

describe('workers of a driver', () => {
  const threads = { migrate: 1, exit: 1, unbind: 1, worker: 1 }
  test.each([
    ['goes on while the device goes', {}, 'alloc-after-kill'],
    ['is stopped first', { stops: true }, 'holds'],
    ['files a page that it has made one with a count', { stops: true, undo: 'file' }, 'count-mismatch'],
    ['puts it', { stops: true, undo: 'put' }, 'holds'],
    ['tells of a page before it has a count', { stops: true, after_init: false }, 'published-with-count'],
    ['tells of it after', { stops: true, after_init: true }, 'holds'],
  ] as const)('one that %s: %s', async (_, how, expected) => {
    const kept = expected === 'holds' || expected === 'published-with-count' ? undefined : [expected]
    const { verdict } = await verify(
      { driver: worker(how), protocol: G, pages: 1, vas: 1, threads },
      kept ? { properties: kept } : {},
    )
    expect(verdict.property ?? verdict.verdict).toBe(expected)
  })
})

test('a page that is handed out while it is in use', async () => {
  const twice = driver({
    ...list({}),
    name: 'twice',
    setup(kernel: Kernel) {
      return device_private(kernel, {
        *alloc_page() {
          const page = yield* step('alloc', s => {
            hand_out(s, kernel.pgmap.pages[0]!)
            return kernel.pgmap.pages[0]!
          })
          yield* zone_device_page_init(page)
          return page
        },
        *page_free() {
          yield* step('file', s => s.set(kernel.pgmap.pages[0]!.life, 0))
        },
        clear: () => undefined,
        evicts: true,
      })
    },
  })
  expect(await verdictOf(twice, { migrate: 2 })).toBe('free-twice')
})

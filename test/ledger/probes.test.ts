// SPDX-License-Identifier: GPL-2.0-or-later
// What probes show: each kind broken and well-behaved, and nobody accused whatever the stamps, gaps and missing probes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ACCUSATIONS, type Account, account, type Finding } from '../../src/ledger/index.ts'
import { type Frame, isProbe, type LostEvents, Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import { type Counting, FIRST_PFN, type ProbeHistoryOptions, probeHistory } from './probe-history.ts'

const US = 1000
const MS = 1_000_000
const say = ({ kind, certainty, pfn, culprit, evidence }: Finding) =>
  `${kind} ${certainty} 0x${pfn.toString(16)} ${culprit?.frame?.name} ${culprit?.pid}: ${evidence.join('; ')}`
const judged = (rows: readonly Row[], lost: readonly LostEvents[] = [], batch = Number.POSITIVE_INFINITY) =>
  account(fakeRecording(rows, lost, { batch }))
const accusations = ({ findings }: Account) => findings.filter(({ kind }) => ACCUSATIONS.has(kind))

// --- histories without a fault ------------------------------------------------------------------------------------------

const options = fc.record({
  seed: fc.integer(),
  counting: fc.constantFrom<Counting>('set', 'get', 'reset'),
  tasks: fc.integer({ min: 1, max: 5 }),
  cpus: fc.integer({ min: 1, max: 4 }),
  pages: fc.integer({ min: 1, max: 6 }),
  steps: fc.integer({ min: 5, max: 60 }),
  stacks: fc.boolean(),
  lag: fc.constantFrom(300, 5 * US, 50 * US, 5 * MS),
  skew: fc.constantFrom(0, 5 * US, 20 * US),
  teardown: fc.boolean(),
})

/** What is found by probes. */
const PROBED = /^(touch-after-free|free-twice|pagemap-gone|alloc-after-kill|fault-retries|.* had given the page back )/

/** Whether counts are judged, too: what skewed clocks, or tasks that share a CPU, make of them is not tried here. */
const isPlain = ({ skew, tasks, cpus, stacks }: ProbeHistoryOptions) => skew === 0 && tasks <= cpus && stacks

/** @param all by counts, too */
function innocent(found: Account, all: boolean, but = /^$/): void {
  const said = accusations(found).map(say)
  expect(said.filter(each => (all || PROBED.test(each)) && !but.test(each))).toEqual([])
}

describe('nobody is accused where nothing went wrong', () => {
  it('however late the stamps', async () => {
    let lives = 0
    await fc.assert(
      fc.asyncProperty(options, async each => {
        const { rows, lives: handedOut } = probeHistory(each)
        lives += handedOut
        const found = await judged(rows)
        innocent(found, isPlain(each))
        if (isPlain(each) && each.counting !== 'reset') expect(found.findings.map(say)).toEqual([])
        expect(found.notes.filter(note => note.includes('lastput_alloc:'))).toEqual([])
        expect([found.events, found.probes]).toEqual([
          rows.filter(row => !isProbe(row.op)).length,
          rows.filter(row => isProbe(row.op)).length,
        ])
      }),
      { numRuns: 300 },
    )
    expect(lives).toBeGreaterThan(3000)
  })

  it('where events were lost', async () => {
    await fc.assert(
      fc.asyncProperty(options, fc.nat(), fc.nat({ max: 40 }), async (each, at, length) => {
        const { rows } = probeHistory(each)
        const cpu = rows[at % rows.length]!.cpu
        const own = rows.filter(row => row.cpu === cpu)
        const first = own.indexOf(rows[at % rows.length]!)
        const lost = new Set(own.slice(first, first + length))
        const gap = {
          cpu,
          from: own[first - 1]?.time ?? -Infinity,
          to: own[first + length]?.time ?? Infinity,
          count: lost.size,
        }
        innocent(
          await judged(
            rows.filter(row => !lost.has(row)),
            lost.size > 0 ? [gap] : [],
          ),
          false,
        )
      }),
      { numRuns: 300 },
    )
  })

  it('where probes are missing', async () => {
    const missing = fc.constantFrom(Op.PAGE_ALLOC, Op.PAGE_FREE, Op.PAGE_USE, Op.MEMUNMAP, Op.MEMUNMAP_END)
    await fc.assert(
      fc.asyncProperty(options, fc.array(missing, { minLength: 1 }), async (each, without) => {
        const { rows } = probeHistory(each)
        innocent(await judged(rows.filter(({ op }) => !(without as readonly number[]).includes(op))), isPlain(each))
      }),
      { numRuns: 300 },
    )
  })

  it('where the probes begin late, or one of two functions that hand out pages has none', async () => {
    const drop = fc.oneof(fc.constant('zd_alloc'), fc.constant('zd_migrate'), fc.integer({ min: 1, max: 20 }))
    await fc.assert(
      fc.asyncProperty(options, drop, async (each, what) => {
        const { rows } = probeHistory({ ...each, steps: 60 })
        const isBy = ({ op, stack }: Row) => op === Op.PAGE_ALLOC && stack?.some(({ name }) => name === what) === true
        const begin = typeof what === 'number' ? rows[Math.floor((rows.length * what) / 21)]!.time : 0
        const kept = rows.filter(row => !isBy(row) && (!isProbe(row.op) || row.time >= begin))
        // A single hand-out by a function of its own is what a get on a free page looks like.
        const few = rows.filter(isBy).length === 1
        innocent(await judged(kept), isPlain(each), few ? /^get-on-free-page/ : undefined)
      }),
      { numRuns: 300 },
    )
  })

  it('and batches of any size say the same', async () => {
    await fc.assert(
      fc.asyncProperty(options, fc.integer({ min: 1, max: 200 }), async (each, batch) => {
        const { rows } = probeHistory(each)
        const [whole, parts] = [await judged(rows), await judged(rows, [], batch)]
        expect(parts.findings.map(say)).toEqual(whole.findings.map(say))
        expect(parts.notes).toEqual(whole.notes)
      }),
      { numRuns: 50 },
    )
  })
})

// --- one fault each -----------------------------------------------------------------------------------------------------

const frames = (...names: string[]): Frame[] =>
  names.map(name => ({ address: 0n, name, offset: undefined, module: undefined }))

/** A recording in which eight lives went well, and then something happens to a page. */
class Story {
  readonly rows: Row[]
  now: number

  constructor(counting: Counting = 'set', change: (rows: Row[]) => Row[] = rows => rows) {
    const base: ProbeHistoryOptions = {
      seed: 7,
      counting,
      tasks: 2,
      cpus: 2,
      pages: 3,
      steps: 40,
      stacks: true,
      lag: 500,
      skew: 0,
      teardown: false,
    }
    const { rows } = probeHistory(base)
    this.rows = change(rows.filter(({ op }) => op !== Op.REPORT))
    this.now = this.rows.at(-1)!.time
  }

  add(op: Op, pid: number, names: string[], more: Partial<Row> = {}, later = 100 * MS): this {
    this.now += later
    const row = {
      time: this.now,
      cpu: pid % 2,
      op,
      pid,
      pfn: FIRST_PFN,
      val: 0,
      ret: 0,
      count: 0,
      stack: frames(...names, 'kthread'),
    }
    this.rows.push({ ...row, ...more })
    return this
  }

  /** A life of the page, up to its last put. */
  alloc(pid: number, by = 'zd_alloc'): this {
    this.add(Op.PAGE_ALLOC, pid, ['zone_device_page_init', by])
    return this.add(Op.SET, pid, ['zone_device_page_init', by], { val: 1, count: 1 }, 10 * US)
  }
  put(pid: number, later = 100 * MS): this {
    return this.add(Op.MOD_AND_TEST, pid, ['zd_put'], { val: -1, ret: 1 }, later)
  }
  free(pid: number, later = 10 * US): this {
    return this.add(Op.PAGE_FREE, pid, ['zd_page_free', 'free_zone_device_page', 'zd_put'], {}, later)
  }
  use(pid: number, names = ['zd_dma'], later = 100 * MS): this {
    return this.add(Op.PAGE_USE, pid, names, {}, later)
  }
  goOn(time = 1000 * MS): this {
    return this.add(Op.REPORT, 900, [], { val: 9, pfn: 0 }, time)
  }
  async found(lost: LostEvents[] = []): Promise<string[]> {
    const { findings } = await judged(this.rows, lost)
    return findings.map(
      ({ kind, certainty, pfn, culprit }) => `${kind} ${certainty} ${pfn - FIRST_PFN} ${culprit?.frame?.name}`,
    )
  }
}

describe('touch-after-free', () => {
  it('a page is used while it is free', async () => {
    const story = () => new Story().alloc(301).use(301).put(301).free(301)
    expect(await story().use(302).alloc(301).put(301).free(301).found()).toEqual(['touch-after-free certain 0 zd_dma'])
    expect(await story().alloc(301).use(302).put(301).free(301).found()).toEqual([])
  })

  it('stamps of two CPUs within the slack of their clocks say nothing', async () => {
    const story = () => new Story().alloc(301).put(301)
    expect(
      await story()
        .free(301)
        .use(302, ['zd_dma'], 15 * US)
        .found(),
    ).toEqual([])
    expect(
      await story()
        .free(301)
        .use(302, ['zd_dma'], 25 * US)
        .found(),
    ).toEqual(['touch-after-free certain 0 zd_dma'])
    const early = story().free(301).use(302)
    expect(await early.add(Op.PAGE_ALLOC, 301, ['zd_alloc'], {}, 15 * US).found()).toEqual([])
  })

  it('a gap may hide the hand-out', async () => {
    const story = new Story().alloc(301).put(301).free(301)
    const gap = { cpu: 1, from: story.now + MS, to: story.now + 2 * MS, count: 3 }
    expect(await story.use(302).found([gap])).toEqual([])
  })

  it('the callback itself may look at the page', async () => {
    const story = () => new Story().alloc(301).put(301).free(301)
    expect(await story().use(301, ['zd_list_add', 'zd_page_free', 'free_zone_device_page', 'zd_put']).found()).toEqual(
      [],
    )
    expect(await story().use(301, ['free_zone_device_page', 'zd_put']).found()).toEqual([
      'touch-after-free certain 0 zd_put',
    ])
  })

  it('the free path touches a page that another was handed meanwhile', async () => {
    const story = () => new Story().alloc(301).put(301).free(301).alloc(302)
    expect(await story().use(301, ['free_zone_device_page', 'zd_put']).put(302).free(302).found()).toEqual([
      'touch-after-free likely 0 zd_put',
    ])
    // By a new call the task may use it for its new owner.
    expect(await story().use(301, ['zd_dma', 'zd_put']).put(302).free(302).found()).toEqual([])
  })

  it('the core sets the count of a page that another was handed meanwhile', async () => {
    const story = (later: number) =>
      new Story('reset')
        .add(Op.PAGE_ALLOC, 301, ['zone_device_page_init', 'zd_alloc'])
        .put(301)
        .free(301)
        .add(Op.PAGE_ALLOC, 302, ['zone_device_page_init', 'zd_alloc'])
        .add(Op.MOD, 302, ['zd_insert'], { val: 1, count: 1 }, 10 * US)
        .add(Op.SET, 301, ['free_zone_device_page', 'zd_put'], { val: 1, count: 1 }, later)
    const culprit = 'touch-after-free certain 0 zd_put'
    expect(await story(100 * MS).found()).toEqual([culprit])
    // Stamped soon after: that the new owner found 0 tells the order.
    expect(await story(10 * US).found()).toEqual([culprit.replace('certain', 'likely')])
  })

  it('the core sets the count before page_free(), as the patch of 2020 did', async () => {
    const end = (each: Story, pid: number) =>
      each
        .put(pid)
        .add(Op.SET, pid, ['put_page', 'zd_put'], { val: 1, count: 1 }, 10 * US)
        .free(pid)
    const taken = end(new Story('reset').add(Op.PAGE_ALLOC, 302, ['zd_alloc']), 301)
    const again = end(taken.add(Op.PAGE_ALLOC, 302, ['zd_alloc']), 301)
    expect(await again.found()).toEqual([])
  })
})

describe('get-on-free-page', () => {
  const story = () =>
    new Story('reset').add(Op.PAGE_ALLOC, 301, ['zone_device_page_init', 'zd_alloc']).put(301).free(301)
  const reset = (each: Story) =>
    each.add(Op.SET, 301, ['free_zone_device_page', 'zd_put'], { val: 1, count: 1 }, 10 * US)
  const stray = (each: Story, pid: number) => each.add(Op.MOD, pid, ['zd_stray'], { val: 1, count: 2 })
  const back = (each: Story, pid: number) => each.add(Op.MOD_AND_TEST, pid, ['zd_stray'], { val: -1, count: 1 })

  it('where a free page counts 1 only probes tell', async () => {
    expect(await back(stray(reset(story()), 302), 302).found()).toEqual(['get-on-free-page likely 0 zd_stray'])
    const handedOut = reset(story()).add(Op.PAGE_ALLOC, 301, ['zone_device_page_init', 'zd_alloc'])
    expect(await back(stray(handedOut, 302), 302).put(301).free(301).found()).toEqual([])
  })

  it('says nothing without probes of hand-outs', async () => {
    const each = back(stray(reset(story()), 302), 302)
    const rows = each.rows.filter(({ op }) => op !== Op.PAGE_ALLOC)
    expect((await judged(rows)).findings.filter(({ kind }) => ACCUSATIONS.has(kind)).map(say)).toEqual([])
  })
})

describe('free-twice', () => {
  it('a page is given back again', async () => {
    const story = () => new Story().alloc(301).put(301).free(301)
    expect(
      await story()
        .free(302, 100 * MS)
        .found(),
    ).toEqual(['free-twice certain 0 zd_put'])
    expect(await story().alloc(302).put(302).free(302).found()).toEqual([])
  })

  it('is told without probes of hand-outs where these show in the count', async () => {
    const rows = new Story()
      .alloc(301)
      .put(301)
      .free(301)
      .free(302, 100 * MS).rows
    const found = await judged(rows.filter(({ op }) => op !== Op.PAGE_ALLOC))
    expect(found.findings.map(say)).toEqual([expect.stringMatching(/^free-twice likely/)])
  })

  it('pages of a folio that was split are given back one by one', async () => {
    const tail = { pfn: FIRST_PFN + 1 }
    const story = new Story().alloc(301).add(Op.FREEZE, 301, ['split'], { val: 1, ret: 1 })
    story
      .add(Op.UNFREEZE, 301, ['split'], { val: 1, count: 1 })
      .add(Op.UNFREEZE, 301, ['split'], { val: 1, count: 1, ...tail })
    story
      .put(301)
      .free(301)
      .add(Op.MOD_AND_TEST, 301, ['zd_put'], { val: -1, ret: 1, ...tail })
    expect(await story.add(Op.PAGE_FREE, 301, ['zd_page_free'], tail).found()).toEqual([])
  })
})

describe('freed-in-use', () => {
  /** The last put of a page reads that many mappings, -1 for none. */
  const put = (mapcount: number) =>
    new Story().alloc(301).add(Op.MOD_AND_TEST, 301, ['zd_put'], { val: -1, ret: 1, mapcount }).free(301)

  it('a page is given back while a page table maps it', async () => {
    expect(await put(0).found()).toEqual(['freed-in-use certain 0 zd_put'])
    expect(await put(-1).found()).toEqual([])
  })

  it('not where another put came last, or it is not known which did', async () => {
    const other = new Story().alloc(301).add(Op.MOD, 301, ['zd_get'], { val: 1, count: 2 })
    other.add(Op.MOD_AND_TEST, 302, ['zd_put'], { val: -1, ret: 1, mapcount: 0 })
    expect((await other.free(301).found()).filter(each => each.startsWith('freed-in-use'))).toEqual([])
  })

  it('a task frees the page of its next owner', async () => {
    const story = new Story().alloc(301).put(301).add(Op.PAGE_ALLOC, 302, ['zone_device_page_init', 'zd_alloc'])
    const get = story.add(Op.MOD, 302, ['zd_insert'], { val: 1, count: 1 })
    expect(await get.free(301, 100 * MS).found()).toEqual(['freed-in-use likely 0 zd_put'])
  })
})

describe('memunmap_pages()', () => {
  const enter = (each: Story, later = 100 * MS) =>
    each.add(Op.MEMUNMAP, 303, ['memunmap_pages', 'zd_remove'], { val: 3 }, later)
  const leave = (each: Story) => each.add(Op.MEMUNMAP_END, 303, ['zd_remove'], { pfn: 0 })

  it('returns while a page is in use', async () => {
    const story = () => leave(enter(new Story().alloc(301)))
    expect(await story().goOn().found()).toEqual(['pagemap-gone certain 0 zd_alloc'])
    expect(await story().put(301).found()).toEqual(['pagemap-gone certain 0 zd_alloc'])
    expect(
      await leave(enter(new Story().alloc(301).put(301).free(301)))
        .goOn()
        .found(),
    ).toEqual([])
  })

  it('is not blamed for a stamp that lags, nor where the recording ends', async () => {
    const story = () => leave(enter(new Story().alloc(301)))
    expect(
      await story()
        .put(301, 10 * US)
        .free(301)
        .goOn()
        .found(),
    ).not.toContain('pagemap-gone certain 0 zd_alloc')
    expect((await story().found()).filter(each => each.startsWith('pagemap-gone'))).toEqual([])
  })

  it('somebody comes after it has returned', async () => {
    const story = () => leave(enter(new Story().alloc(301).put(301).free(301)))
    expect(await story().use(302).goOn().found()).toContain('touch-after-free certain 0 zd_dma')
    const late = await story().add(Op.MOD, 302, ['zd_stray'], { val: 1, count: 1 }).goOn().found()
    expect(late.filter(each => each.startsWith('pagemap-gone') || each.startsWith('get-on-free-page'))).not.toEqual([])
  })

  it('may return before a call gives back what it took from a pool that is going away', async () => {
    const taken = () => enter(new Story('reset').add(Op.PAGE_ALLOC, 301, ['gen_pool_alloc_owner', 'pci_alloc_p2pmem']))
    const returned = async (by: string) => {
      const found = await leave(taken()).add(Op.PAGE_FREE, 301, ['gen_pool_free', by]).goOn().found()
      return found.filter(each => each.startsWith('pagemap-gone'))
    }
    expect(await returned('pci_alloc_p2pmem')).toEqual([])
    expect(await returned('pci_free_p2pmem')).toEqual(['pagemap-gone likely 0 pci_free_p2pmem'])
  })

  it('a page is handed out after it was entered', async () => {
    expect(await enter(new Story()).alloc(301).put(301).free(301).found()).toContain(
      'alloc-after-kill likely 0 zd_alloc',
    )
    const soon = enter(new Story()).add(Op.PAGE_ALLOC, 302, ['zone_device_page_init', 'zd_alloc'], {}, 30 * US)
    expect(await soon.found()).toContain('alloc-after-kill possible 0 zd_alloc')
    const before = new Story().add(Op.PAGE_ALLOC, 302, ['zone_device_page_init', 'zd_alloc'])
    expect((await enter(before, 10 * US).found()).filter(each => each.startsWith('alloc-after-kill'))).toEqual([])
  })

  it('waits, for a page or for the pagemap itself', async () => {
    expect(await enter(new Story().alloc(301)).goOn().found()).toEqual(['teardown-waits certain 0 zd_alloc'])
    expect(await enter(new Story()).goOn().found()).toEqual(['teardown-waits likely 0 undefined'])
    const { findings } = await judged(enter(new Story()).goOn().rows)
    expect(findings[0]!.evidence.join()).toMatch(/percpu_ref/)
    // Its task went on: nobody recorded that it returned.
    expect(
      await enter(new Story()).add(Op.PAGE_ALLOC, 303, ['zone_device_page_init', 'zd_alloc']).goOn().found(),
    ).not.toContain('teardown-waits likely 0 undefined')
  })
})

describe("the kernel's own reports", () => {
  it('are counted by place, with the page that their task was at', async () => {
    const machinery = ['__warn', 'report_bug', 'handle_bug', 'exc_invalid_op', 'asm_exc_invalid_op']
    const story = new Story().alloc(301)
    for (let i = 0; i < 3; i++)
      story.add(Op.REPORT, 301, [...machinery, 'zd_check', 'zd_alloc'], { val: 2, pfn: 0 }, 5 * US)
    const { reports } = await judged(story.rows)
    expect(reports).toHaveLength(1)
    expect(reports[0]).toMatchObject({ detector: 'warning', times: 3, pid: 301, page: FIRST_PFN })
    expect(reports[0]!.frame?.name).toBe('zd_check')
  })

  it('are of no page where the task was at several', async () => {
    const story = new Story().alloc(301).add(Op.SET, 301, ['zd_alloc'], { val: 1, count: 1, pfn: FIRST_PFN + 1 }, US)
    story.add(Op.REPORT, 301, ['__warn', 'zd_check'], { val: 2, pfn: 0 }, US)
    expect((await judged(story.rows)).reports[0]!.page).toBeUndefined()
  })
})

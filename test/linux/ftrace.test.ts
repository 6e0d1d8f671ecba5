// SPDX-License-Identifier: GPL-2.0-or-later
// What the model writes as ftrace text: every event and probe of a run, in the form of a kernel's.
import { describe, expect, test } from 'vitest'
import { type Account, account } from '../../src/ledger/index.ts'
import {
  build,
  call,
  cell,
  device_private,
  driver,
  drivers,
  file_free,
  hand_out,
  type Page,
  page_list,
  protocols,
  type Scenario,
  Simulator,
  type Steps,
  step,
  touch_freed_page,
  verify,
  zone_device_page_init,
} from '../../src/linux/index.ts'
import { replay } from '../../src/report/check.ts'
import { ftraceText } from '../../src/report/ftrace.ts'
import { isProbe } from '../../src/trace/events.ts'
import { BytesSource, OP_NAMES, openRecording } from '../../src/trace/index.ts'

const open = (text: string) => openRecording(new BytesSource('model', new TextEncoder().encode(text)))

async function read(text: string) {
  const recording = await open(text)
  const events: { op: string; pfn: number; count: number }[] = []
  for await (const batch of recording.batches())
    for (let i = 0; i < batch.length; i++)
      if (!isProbe(batch.op[i]!))
        events.push({ op: OP_NAMES[batch.op[i]!]!, pfn: batch.pfn[i]!, count: batch.count[i]! })
  expect(recording.damage).toEqual([])
  return events
}

async function judged(text: string): Promise<Account> {
  return account(await open(text))
}

const driverOf = (name: string) => drivers.find(d => d.name === name)!
const protocolOf = (id: string) => protocols.find(p => p.id === id)!
const scenario = (driver: string, protocol: string, threads?: Record<string, number>): Scenario => ({
  driver: driverOf(driver),
  protocol: protocolOf(protocol),
  ...(threads ? { threads } : {}),
})

/** The page of each event of a text, without time and stacks; pfns as page numbers. */
function shape(text: string): string[] {
  return text
    .split('\n')
    .flatMap(l => /: ((lastput|page_ref|error|tracing)_.*)$/.exec(l)?.[1] ?? [])
    .map(l => l.replace(/pfn=0x10000/, '').replace(/ flags=.*| \[warning\].*/, ''))
}

function told(simulator: Simulator): string[] {
  return shape(ftraceText(simulator.built, simulator.steps)).filter(l => !/^(page_ref_set: 0|tracing)/.test(l))
}

test('every event of a run is read back', async () => {
  const built = build(scenario('test_hmm', 'G'))
  const simulator = new Simulator(built)
  simulator.run(3, 300)
  const made = simulator.steps.flatMap(s => s.events)
  const found = await read(ftraceText(built, simulator.steps))
  const initial = 2 * built.kernel.pgmap.pages.length
  expect(found).toHaveLength(initial + made.length)
  expect(found.slice(initial).map(e => [e.op, e.pfn, e.count])).toEqual(made.map(e => [e.event, e.pfn, e.count]))
})

test('the header counts what the buffer holds', () => {
  const simulator = new Simulator(build(scenario('test_hmm', 'G')))
  simulator.run(3, 300)
  const text = ftraceText(simulator.built, simulator.steps)
  const entries = text.split('\n').filter(l => /^ +\S+-\d+ +\[/.test(l)).length
  expect(text).toContain(`entries-written: ${entries}/${entries} `)
})

describe('probes', () => {
  const one = { pages: 1, vas: 1 }

  test('a life under G, and the removal', () => {
    const simulator = new Simulator(build({ ...scenario('test_hmm', 'G'), ...one }))
    for (const thread of ['migrate', 'exit', 'unbind']) simulator.finish(thread)
    expect(told(simulator)).toEqual([
      'lastput_alloc: (dmirror_devmem_alloc_page) 0',
      'page_ref_mod: 0',
      'page_ref_mod_and_test: 0',
      'page_ref_mod_and_test: 0',
      'lastput_free: (dmirror_devmem_free) 0',
      'page_ref_mod_unless: 0',
      'lastput_memunmap: (memunmap_pages) start=0x100000000 end=0x100000fff',
      'lastput_memunmap_end: (remove <- memunmap_pages)',
    ])
  })

  test('page_free() is told where it is entered, though it files the page later', () => {
    const simulator = new Simulator(build({ ...scenario('test_hmm', "C'"), ...one }))
    simulator.finish('migrate')
    simulator.finish('exit')
    const text = ftraceText(simulator.built, simulator.steps)
    expect(shape(text).slice(-4, -1)).toEqual([
      'page_ref_mod_and_test: 0',
      'lastput_free: (dmirror_devmem_free) 0',
      'page_ref_set: 0',
    ])
    const stack = text.slice(text.indexOf('lastput_free')).split('\n').slice(2)
    expect(stack[0]).toBe(' => dmirror_devmem_free')
  })

  test('who files pages without page_free() is told where it files them', () => {
    const simulator = new Simulator(build({ ...scenario('fsdax', 'E', { fault: 1, truncate: 1 }), ...one }))
    simulator.finish('fault')
    simulator.finish('truncate')
    expect(told(simulator)).toEqual(['lastput_alloc: (dax_iomap_pte_fault) 0', 'lastput_free: (free_block) 0'])
  })

  test('a driver written anywhere has them by itself', () => {
    const mine = driver({
      name: 'mine',
      type: 'PRIVATE',
      protocols: ['G'],
      setup(kernel) {
        const free_pages = page_list(kernel)
        const busy = cell('busy', { max: 1 })
        kernel.cells.push(busy)
        function* my_alloc(): Steps<Page | undefined> {
          const page = yield* step('my_alloc', s => free_pages.pop(s))
          if (page) yield* zone_device_page_init(page)
          return page
        }
        function* my_free(page: Page): Steps<void> {
          yield* step('forget', s => s.set(busy, 0))
          yield* step('my_free', s => free_pages.push(s, page))
          yield* touch_freed_page(page, 'too late')
        }
        return device_private(kernel, {
          alloc_page: my_alloc,
          page_free: my_free,
          clear: free_pages.clear,
          evicts: false,
        })
      },
    })
    const simulator = new Simulator(build({ driver: mine, protocol: protocolOf('G'), ...one }))
    simulator.finish('migrate')
    simulator.finish('exit')
    expect(told(simulator).filter(l => l.startsWith('lastput'))).toEqual([
      'lastput_alloc: (my_alloc) 0',
      'lastput_free: (my_free) 0',
      'lastput_use: (my_free) 0',
    ])
  })

  test('a page_free() that calls another function first is told where that files the page, once', () => {
    const calls = driver({
      name: 'calls',
      type: 'PRIVATE',
      protocols: ['G'],
      setup(kernel) {
        const free_pages = page_list(kernel)
        function* my_alloc(): Steps<Page | undefined> {
          const page = yield* step('my_alloc', s => free_pages.pop(s))
          if (page) yield* zone_device_page_init(page)
          return page
        }
        function* my_file(page: Page): Steps<void> {
          yield* step('my_file', s => free_pages.push(s, page))
        }
        function* my_free(page: Page): Steps<void> {
          yield* call(my_file, page)
          yield* step('done', s => void s.get(page.life))
        }
        return device_private(kernel, {
          alloc_page: my_alloc,
          page_free: my_free,
          clear: free_pages.clear,
          evicts: false,
        })
      },
    })
    const simulator = new Simulator(build({ driver: calls, protocol: protocolOf('G'), ...one }))
    simulator.finish('migrate')
    simulator.finish('exit')
    expect(told(simulator).filter(l => l.startsWith('lastput_free'))).toEqual(['lastput_free: (my_file) 0'])
  })

  test('a page freed or handed out twice is told twice, though the execution ends there', () => {
    const twice = driver({
      name: 'twice',
      type: 'PRIVATE',
      protocols: ['G'],
      setup({ pgmap }) {
        const page = pgmap.pages[0]!
        const again = (what: typeof hand_out) => ({ body: () => step('twice', s => what(s, page)), times: 2 })
        return { ops: {}, roles: { out: again(hand_out), in: again(file_free) }, threads: {} }
      },
    })
    const run = (role: string) => {
      const simulator = new Simulator(
        build({ driver: twice, protocol: protocolOf('G'), ...one, threads: { [role]: 1 } }),
      )
      simulator.finish(role)
      simulator.finish(role)
      return [told(simulator).map(l => l.split(':')[0]), simulator.violations.some(v => v.property === 'free-twice')]
    }
    expect(run('out')).toEqual([['lastput_alloc', 'lastput_alloc'], true])
    expect(run('in')).toEqual([['lastput_free'], true])
  })

  test('they are told of steps that are right as of those that are not', () => {
    const simulator = new Simulator(build({ ...scenario('device_dax', 'G', { fault: 1, gup: 1 }), ...one }))
    simulator.finish('fault')
    simulator.finish('gup')
    expect(simulator.violations).toEqual([])
    expect(told(simulator)).toContain('lastput_use: (pin_user_page) 0')
  })

  test('a warning of the kernel is its own event, and two places that warn have two addresses', async () => {
    const found = await verify({ ...scenario('nouveau_dmem', 'G'), ...one }, { properties: ['warn'] })
    const text = ftraceText(found.built, replay(found))
    expect(shape(text).at(-2)).toBe('error_report_end:')
    expect(text).toMatch(/: error_report_end: \[warning\] ffffffff81[0-9a-f]{6}\n.*\n => remove\n/)
  })
})

describe('an endless execution', () => {
  test('goes round many times', async () => {
    const found = await verify(scenario('test_hmm', 'G', { fault: 1, migrate: 1, leak: 1 }), {
      properties: ['finishes'],
    })
    const { loop, counterexample } = found.verdict
    expect(loop).toBeGreaterThan(0)
    const steps = replay(found)
    const text = ftraceText(found.built, steps, { loop })
    const round = steps.slice(loop! - 1).flatMap(s => s.trace).length
    const before = steps.slice(0, loop! - 1).flatMap(s => s.trace).length
    const initial = 2 * found.built.kernel.pgmap.pages.length
    expect(counterexample!.length).toBe(steps.length)
    expect(shape(text)).toHaveLength(initial + before + 200 * round + 1)
    const times = text
      .split('\n')
      .flatMap(l => /\] \.{5} +([\d.]+): /.exec(l)?.[1] ?? [])
      .map(Number)
    expect(times.every((t, i) => i === 0 || t >= times[i - 1]!)).toBe(true)
    expect((await read(text)).length).toBeGreaterThan(200)
  })

  test('that makes no event, or stands still, is a recording that goes on', async () => {
    const found = await verify(scenario('test_hmm', 'G', { migrate: 1, leak: 1, exit: 1, unbind: 1 }), {
      properties: ['finishes'],
    })
    const text = ftraceText(found.built, replay(found), { loop: found.verdict.loop })
    expect(shape(text).at(-1)).toBe('tracing_mark_write: end of the recording')
    const [before, end] = text
      .split('\n')
      .flatMap(l => /\] \.{5} +([\d.]+): /.exec(l)?.[1] ?? [])
      .map(Number)
      .slice(-2)
    expect(end! - before!).toBeGreaterThan(120)
    expect(text).toContain('lastput_memunmap:')
    expect(text).not.toContain('lastput_memunmap_end:')
  })
})

describe('the ledger condemns a counterexample for the same reason', () => {
  test('a reference that nobody gave back', async () => {
    const found = await verify(scenario('test_hmm', 'G', { migrate: 1, leak: 1, exit: 1 }), {
      properties: ['count-mismatch'],
    })
    expect(found.verdict.verdict).toBe('violated')
    const { findings } = await judged(ftraceText(found.built, replay(found)))
    const unpaired = findings.flatMap(f => f.history.filter(h => h.delta > 0 && h.partner === undefined))
    expect(unpaired.map(h => h.frame?.name)).toContain('leaky_get')
  })

  test('after lives that went well, by name', async () => {
    const simulator = new Simulator(build(scenario('test_hmm', 'G', { migrate: 3, leak: 1, exit: 1 })))
    for (const thread of ['migrate[0]', 'exit', 'migrate[1]', 'exit', 'migrate[2]', 'leak', 'exit'])
      simulator.finish(thread)
    const { findings } = await judged(ftraceText(simulator.built, simulator.steps))
    expect(findings.map(f => f.culprit?.frame?.name)).toEqual(['leaky_get'])
  })

  test('a put too many', async () => {
    const simulator = new Simulator(build(scenario('test_hmm', 'G', { migrate: 1, exit: 1, 'surplus-put': 1 })))
    simulator.finish('migrate')
    simulator.finish('surplus-put')
    simulator.finish('exit')
    const { findings } = await judged(ftraceText(simulator.built, simulator.steps))
    expect(findings.map(f => f.kind).some(k => k.includes('put'))).toBe(true)
  })

  test('a correct run is not accused', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const simulator = new Simulator(build(scenario('test_hmm', 'G')))
      simulator.run(seed, 400)
      const { findings } = await judged(ftraceText(simulator.built, simulator.steps))
      expect(findings.filter(f => f.kind !== 'held-at-end').map(f => f.kind)).toEqual([])
    }
  })
})

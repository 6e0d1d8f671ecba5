// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What a mutant of the model is tried against: every row of the corpus in both forms, and every driver under every protocol.
 * Bundled with the mutated file in the place of the original.
 */
import { type CheckOptions, survey } from '../../src/checker/index.ts'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, drivers, type ProtocolId, properties, protocols, type Scenario, verify } from '../../src/linux/index.ts'
import { unlock_page } from '../../src/linux/mm/memremap.ts'
import { Simulator } from '../../src/linux/scenario/simulator.ts'

const LIMITS: CheckOptions = { time: 20, memory: 2 ** 30 }

interface Try {
  readonly name: string
  readonly driver: string
  readonly protocol: ProtocolId
  readonly verdict: () => Promise<string>
}

function tries(): Try[] {
  const of = (name: string, scenario: Scenario, properties?: readonly string[]): Try => ({
    name,
    driver: scenario.driver.name,
    protocol: scenario.protocol.id,
    verdict: async () => {
      const { verdict } = await verify(scenario, { ...LIMITS, ...(properties ? { properties } : {}) })
      return `${verdict.verdict} ${verdict.property ?? ''}`.trim()
    },
  })
  const all = (name: string, scenario: Scenario): Try => ({
    ...of(name, scenario),
    verdict: () => everyProperty(scenario),
  })
  const small = drivers.flatMap(driver =>
    protocols.filter(p => driver.protocols.includes(p.id)).map(protocol => ({ driver, protocol, pages: 1, vas: 1 })),
  )
  const name = (s: Scenario) => `${s.driver.name} ${s.protocol.id}`
  // From the cheapest to the dearest: most mutants are caught by the first.
  return [
    ...small.flatMap(s =>
      Object.entries({ alone: build(s).parts.threads, ...build(s).parts.scenarios }).map(([scenario, threads]) => ({
        name: `${name(s)}, ${scenario}, one by one`,
        driver: s.driver.name,
        protocol: s.protocol.id,
        verdict: async () => alone({ ...s, vas: 2, threads }),
      })),
    ),
    ...bugs.map(b => of(`bug ${b.id} broken`, b.broken, b.breaks)),
    ...bugs.map(b => of(`bug ${b.id} fixed`, b.fixed, b.keeps)),
    ...bugs.map(b =>
      of(
        `bug ${b.id} broken, otherwise`,
        b.broken,
        Object.keys(properties).filter(p => !b.breaks.includes(p)),
      ),
    ),
    // Code that only kernels before a fix run, where it does no harm.
    of('one fault that waits with a reference', {
      ...small.find(s => name(s) === 'test_hmm E')!,
      reverts: ['wait_takes_no_reference', 'fault_trylocks'],
    }),
    of('a page that fork shared migrates', {
      ...small.find(s => name(s) === 'test_hmm G')!,
      vas: 2,
      threads: { fault: 1, migrate: 1, fork: 1 },
    }),
    // What one page does not tell: which page an entry means, and who else migrates the same address.
    of('two migrations of one page of system memory', {
      ...small.find(s => name(s) === 'test_hmm G')!,
      pages: 2,
      threads: { fault: 1, migrate: 2 },
    }),
    of('fast GUP while the device goes', {
      ...small.find(s => name(s) === 'p2pdma G')!,
      vas: 2,
      threads: { mmap: 1, gup: 1, exit: 1, unbind: 1 },
      adds: ['p2pdma_error_puts_page'],
    }),
    all('layout breaking that takes count 0 for idle', {
      ...small.find(s => name(s) === 'fsdax E')!,
      adds: ['dax_waits_for_zero'],
    }),
    of('a put after removal', {
      ...small.find(s => name(s) === 'device_dax G')!,
      threads: { fault: 1, exit: 1, unbind: 1 },
    }),
    // One page makes no folio of two.
    ...[
      { fault: 1, truncate: 1, exit: 1 },
      { fault: 1, gup: 1, unbind: 1 },
      { fault: 1, gup: 1, unplug: 1 },
    ].map(threads =>
      all(`a DAX folio of two pages, ${Object.keys(threads)}`, {
        ...small.find(s => name(s) === 'fsdev G')!,
        pages: 2,
        vas: 2,
        threads,
      }),
    ),
    // Who relies on the count with which a page was freed (asked in 2020).
    of('page_free() that finds a poisoned count', {
      ...small.find(s => name(s) === 'test_hmm B')!,
      threads: { fault: 1, migrate: 1, exit: 1 },
      adds: ['page_free_gets_poison'],
    }),
    // A large folio of private memory, which fork shares between two page tables: one page makes none.
    all('a large folio that fork shared', {
      ...small.find(s => name(s) === 'test_hmm_large G')!,
      pages: 2,
      vas: 2,
      threads: { large: 1, fork: 1, exit: 1 },
    }),
    // What no driver of the model does.
    of('an unlock of a page that is not locked', careless(small.find(s => name(s) === 'test_hmm G')!)),
    ...small.map(s => all(name(s), s)),
    ...small
      .filter(s => s.protocol.id === s.driver.protocols.at(-1))
      .flatMap(s =>
        Object.entries(build(s).parts.scenarios ?? {}).map(([scenario, threads]) =>
          all(`${name(s)} ${scenario}`, { ...s, vas: 2, threads }),
        ),
      ),
  ]
}

/** What becomes of each property, and which are broken only after others. */
async function everyProperty(scenario: Scenario): Promise<string> {
  const verdicts = await survey(build(scenario).system, { ...LIMITS, explain: false })
  return [...verdicts]
    .filter(([, v]) => v.verdict !== 'holds')
    .map(([property, v]) => `${property} ${v.verdict}${v.consequence ? ' after others' : ''}`)
    .join()
}

/** The scenario with a driver whose only thread unlocks a page that nobody has locked. */
function careless(scenario: Scenario): Scenario {
  const { driver } = scenario
  const setup: typeof driver.setup = kernel => ({
    ...driver.setup(kernel),
    roles: { unlock: { body: () => unlock_page(kernel.pgmap.pages[0]!), times: 1 } },
  })
  return { ...scenario, driver: { ...driver, setup }, threads: { unlock: 1 } }
}

/** Every thread once, one after the other: what the counts are in the end, and the events on the way. */
function alone(scenario: Scenario): string {
  const built = build(scenario)
  const simulator = new Simulator(built)
  for (const t of built.system.threads) simulator.finish(t.name)
  const events = simulator.events.map(e => `${e.event}:${e.val}:${e.ret ?? ''}:${e.count}:${e.mapcount}:${e.locked}`)
  return `${events.join(' ')} ${simulator.violations.map(v => v.property).join()} ${built.system.cells.map(c => simulator.get(c)).join()}`
}

/** Protocols that the code of a file is part of: some are written as changes to another. */
const BUILT_ON: Readonly<Record<string, readonly ProtocolId[]>> = {
  a: ['A'],
  b: ['B'],
  c: ['C', "C'"],
  c_prime: ["C'"],
  d: ['D', 'E'],
  e: ['E', 'F', 'G'],
  f: ['F', 'G'],
  g: ['G'],
}

/** Drivers by the file that they are written in. */
const WRITTEN_IN: Readonly<Record<string, readonly string[]>> = {
  'lib/test_hmm.ts': ['test_hmm', 'test_hmm_coherent'],
  'lib/test_hmm_large.ts': ['test_hmm_large', 'test_hmm_large_coherent', 'nouveau_dmem_large', 'any_order'],
  'nouveau_dmem_large.ts': ['nouveau_dmem_large'],
  'fs/dax.ts': ['fsdax'],
  'drivers/dax/device.ts': ['device_dax'],
  'drivers/dax/fsdev.ts': ['fsdev'],
  'drivers/pci/p2pdma.ts': ['p2pdma'],
  'nouveau_dmem.ts': ['nouveau_dmem'],
  'kfd_migrate.ts': ['kfd_migrate'],
  'drm_pagemap.ts': ['drm_pagemap'],
  'book3s_hv_uvmem.ts': ['book3s_hv_uvmem'],
}

/** Whether a change to the file can change the verdict at all: what does not run the file is not asked. */
function concerns(file: string, t: Try): boolean {
  const protocol = /protocols\/(\w+)\.ts$/.exec(file)
  if (protocol) return BUILT_ON[protocol[1]!]!.includes(t.protocol)
  const written = Object.entries(WRITTEN_IN).find(([path]) => file.endsWith(path))
  return !written || written[1].includes(t.driver)
}

/**
 * Verdict by name, in order. With `expected`, only of systems that `file` is part of, and no further than the first that
 * differs.
 */
export async function runSuite(
  expected?: Readonly<Record<string, string>>,
  file = '',
): Promise<Record<string, string>> {
  const out: Record<string, string> = {}
  for (const t of tries()) {
    if (expected && !concerns(file, t)) continue
    out[t.name] = await t.verdict().catch(e => `error ${(e as Error).message}`)
    if (expected && expected[t.name] !== out[t.name])
      return { caught: `${t.name}: ${expected[t.name]} became ${out[t.name]}`.slice(0, 300) }
  }
  return out
}

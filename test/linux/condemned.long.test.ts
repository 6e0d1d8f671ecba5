// SPDX-License-Identifier: GPL-2.0-or-later
// Every bug of the corpus, written as ftrace text, is condemned by the ledger for the promise that it breaks, or it is known
// why no recording can show it; and nobody is accused where nothing is broken. docs/counterexamples.md has the same as a table.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ACCUSATIONS, type Account, account, type Finding } from '../../src/ledger/index.ts'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, drivers, protocols, type Scenario, Simulator, type Verified, verify } from '../../src/linux/index.ts'
import { counterexampleFtrace } from '../../src/report/check.ts'
import { condemned, condemnedText } from '../../src/report/condemned.ts'
import { ftraceText } from '../../src/report/ftrace.ts'
import { BytesSource, openRecording } from '../../src/trace/index.ts'

const judged = async (text: string): Promise<Account> =>
  account(await openRecording(new BytesSource('model', new TextEncoder().encode(text))))

const PFN = 0x100000

/** What must be found, in which function, and if not on the first page of the pagemap on which; `warning` is a report of the kernel's own. */
const FOUND: Readonly<
  Record<string, readonly [kind: Finding['kind'] | 'warning', where: string | undefined, page?: number]>
> = {
  1: ['pagemap-gone', 'gup'],
  2: ['warning', 'unbind'],
  3: ['touch-after-free', 'migrate_to_ram'],
  4: ['touch-after-free', 'reset_after_free'],
  5: ['pagemap-gone', 'dmirror_devmem_alloc_page'],
  6: ['fault-retries', 'do_swap_page'],
  7: ['fault-retries', 'do_swap_page_6_1'],
  9: ['touch-after-free', 'zap'],
  10: ['teardown-waits', undefined],
  11: ['get-on-free-page', 'alloc_folio'],
  '11a': ['touch-after-free', 'reset_folio'],
  12: ['teardown-waits', undefined],
  13: ['warning', 'p2pmem_alloc_mmap'],
  14: ['put-on-free-page', 'uvm_va_block_map'],
  15: ['teardown-waits', 'split'],
  18: ['teardown-waits', undefined],
  19: ['fault-retries', 'do_swap_page'],
  20: ['freed-in-use', 'page_free'],
  22: ['leak', 'soft_offline'],
  23: ['touch-after-free', 'gup'],
  26: ['warning', 'unlock_page'],
  28: ['surplus-put', 'probe'],
  'new-1': ['touch-after-free', 'undo_mmap'],
  'new-2': ['touch-after-free', 'reset_after_free'],
  'new-3': ['touch-after-free', 'kvmppc_uvmem_page_free'],
  'new-4': ['pagemap-gone', 'gup'],
  'new-5': ['touch-after-free', 'gup'],
  'new-6': ['warning', 'remove'],
  'new-7': ['fault-retries', 'do_swap_page'],
  'new-9': ['teardown-waits', 'remove_migration_ptes'],
  'new-10': ['teardown-waits', 'migrate_to_device', PFN + 1],
  'new-12': ['put-on-free-page', 'gup', PFN + 1],
}

/** Rows whose mechanism is no event of any kernel, and what it is instead. */
const UNSEEN: Readonly<Record<string, string>> = {
  8: 'a CPU that is not given up, and a folio lock: locks are no events',
  '11b':
    'the tail of a folio that its driver does not file again: the head comes back, and no probe tells of what does not happen',
  16: "the count of a drm_pagemap, and a module: neither is a page's",
  17: 'the memory of a range goes from device to device: no page of it is used without a reference',
  21: 'a task that nobody wakes: to sleep is no event',
  24: 'the percpu ref of a pagemap, and who looks it up: no page is touched',
  25: 'a struct page that is read before it exists: no function has it as an argument',
  27: "the memory of an open file of the driver: no page's",
  'new-8': 'a task that nobody wakes: to sleep is no event',
  'new-11': "the memory of an open file of the driver: no page's",
}

interface Judged {
  readonly checked: Verified
  readonly account: Account
}

const rows = new Map<string, Promise<Judged>>()

/** Once a row, for all tests. */
function row(id: string): Promise<Judged> {
  const known = rows.get(id)
  if (known) return known
  const { broken, breaks } = bugs.find(b => b.id === id)!
  const judging = verify(broken, { properties: breaks }).then(async checked => ({
    checked,
    account: await judged(counterexampleFtrace(checked)),
  }))
  rows.set(id, judging)
  return judging
}

test('every row is either seen, or known why not', () => {
  expect([...Object.keys(FOUND), ...Object.keys(UNSEEN)].sort()).toEqual(bugs.map(b => b.id).sort())
})

describe('condemned for the promise that it breaks', () => {
  test.each(Object.entries(FOUND))('bug %s', async (id, [kind, where, page = PFN]) => {
    const { checked, account } = await row(id)
    const { findings, reports } = condemned(checked, account)
    const found = [
      ...findings.map(f => [f.kind, f.pfn, f.culprit?.frame?.name]),
      ...reports.map(r => [r.detector, r.page ?? PFN, r.frame?.name]),
    ]
    expect(found).toContainEqual([kind, page, where])
    const others = account.findings.filter(f => ACCUSATIONS.has(f.kind) && !findings.includes(f))
    expect(others.map(f => f.kind)).toEqual([])
  })
})

describe('no event shows it', () => {
  test.each(Object.keys(UNSEEN))('bug %s', async id => {
    const { checked, account } = await row(id)
    expect(condemned(checked, account)).toEqual({ findings: [], reports: [] })
    expect(account.findings.filter(f => ACCUSATIONS.has(f.kind))).toEqual([])
    expect(condemnedText(checked, account)).toMatch(/^lastput trace cannot tell: .* (is no event|might all be right)$/)
  })
})

describe('nobody is accused where nothing is broken', () => {
  const SEEDS = [1, 2, 3, 4]
  const REPORTS: ReadonlySet<string> = new Set(['teardown-waits', 'fault-retries'])

  async function accusations(scenario: Scenario, seed: number, steps: number): Promise<string[]> {
    const simulator = new Simulator(build(scenario))
    simulator.run(seed, steps)
    if (simulator.violations.length > 0) return []
    const { findings, reports } = await judged(ftraceText(simulator.built, simulator.steps))
    const wrong = findings.filter(f => ACCUSATIONS.has(f.kind) || REPORTS.has(f.kind))
    return [...wrong.map(f => `seed ${seed}: ${f.kind}`), ...reports.map(r => `seed ${seed}: ${r.detector}`)]
  }

  test.each(bugs.map(b => [b.id, b.fixed] as const))('bug %s, mended', async (_, fixed) => {
    for (const seed of SEEDS) expect(await accusations(fixed, seed, 250)).toEqual([])
  })

  // Not where nothing keeps users out: there a file system hands out blocks while memunmap_pages() runs.
  test.each(drivers.map(d => [d.name, d] as const))('%s under every protocol, in every scenario', async (_, driver) => {
    for (const protocol of protocols.filter(p => driver.protocols.includes(p.id))) {
      const { parts } = build({ driver, protocol })
      const { 'unguarded unplug': _, ...scenarios } = parts.scenarios ?? {}
      for (const threads of [parts.threads, ...Object.values(scenarios)])
        for (const seed of SEEDS.slice(0, 2))
          expect(await accusations({ driver, protocol, threads }, seed, 150)).toEqual([])
    }
  })

  /** Roles that are there to do wrong, or to wait for ever. */
  const FAULTY = /leak|surplus|unguarded|endless/
  test.each(drivers.map(d => [d.name, d] as const))('%s, all roles at once', async (_, driver) => {
    for (const protocol of protocols.filter(p => driver.protocols.includes(p.id))) {
      const roles = Object.keys(build({ driver, protocol }).parts.roles).filter(role => !FAULTY.test(role))
      const threads = Object.fromEntries(roles.map(role => [role, 1]))
      for (let seed = 1; seed <= 16; seed++)
        expect(await accusations({ driver, protocol, threads }, seed, 300)).toEqual([])
    }
  })
})

test('docs/counterexamples.md says the same', async () => {
  const lines = await Promise.all(bugs.map(async ({ id }) => `| ${id} | ${await told(id)} |`))
  const text = readFileSync(join(import.meta.dirname, '../../docs/counterexamples.md'), 'utf8')
  expect(text.split('\n').filter(l => /^\| (new-)?\d/.test(l))).toEqual(lines)
})

async function told(id: string): Promise<string> {
  const { checked, account } = await row(id)
  const says = condemnedText(checked, account).replace('lastput trace says: ', '')
  return `${checked.verdict.property} | ${UNSEEN[id] === undefined ? says : `nothing: ${UNSEEN[id]}`}`
}

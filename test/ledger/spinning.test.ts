// SPDX-License-Identifier: GPL-2.0-or-later
// What 6.12 and 7.3 do with a device-private page that has one reference too many: a CPU fault on it retries for ever, so
// its life has thousands of events, and the one that matters is among the first.
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/index.ts'
import { BytesSource, openRecording } from '../../src/trace/index.ts'

const PAGES = 32
const ROUNDS = 6
const VICTIM = 7
const LEAK_ROUND = 3

const ALLOC = ['zone_device_page_init', 'dmirror_migrate_to_device']
const LEAK = ['zdlab_planted_leak', 'dmirror_migrate_to_device']
const MAP = ['remove_migration_pte', 'rmap_walk_anon', 'remove_migration_ptes', 'migrate_device_finalize']
const FINALIZE = ['migrate_device_finalize', 'dmirror_migrate_to_device']
const FAULT = ['do_swap_page', '__handle_mm_fault', 'handle_mm_fault']
const COLLECT = ['migrate_vma_collect_pmd', 'walk_pgd_range', 'migrate_vma_setup', 'dmirror_devmem_fault']
const RETURN = ['migrate_device_finalize', 'dmirror_devmem_fault', 'do_swap_page']
const ZAP = ['unmap_page_range', 'unmap_vmas', 'exit_mmap']

/** ftrace text of a driver's pages, one event after the other. */
class Script {
  readonly lines = ['# tracer: nop', '#']
  #time = 1_000_000
  readonly #counts = new Map<number, number>()
  readonly #mapcounts = new Map<number, number>()

  set(page: number, val: number, stack: string[], flags = 'reserved', mapcount = -1): void {
    this.#counts.set(page, val)
    this.#mapcounts.set(page, -1)
    this.#event('set', page, val, stack, '', flags, mapcount)
  }

  get(page: number, stack: string[], maps = false): void {
    this.#counts.set(page, this.#counts.get(page)! + 1)
    this.#event('mod', page, 1, stack)
    if (maps) this.#mapcounts.set(page, this.#mapcounts.get(page)! + 1)
  }

  put(page: number, stack: string[], unmaps = false): void {
    if (unmaps) this.#mapcounts.set(page, this.#mapcounts.get(page)! - 1)
    const count = this.#counts.get(page)! - 1
    this.#counts.set(page, count)
    this.#event('mod_and_test', page, -1, stack, ` ret=${count === 0 ? 1 : 0}`)
  }

  #event(
    op: string,
    page: number,
    val: number,
    stack: string[],
    ret = '',
    flags = 'reserved',
    mapcount?: number,
  ): void {
    const head = () => `       hmm-tests-100     [000] ..... ${(this.#time / 1e6).toFixed(6).padStart(12)}: `
    this.#time += 3
    const mapped = mapcount ?? this.#mapcounts.get(page)!
    const count = this.#counts.get(page)!
    this.lines.push(
      `${head()}page_ref_${op}: pfn=0x${(0x1000 + page).toString(16)} flags=${flags} count=${count} mapcount=${mapped} mapping=0000000000000000 mt=1 val=${val}${ret}`,
    )
    this.#time += 2
    this.lines.push(`${head()}<stack trace>`, ...[`__page_ref_${op}`, ...stack].map(name => ` => ${name}`))
  }
}

function migrate(script: Script, page: number, leaks: boolean): void {
  script.set(page, 1, ALLOC)
  if (leaks) script.get(page, LEAK)
  script.get(page, MAP, true)
  script.put(page, FINALIZE)
}

/** A CPU fault on the page; one that fails maps the page again. */
function fault(script: Script, page: number, succeeds: boolean): void {
  script.get(page, FAULT)
  script.get(page, COLLECT)
  script.put(page, COLLECT, true)
  if (!succeeds) script.get(page, MAP, true)
  script.put(page, RETURN)
  script.put(page, FAULT)
}

function spinning(retries: number, killed: boolean): string {
  const script = new Script()
  for (let page = 0; page < PAGES; page++) {
    script.set(page, 1, ['__init_zone_device_page', 'memmap_init_zone_device'], 'none', 0)
    script.set(page, 0, ['memmap_init_zone_device', 'memremap_pages'])
  }
  for (let round = 0; round < ROUNDS; round++) {
    const pages = Array.from({ length: PAGES }, (_, page) => page).filter(
      page => page !== VICTIM || round <= LEAK_ROUND,
    )
    for (const page of pages) migrate(script, page, page === VICTIM && round === LEAK_ROUND)
    for (const page of pages) if (page !== VICTIM || round < LEAK_ROUND) fault(script, page, true)
  }
  for (let i = 0; i < retries; i++) fault(script, VICTIM, false)
  if (killed) script.put(VICTIM, ZAP, true)
  return `${script.lines.join('\n')}\n`
}

test.each([
  [0, true],
  [50, true],
  [1500, true],
  [1500, false],
])('the leaked reference is named after %i retries (task killed: %s)', async (retries, killed) => {
  const bytes = new TextEncoder().encode(spinning(retries, killed))
  const { findings } = await account(await openRecording(new BytesSource('spinning', bytes)))
  const retried = ['fault-retries', 0x1000 + VICTIM, 'do_swap_page']
  expect(findings.map(({ kind, pfn, culprit }) => [kind, pfn, culprit?.frame?.name])).toEqual([
    ['leak', 0x1000 + VICTIM, 'zdlab_planted_leak'],
    ...(retries >= 64 ? [retried] : []),
  ])
  if (retries < 64) return
  const [often, ...others] = findings[1]!.evidence
  expect(often).toMatch(`tried ${retries} times within`)
  expect(others.join()).toMatch('zdlab_planted_leak')
})

test('faults that end the life of the page are no retries, however many', async () => {
  const script = new Script()
  script.set(0, 1, ['__init_zone_device_page', 'memmap_init_zone_device'], 'none', 0)
  script.set(0, 0, ['memmap_init_zone_device', 'memremap_pages'])
  for (let life = 0; life < 200; life++) {
    migrate(script, 0, false)
    fault(script, 0, true)
  }
  const bytes = new TextEncoder().encode(`${script.lines.join('\n')}\n`)
  const { findings } = await account(await openRecording(new BytesSource('faults', bytes)))
  expect(findings).toEqual([])
})

test('a page that is merely mapped when the recording ends is held, not leaked', async () => {
  const script = new Script()
  script.set(0, 1, ['__init_zone_device_page', 'memmap_init_zone_device'], 'none', 0)
  script.set(0, 0, ['memmap_init_zone_device', 'memremap_pages'])
  for (let life = 0; life < 200; life++) {
    migrate(script, 0, false)
    fault(script, 0, true)
  }
  migrate(script, 0, false)
  const bytes = new TextEncoder().encode(`${script.lines.join('\n')}\n`)
  const { findings } = await account(await openRecording(new BytesSource('mapped', bytes)))
  expect(findings.map(({ kind, culprit }) => [kind, culprit?.frame?.name])).toEqual([
    ['held-at-end', 'remove_migration_pte'],
  ])
})

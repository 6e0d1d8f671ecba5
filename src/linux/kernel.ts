// SPDX-License-Identifier: GPL-2.0-or-later
/** Puts protocol, driver and threads together to one system that the engine explores. */
import {
  always,
  at_rest,
  type Cell,
  cell,
  cells,
  member,
  type System,
  sort,
  system,
  type Thread,
  thread,
  type View,
} from '../engine/index.ts'
import type { Driver, DriverParts } from './driver.ts'
import { type Fix, merged_fixes } from './fixes.ts'
import { driver_owned } from './mm/memremap.ts'
import { busy_base, idle_count } from './mm/page_count.ts'
import { mapcount, migration_count, pte_max, pte_page, rename_pte, show_pte } from './mm/pgtable.ts'
import { BUSY, type DevPagemap, GONE, IDLE, type Kernel, LIVE, type Mm, type Page, type Protocol } from './types.ts'

export interface Scenario {
  readonly driver: Driver
  readonly protocol: Protocol
  /** Device pages, 2 unless said. */
  readonly pages?: number
  /** User addresses (page table entries), 2 unless said. */
  readonly vas?: number
  /** Threads of each role; the driver's own choice unless said. */
  readonly threads?: Readonly<Record<string, number>>
  /** Changes that this kernel does not have yet. */
  readonly reverts?: readonly Fix[]
  /** Proposed changes that no kernel has. */
  readonly adds?: readonly Fix[]
  readonly name?: string
}

export interface Built {
  readonly system: System
  readonly kernel: Kernel
  readonly parts: DriverParts
}

/** First pfn of the modelled pagemap, as it shows in traces. */
const FIRST_PFN = 0x100000

/** @throws Error for a role that the driver does not have. */
export function build(scenario: Scenario): Built {
  const { driver, protocol } = scenario
  const kernel = make_kernel(scenario)
  const parts = driver.setup(kernel)
  kernel.pgmap.ops = parts.ops
  const wanted = scenario.threads ?? parts.threads
  const threads = Object.entries(wanted).flatMap(([role, n]) => threads_of(parts, role, n))
  const bounds = `${kernel.pgmap.pages.length} pages, ${kernel.mm.addresses.length} addresses, ${threads.length} threads (${Object.entries(
    wanted,
  )
    .map(([role, n]) => (n === 1 ? role : `${role}:${n}`))
    .join(', ')})`
  return {
    kernel,
    parts,
    system: system(scenario.name ?? `${driver.name} under ${protocol.id}`, {
      cells: all_cells(kernel),
      threads,
      properties: [...properties(kernel), counts_at_rest(kernel)],
      bounds,
    }),
  }
}

function threads_of(parts: DriverParts, role: string, n: number): Thread[] {
  const r = parts.roles[role]
  if (!r) throw new Error(`no role "${role}": this driver has ${Object.keys(parts.roles).join(', ')}`)
  return Array.from({ length: n }, (_, i) =>
    thread(n === 1 ? role : `${role}[${i}]`, () => r.body(i), {
      ...(r.times === undefined ? {} : { times: r.times }),
      finishes: r.finishes ?? false,
      daemon: r.daemon ?? false,
    }),
  )
}

/** The count equals the references that page tables hold, and the pagemap's what its pages hold, when nobody is busy. */
function counts_at_rest({ pgmap, protocol }: Kernel) {
  const { type, pages } = pgmap
  const expected = (s: View, page: Page) =>
    s.get(page.life) === IDLE
      ? idle_count(pgmap)
      : busy_base(pgmap) + (protocol.pte_holds_reference(type) ? mapcount(s, page) : 0)
  return at_rest('count', s => {
    if (s.get(pgmap.state) !== LIVE) return true
    const busy = pages.filter(page => s.get(page.life) === BUSY).length
    const held = busy * (protocol.busy_page_holds_pgmap(type) ? 1 : 0)
    return (
      s.get(pgmap.ref) === 1 + pages.length * protocol.pgmap_refs_per_page(type) + held &&
      pages.every(page => s.get(page._refcount) === expected(s, page))
    )
  })
}

function make_kernel({ driver, protocol, pages: n = 2, vas = 2, reverts = [], adds = [] }: Scenario): Kernel {
  const page_sort = sort('page', n)
  const address_sort = sort('address', vas)
  const fixes = new Set<Fix>([...merged_fixes.filter(f => !reverts.includes(f)), ...adds])
  // The lock is tried under the reference's protection: without the one there is not the other.
  if (!fixes.has('fault_takes_reference')) fixes.delete('fault_trylocks')
  const per_page = protocol.pgmap_refs_per_page(driver.type)
  const pages: Page[] = []
  const mm: { addresses: Mm['addresses']; pages: readonly Page[] } = { addresses: [], pages }
  const kernel = {
    protocol,
    fixes,
    mm,
    page_sort,
    address_sort,
    cells: [] as Cell[],
    rcu_readers: [] as Cell[],
  } as unknown as Kernel
  const pgmap: DevPagemap = {
    type: driver.type,
    pages,
    kernel,
    ref: cell('pgmap.ref', { max: 1 + n * (1 + per_page) + 6, init: 1 + n * per_page }),
    state: cell('pgmap.state', { max: GONE, show: v => ['live', 'dying', 'drained', 'gone'][v]! }),
    ops: {},
  }
  Object.assign(kernel, { pgmap })
  mm.addresses = cells(address_sort, 'pte', { max: pte_max(n), refers: rename_pte(page_sort), show: show_pte }).map(
    (pte, index) => ({ index, pte, mm }),
  )
  const idle = idle_count(pgmap)
  for (let index = 0; index < n; index++) {
    const of = [member(page_sort, index)]
    pages.push({
      index,
      pfn: FIRST_PFN + index,
      pgmap,
      _refcount: cell(`page[${index}]._refcount`, { max: vas + 6, init: idle, of }),
      locked: cell(`page[${index}].locked`, { max: 1, of }),
      life: cell(`page[${index}].life`, {
        max: BUSY,
        // device-dax never frees a page, so none of its pages is ever idle.
        init: driver.type === 'GENERIC' ? BUSY : IDLE,
        of,
        show: v => (v === BUSY ? 'busy' : 'idle'),
      }),
    })
  }
  return kernel
}

function all_cells({ pgmap, mm, cells }: Kernel): Cell[] {
  return [
    ...pgmap.pages.flatMap(p => [p._refcount, p.locked, p.life]),
    ...mm.addresses.map(a => a.pte),
    pgmap.ref,
    pgmap.state,
    ...cells,
  ]
}

function properties({ pgmap, mm }: Kernel) {
  const free_and_mapped = (s: View) => (page: Page) =>
    s.get(page.life) === IDLE && mapcount(s, page) + migration_count(s, page) > 0
  const in_use = (s: View) => (page: Page) => driver_owned(pgmap) && s.get(page.life) === BUSY
  const mapped = (s: View) => mm.addresses.some(a => pte_page(a, s.get(a.pte)) !== undefined)
  return [
    always('pte-on-free', s => !pgmap.pages.some(free_and_mapped(s))),
    always('pagemap-outlives', s => s.get(pgmap.state) !== GONE || !(pgmap.pages.some(in_use(s)) || mapped(s))),
  ]
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Builds the system that the checker explores from a protocol, a driver and threads. */
import {
  type Cell,
  cell,
  cells,
  member,
  type Sort,
  type StoreOrder,
  type System,
  sort,
  system,
  type Thread,
  thread,
  withStoreBuffers,
} from '../../checker/index.ts'
import type { Driver, DriverParts } from '../driver.ts'
import { idle_count_of } from '../mm/page_count.ts'
import { pte_max, rename_pte, show_pte } from '../mm/pgtable.ts'
import {
  type Address,
  BUSY,
  type DevPagemap,
  GONE,
  IDLE,
  type Kernel,
  type MemoryType,
  type Mm,
  type Page,
  type Protocol,
} from '../types.ts'
import { type Fix, merged_after, merged_fixes } from './fixes.ts'
import { invariants } from './invariants.ts'

export interface Scenario {
  readonly driver: Driver
  readonly protocol: Protocol
  /** Number of device pages, 2 if omitted. */
  readonly pages?: number
  /** Number of user addresses (page table entries), 2 if omitted. */
  readonly vas?: number
  /** Number of threads of each role; the driver's default if omitted. */
  readonly threads?: Readonly<Record<string, number>>
  /** Merged changes that this kernel does not have. */
  readonly reverts?: readonly Fix[]
  /** Proposed changes, which no kernel has, that this one is to have. */
  readonly adds?: readonly Fix[]
  /** True to leave out the changes that were merged after the protocol's last release. */
  readonly as_released?: boolean
  /** The memory model, one with store buffers; sequential consistency if omitted. */
  readonly stores?: StoreOrder
  readonly name?: string
}

export interface Built {
  readonly system: System
  readonly kernel: Kernel
  readonly parts: DriverParts
}

/** First pfn of the modelled pagemap in traces. */
const FIRST_PFN = 0x100000

/** Builds the system of a scenario. @throws Error for a role that the driver does not have. */
export function build(scenario: Scenario): Built {
  const { driver, protocol, stores } = scenario
  const { kernel, parts } = set_up(scenario)
  const wanted = scenario.threads ?? parts.threads
  const threads = Object.entries(wanted).flatMap(([role, n]) => threads_of(parts, role, n))
  const { pgmap, mm } = kernel
  const bounds = [
    count(pgmap.pages.length, 'page', 'pages'),
    count(mm.addresses.length, 'address', 'addresses'),
    `${count(threads.length, 'thread', 'threads')} (${Object.entries(wanted).map(roleText).join(', ')})`,
  ].join(', ')
  const consistent = system(scenario.name ?? `${driver.name} under ${protocol.id}`, {
    cells: all_cells(kernel),
    threads,
    properties: invariants(kernel),
    bounds,
  })
  return {
    kernel,
    parts,
    system: stores === undefined ? consistent : withStoreBuffers(consistent, stores),
  }
}

/** Sets up kernel and driver; a second time, with more room in cells, if the driver's setup asks for more threads than `room`. */
function set_up(scenario: Scenario, room = DEFAULT_THREADS): { kernel: ModelKernel; parts: DriverParts } {
  const kernel = new ModelKernel(scenario, room)
  const parts = scenario.driver.setup(kernel)
  kernel.pgmap.ops = parts.ops
  const threads = Object.values(scenario.threads ?? parts.threads).reduce((a, b) => a + b, 0)
  return threads > kernel.threads ? set_up(scenario, threads) : { kernel, parts }
}

function count(n: number, one: string, more: string): string {
  return `${n} ${n === 1 ? one : more}`
}

function roleText([role, n]: [string, number]): string {
  return n === 1 ? role : `${role}:${n}`
}

function threads_of(parts: DriverParts, role: string, n: number): Thread[] {
  const r = parts.roles[role]
  if (!r) throw new Error(`no role "${role}": this driver has ${Object.keys(parts.roles).join(', ')}`)
  for (let i = 0; i < n; i++) r.prepare?.(i)
  return Array.from({ length: n }, (_, i) =>
    thread(n === 1 ? role : `${role}[${i}]`, () => r.body(i), {
      ...(r.times === undefined ? {} : { times: r.times }),
      finishes: r.finishes ?? false,
      daemon: r.daemon ?? r.assumes !== undefined,
      ...(r.assumes === undefined ? {} : { assumed: r.assumes }),
    }),
  )
}

/** The number of threads that cells have room for at first, if a scenario leaves the number to the driver. */
const DEFAULT_THREADS = 5

class ModelKernel implements Kernel {
  readonly protocol: Protocol
  readonly fixes: ReadonlySet<Fix>
  readonly page_sort: Sort
  readonly address_sort: Sort
  readonly threads: number
  readonly cells: Cell[] = []
  readonly rcu_readers: Cell[] = []
  readonly sleepers: Cell[] = []
  readonly pgmap: DevPagemap
  readonly mm: Mm

  constructor(scenario: Scenario, room: number) {
    const { driver, protocol, pages = 2, vas = 2, threads, reverts = [], adds = [], as_released } = scenario
    this.protocol = protocol
    const since = as_released && protocol.last_release !== undefined ? merged_after(protocol.last_release) : []
    this.fixes = fixes_of([...reverts, ...since], adds)
    this.page_sort = sort('page', pages)
    this.address_sort = sort('address', vas)
    this.threads = threads ? Object.values(threads).reduce((a, b) => a + b, 0) : room
    this.pgmap = this.memremap_pages(driver.type)
    this.mm = this.address_space()
    // A field that a driver's code adds to these would be state outside of cells, which a search does not explore.
    for (const each of [this, this.pgmap]) Object.preventExtensions(each)
  }

  private memremap_pages(type: MemoryType): DevPagemap {
    const n = this.page_sort.size
    const per_page = this.protocol.pgmap_refs_per_page(type)
    const init = 1 + n * per_page
    const pages: Page[] = []
    const pgmap: DevPagemap = {
      type,
      pages,
      kernel: this,
      ref: cell('pgmap.ref', { max: init + n + 2 * this.threads, init, ghost: true }),
      state: cell('pgmap.state', { max: GONE, show: v => ['live', 'dying', 'drained', 'gone'][v]!, ghost: true }),
      ops: {},
    }
    for (let i = 0; i < n; i++) pages.push(this.page(pgmap, i))
    return pgmap
  }

  /** Makes a page. Its count has room for every entry, and for two references of each thread: the fault's and the migration's. */
  private page(pgmap: DevPagemap, index: number): Page {
    const of = [member(this.page_sort, index)]
    const max = 1 + this.address_sort.size + 2 * this.threads
    return Object.freeze({
      index,
      pfn: FIRST_PFN + index,
      pgmap,
      _refcount: cell(`page[${index}]._refcount`, { max, init: idle_count_of(this.protocol, pgmap.type), of }),
      locked: cell(`page[${index}].locked`, { max: 1, of }),
      life: cell(`page[${index}].life`, {
        // device-dax never frees a page, so none of its pages is ever idle.
        min: pgmap.type === 'GENERIC' ? BUSY : IDLE,
        max: BUSY,
        of,
        ghost: true,
        show: v => (v === BUSY ? 'busy' : 'idle'),
      }),
    })
  }

  private address_space(): Mm {
    const addresses: Address[] = []
    const mm: Mm = { addresses, pages: this.pgmap.pages }
    const spec = { max: pte_max(this.page_sort.size), refers: rename_pte(this.page_sort), show: show_pte }
    for (const [index, pte] of cells(this.address_sort, 'pte', spec).entries())
      addresses.push(Object.freeze({ index, pte, mm }))
    return mm
  }
}

function fixes_of(reverts: readonly Fix[], adds: readonly Fix[]): ReadonlySet<Fix> {
  const fixes = new Set<Fix>([...merged_fixes.filter(f => !reverts.includes(f)), ...adds])
  // The fault may lock the page only because it holds a reference, so that the second change needs the first.
  if (!fixes.has('fault_takes_reference')) fixes.delete('fault_trylocks')
  return fixes
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

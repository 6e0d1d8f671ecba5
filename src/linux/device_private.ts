// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The threads that the drivers of device-private memory have in common: users that migrate, fault, fork and unmap, a walker that
 * takes speculative references by pfn, and the driver's removal.
 */
import {
  call,
  cell,
  isGeneratorFunction,
  ModelError,
  repeat,
  type Shared,
  type Steps,
  step,
  tracked,
} from '../checker/index.ts'
import type { DriverParts, ThreadCounts } from './driver.ts'
import { copy_pte, handle_mm_fault, zap_pte } from './mm/memory.ts'
import { memunmap_pages, put_page } from './mm/memremap.ts'
import { migrate_device_pfn, migrate_vma_to_device, migrate_vma_to_ram } from './mm/migrate_device.ts'
import { get_page_unless_zero, page_ref_inc } from './mm/page_ref.ts'
import { pte_page } from './mm/pgtable.ts'
import { type Address, type Fault, type Kernel, MAPPINGS_GO_AWAY, type Page, type Role, type VmFault } from './types.ts'

/** A thread of the driver's own: a worker, an ioctl, an interrupt's bottom half. */
export interface OwnThread extends Role {
  /** The number of these threads in every scenario, 1 if omitted. With 0, they run only if `--threads` asks for them. */
  count?: number
}

/** Functions of a driver. A verdict covers those that the threads of the scenario call (docs/tutorial-driver.md). */
export interface DevicePrivate {
  /** Takes a page off the free list and makes it busy: locked, with one reference; undefined when there is none. */
  alloc_page(address: Address): Steps<Page | undefined>
  page_free(page: Page): Steps<void>
  /** Begins removal: no page is handed out any more. Called by `unbind`, once nobody has the device open; never by `unplug`. */
  clear(s: Shared): void
  /** True if removal migrates the remaining pages back to system memory (migrate_device_range(), 6.1 and later). */
  evicts: boolean
  /** How removal migrates one page; by default as migrate_device_range() does. */
  evict?(page: Page): Steps<unknown>
  /** What the driver checks between eviction and memunmap_pages(). */
  after_eviction?(s: Shared): void
  /** What the migrating thread does at the end with a page that it populated, whether the page was mapped or not. */
  after_migration?(page: Page): Steps<void>
  /** `dev_pagemap_ops.migrate_to_ram`; the default migrates, and has the fault retried whether or not that succeeded. */
  migrate_to_ram?(fault: Fault): Steps<VmFault>
  /** By role, threads of this driver besides those that all such drivers have. They take part in every scenario. */
  threads?: Readonly<Record<string, OwnThread>>
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
export function device_private(kernel: Kernel, of: DevicePrivate): DriverParts {
  demand_shape(of)
  const { pgmap, mm } = kernel
  const at = (index: number) => mm.addresses[index % mm.addresses.length]!
  const users = cell('driver.users', { max: kernel.threads })
  const removed = cell('driver.removed', { max: 1 })
  kernel.cells.push(users, removed)

  // One function for each address, made only once: the learner tells called functions apart by identity.
  const alloc_page = mm.addresses.map(address => () => of.alloc_page(address))

  function* migrate_to_ram(fault: Fault): Steps<VmFault> {
    const migrated = yield* migrate_vma_to_ram(fault)
    return !migrated && kernel.fixes.has('failed_migration_is_sigbus') ? 'SIGBUS' : 'retry'
  }

  function* migrate(index: number): Steps<void> {
    const address = at(index)
    const page = yield* migrate_vma_to_device(address, alloc_page[address.index]!)
    if (page && of.after_migration) yield* of.after_migration(page)
  }

  /** The driver's ioctl, whose open file prevents removal of the driver while it runs. */
  function* ioctl_migrate(index: number): Steps<void> {
    const entered = yield* step('open', s => {
      if (s.get(removed) === 1) return false
      s.add(users, 1)
      return true
    })
    if (!entered) return
    yield* migrate(index)
    yield* step('close', s => s.add(users, -1))
  }

  /** The same without an open file that prevents removal: a device that can be unplugged while it is in use. */
  function* migrate_unguarded(index: number): Steps<void> {
    yield* migrate(index)
  }

  function* cpu_fault(index: number): Steps<void> {
    yield* repeat(handle_mm_fault, at(index))
  }

  function* exit_mmap(): Steps<void> {
    for (const address of mm.addresses) yield* call(zap_pte, address)
  }

  function* fork(index: number): Steps<void> {
    yield* copy_pte(at(index), at(index + 1))
  }

  /**
   * A speculative get by pfn. In the kernel migrate_device_range() alone takes one on private pages, from 6.1 on; compaction and
   * page_idle do not, since pfn_to_online_page() keeps them from device memory. For older protocols the thread is hypothetical.
   */
  function* pfn_walker(): Steps<void> {
    const page = yield* step('pfn_to_page', s => pgmap.pages[s.choose(pgmap.pages.length)]!)
    if (yield* get_page_unless_zero(page)) yield* call(put_page, page)
  }

  /** A deliberate bug, to try out a model, a test or a trace: takes a reference and never puts it. */
  function* leaky_get(index: number): Steps<void> {
    yield* step('leaky_get', s => {
      const page = pte_page(at(index), s.get(at(index).pte))
      s.wait(page !== undefined)
      page_ref_inc(s, page!)
    })
  }

  /** The opposite bug: puts a reference that is not its own. */
  function* surplus_put(index: number): Steps<void> {
    const page = yield* step('surplus_put', s => {
      const page = pte_page(at(index), s.get(at(index).pte))
      s.wait(page !== undefined)
      return page!
    })
    yield* call(put_page, page)
  }

  function* unbind(): Steps<void> {
    yield* step('module_exit', s => {
      s.wait(s.get(users) === 0)
      s.set(removed, 1)
      of.clear(s)
    })
    yield* remove()
  }

  function* unplug(): Steps<void> {
    yield* remove()
  }

  function* remove(): Steps<void> {
    if (of.evicts) for (const page of pgmap.pages) yield* call(of.evict ?? migrate_device_pfn, page)
    if (of.evicts && of.after_eviction) yield* step('device_remove', s => of.after_eviction!(s))
    yield* memunmap_pages(pgmap)
  }

  const eviction = of.evicts ? 'eviction, ' : ''
  return with_threads(of.threads ?? {}, {
    ops: { page_free: of.page_free, migrate_to_ram: of.migrate_to_ram ?? migrate_to_ram },
    roles: {
      fault: { about: 'the CPU touches an address until it is mapped', body: cpu_fault, finishes: true },
      migrate: {
        about: 'an ioctl moves an address to the device; unbind waits for it',
        body: ioctl_migrate,
        times: 2,
        finishes: true,
      },
      'migrate-unguarded': {
        about: 'the same, and nobody waits for it',
        body: migrate_unguarded,
        times: 2,
        finishes: true,
      },
      'migrate-endless': { about: 'the same, without an end', body: migrate_unguarded },
      exit: { about: 'unmaps all addresses', body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
      fork: { about: 'gives an address the mapping of another', body: fork },
      'pfn-walker': { about: 'takes a reference to any page that it finds in use', body: pfn_walker, times: 1 },
      leak: { about: 'takes a reference and forgets it', body: leaky_get, times: 1 },
      'surplus-put': { about: 'gives back a reference that is not its own', body: surplus_put, times: 1 },
      unbind: {
        about: `removes the driver once nobody has it open: clear(), ${eviction}memunmap_pages()`,
        body: unbind,
        times: 1,
        finishes: true,
      },
      unplug: {
        about: `removes the device under its users: ${eviction}memunmap_pages(), no clear()`,
        body: unplug,
        times: 1,
        finishes: true,
      },
    },
    threads: { fault: 1, migrate: 1, exit: 1, unbind: 1 },
    scenarios: {
      'users only': { fault: 1, migrate: 1, fork: 1, exit: 1 },
      'two migrations': { migrate: 2, exit: 1, unbind: 1 },
      'pfn walker': { fault: 1, migrate: 1, 'pfn-walker': 1, exit: 1 },
      'unguarded unplug': { fault: 1, 'migrate-unguarded': 1, exit: 1, unplug: 1 },
    },
    // Two migrations that take a page at the same time are needed to show a free list without a lock.
    also: ['two migrations'],
  })
}

const REQUIRED = ['alloc_page', 'page_free', 'clear'] as const
const OPTIONAL = ['evict', 'after_eviction', 'after_migration', 'migrate_to_ram'] as const
const OF_THREAD = ['about', 'body', 'prepare', 'times', 'finishes', 'daemon', 'assumes', 'count'] as const

/**
 * Nothing checks the types of a file that `lastput check` loads. A function under a misspelt name would never be called, and a
 * misspelt `finishes` would demand nothing, so that the driver seemed to hold.
 * @throws ModelError for a name that nothing reads, for a function that is missing and for a value that is none
 */
function demand_shape(of: DevicePrivate): void {
  only_names('device_private()', of, [...REQUIRED, ...OPTIONAL, 'evicts', 'threads'])
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const value: unknown = of[name]
    const missing = value === undefined && (OPTIONAL as readonly string[]).includes(name)
    if (!missing) demand_function(`device_private(): ${name}`, value)
  }
  if (typeof of.evicts !== 'boolean')
    throw new ModelError(`device_private(): evicts is ${of.evicts}, not true or false`)
  for (const [role, thread] of Object.entries(of.threads ?? {})) {
    only_names(`role ${role}`, thread, OF_THREAD)
    demand_function(`role ${role}: its body`, thread.body)
    const { count = 1 } = thread
    if (!(Number.isInteger(count) && count >= 0))
      throw new ModelError(`role ${role}: count is ${count}, not a number of threads`)
  }
}

function only_names(whose: string, of: object, names: readonly string[]): void {
  const stray = Object.keys(of).find(name => !names.includes(name))
  if (stray !== undefined) throw new ModelError(`${whose}: nothing reads "${stray}"; there are ${names.join(', ')}`)
}

function demand_function(what: string, value: unknown): void {
  if (typeof value !== 'function') throw new ModelError(`${what} is no function`)
  if (value.constructor.name.startsWith('Async')) throw new ModelError(`${what} is async: steps are taken with yield*`)
}

/** Adds the driver's own threads to the common ones. @throws ModelError for a role that all such drivers have */
function with_threads(own: Readonly<Record<string, OwnThread>>, parts: DriverParts): DriverParts {
  const taken = Object.keys(own).find(role => role in parts.roles)
  if (taken !== undefined)
    throw new ModelError(`role ${taken} is there already: ${Object.keys(parts.roles).join(', ')}`)
  const counts = Object.entries(own).flatMap(([role, { count = 1 }]) => (count > 0 ? [[role, count] as const] : []))
  const added = (threads: ThreadCounts): ThreadCounts => ({ ...threads, ...Object.fromEntries(counts) })
  // Drivers also call these bodies from threads of their own, so that calls of them are tracked.
  const roles = Object.entries({ ...parts.roles, ...own }).map(([name, role]) => [
    name,
    { ...role, body: isGeneratorFunction(role.body) ? tracked(role.body) : role.body },
  ])
  return {
    ops: parts.ops,
    roles: Object.fromEntries(roles),
    threads: added(parts.threads),
    scenarios: Object.fromEntries(Object.entries(parts.scenarios ?? {}).map(([name, t]) => [name, added(t)])),
    also: parts.also ?? [],
  }
}

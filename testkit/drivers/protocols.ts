// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The refcount protocols of ZONE_DEVICE pages, as far as page_ref events show them. Sources: mm/memremap.c, mm/mm_init.c,
 * fs/dax.c, drivers/pci/p2pdma.c and drivers/dax/device.c of Linux 5.10, 6.0, 6.12 and 7.3.
 */
import { Op } from '../../src/trace/events.ts'

export const PROTOCOLS = ['A', 'D', 'E', 'G', 'GENERIC', 'FSDAX_612', 'FSDAX_73', 'P2PDMA_612', 'P2PDMA_73'] as const
export type Protocol = (typeof PROTOCOLS)[number]

export interface Rules {
  protocol: Protocol
  /** Release, as printed by `uname -r`. */
  kernel: string
  /** Counts that memremap_pages() sets, in order. */
  setup: readonly number[]
  idle: number
  /** The operation that allocates a page; undefined if the owner changes no count. */
  handOut: { op: Op; val: number } | undefined
  /** Operation of a single put: a plain put, or for pages whose idle count is 1 the put that returns the new count. */
  putOp: Op
  /** Count that the core sets after the page was freed; undefined if it sets none. */
  resetTo: number | undefined
  /**
   * When the owner may allocate the page again: from the free callback on; once nobody but the owner holds it, which file systems
   * wait for; or as soon as the user releases it, whoever else holds it (device-dax).
   */
  reuse: 'callback' | 'when-idle' | 'when-released'
  /** Whether the reference of the allocation is replaced at once by that of a page table entry. */
  mapsRoot: 'always' | 'maybe' | 'never' | 'is-mapping'
  /** True if memunmap_pages() puts each page once. */
  teardownPuts: boolean
}

const test = Op.MOD_AND_TEST
const returns = Op.MOD_AND_RETURN
const set = { op: Op.SET, val: 1 }
const get = { op: Op.MOD, val: 1 }

const owned = (protocol: Protocol, kernel: string): Rules => ({
  protocol,
  kernel,
  setup: [1, 0],
  idle: 0,
  handOut: set,
  putOp: test,
  resetTo: undefined,
  reuse: 'callback',
  mapsRoot: 'maybe',
  teardownPuts: false,
})
const oneBased = { setup: [1], idle: 1 }

export const RULES: Record<Protocol, Rules> = {
  A: { ...owned('A', '5.10.262'), ...oneBased, handOut: get, putOp: returns, teardownPuts: true },
  D: { ...owned('D', '6.0.19'), ...oneBased, handOut: undefined, resetTo: 1 },
  E: owned('E', '6.12.117'),
  G: owned('G', '7.3.0-rc7'),
  GENERIC: {
    ...owned('GENERIC', '7.3.0-rc7'),
    ...oneBased,
    handOut: get,
    resetTo: 1,
    reuse: 'when-released',
    mapsRoot: 'is-mapping',
  },
  FSDAX_612: {
    ...owned('FSDAX_612', '6.12.117'),
    ...oneBased,
    handOut: { op: Op.MOD_UNLESS, val: 1 },
    putOp: returns,
    reuse: 'when-idle',
    mapsRoot: 'never',
  },
  FSDAX_73: { ...owned('FSDAX_73', '7.3.0-rc7'), handOut: get, reuse: 'when-idle', mapsRoot: 'always' },
  P2PDMA_612: {
    ...owned('P2PDMA_612', '6.12.117'),
    ...oneBased,
    handOut: undefined,
    resetTo: 1,
    mapsRoot: 'always',
  },
  P2PDMA_73: { ...owned('P2PDMA_73', '7.3.0-rc7'), mapsRoot: 'always' },
}

/** True if allocations have a kind of event of their own, so that a get on a free page differs from an allocation. */
export function showsHandOut(rules: Rules): boolean {
  return rules.handOut?.op === Op.SET
}

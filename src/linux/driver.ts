// SPDX-License-Identifier: GPL-2.0-or-later
import type { ProtocolId } from './protocols/rules.ts'
import type { Kernel, MemoryType, PagemapOps, Role } from './types.ts'

/** A driver, or a file system on device memory: the owner of the pages of one pagemap. */
export interface Driver {
  readonly name: string
  readonly type: MemoryType
  /** The protocols that this driver has code for. */
  readonly protocols: readonly ProtocolId[]
  /** Adds the driver's cells to the kernel and returns its callbacks and what its users do. */
  setup(kernel: Kernel): DriverParts
}

/** Number of threads by role. */
export type ThreadCounts = Readonly<Record<string, number>>

export interface DriverParts {
  readonly ops: PagemapOps
  /** Roles by their name in `--threads`. */
  readonly roles: Readonly<Record<string, Role>>
  /** The number of threads of each role in a scenario that does not say. */
  readonly threads: ThreadCounts
  /** By name, the other scenarios that `--matrix` checks. */
  readonly scenarios?: Readonly<Record<string, ThreadCounts>>
  /**
   * Names of `scenarios` that a check without `--threads` includes: they can violate properties that the default threads
   * cannot violate.
   */
  readonly also?: readonly string[]
}

/** Declares a driver. A file with a driver as its default export can be checked by its path. */
export function driver(spec: Driver): Driver {
  return spec
}

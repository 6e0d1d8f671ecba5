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

/** Threads by role. */
export type ThreadCounts = Readonly<Record<string, number>>

export interface DriverParts {
  readonly ops: PagemapOps
  /** By the name that `--threads` uses. */
  readonly roles: Readonly<Record<string, Role>>
  /** How many threads of each role a scenario has that does not say. */
  readonly threads: ThreadCounts
  /** What else `--matrix` tries, by name. */
  readonly scenarios?: Readonly<Record<string, ThreadCounts>>
  /** Those of them that a check looks at too where nobody says which threads: what must hold, and needs other threads to break. */
  readonly also?: readonly string[]
}

/** Declares a driver; a file whose default export this is can be checked by its path. */
export function driver(spec: Driver): Driver {
  return spec
}

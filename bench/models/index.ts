// SPDX-License-Identifier: GPL-2.0-or-later
/** The systems that `npm run bench:check` measures, each with the flags to compile and run its Promela twin. */
import type { System } from '../../src/checker/index.ts'
import { coreResets } from './core-resets.ts'
import { daxTruncate } from './dax-truncate.ts'
import { fastGup } from './fast-gup.ts'
import { swapLivelock } from './swap-livelock.ts'
import { teardown } from './teardown.ts'

export type Size = 'small' | 'full'

export interface BenchSystem {
  readonly name: string
  /** Parameters of the system, by the name of the Promela macro. */
  readonly sizes: Readonly<Record<Size, Readonly<Record<string, number>>>>
  readonly build: (size: Readonly<Record<string, number>>, broken: boolean) => System
  readonly spin: {
    /** Flags of the C compiler. */
    readonly compile: readonly string[]
    /** Flags of pan that select what to check. */
    readonly run: readonly string[]
    /** Flags of pan at full size: log2 of the hash table's size and the depth of the stack, both just large enough. */
    readonly fit: readonly string[]
  }
}

const SAFETY = { compile: ['-DSAFETY', '-DNOFAIR'], run: [] }

export const systems: readonly BenchSystem[] = [
  {
    name: 'fast-gup',
    sizes: { small: { P: 2, V: 2, G: 2, Z: 1 }, full: { P: 3, V: 2, G: 3, Z: 3 } },
    build: ({ P, V, G, Z }, broken) => fastGup({ pages: P!, vas: V!, gups: G!, zappers: Z!, broken }),
    spin: { ...SAFETY, fit: ['-w24', '-m13800000'] },
  },
  {
    name: 'teardown',
    sizes: { small: { P: 2, V: 2, F: 1, G: 1, Z: 1 }, full: { P: 2, V: 2, F: 2, G: 3, Z: 3 } },
    build: ({ P, V, F, G, Z }, broken) => teardown({ pages: P!, vas: V!, faults: F!, gups: G!, zappers: Z!, broken }),
    spin: { ...SAFETY, fit: ['-w23', '-m4700000'] },
  },
  {
    name: 'core-resets',
    sizes: { small: { P: 2, V: 2, F: 2, G: 1, Z: 1 }, full: { P: 2, V: 2, F: 2, G: 4, Z: 3 } },
    build: ({ P, V, F, G, Z }, broken) => coreResets({ pages: P!, vas: V!, faults: F!, gups: G!, zappers: Z!, broken }),
    spin: { ...SAFETY, fit: ['-w23', '-m4100000'] },
  },
  {
    name: 'dax-truncate',
    sizes: { small: { B: 2, V: 2, F: 1, G: 2 }, full: { B: 2, V: 2, F: 1, G: 4 } },
    build: ({ B, V, F, G }, broken) => daxTruncate({ blocks: B!, offsets: V!, faults: F!, gups: G!, broken }),
    spin: { ...SAFETY, fit: ['-w22', '-m4100000'] },
  },
  {
    name: 'swap-livelock',
    sizes: { small: { P: 2, T: 2 }, full: { P: 2, T: 5 } },
    build: ({ P, T }, broken) => swapLivelock({ pages: P!, faults: T!, broken }),
    spin: { compile: ['-DNP', '-DNFAIR=3'], run: ['-l', '-f'], fit: ['-w23', '-m2000000'] },
  },
]

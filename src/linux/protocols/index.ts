// SPDX-License-Identifier: GPL-2.0-or-later
import type { Protocol } from '../types.ts'
import { A } from './a.ts'
import { B } from './b.ts'
import { C } from './c.ts'
import { C_prime } from './c_prime.ts'
import { D } from './d.ts'
import { E } from './e.ts'
import { F } from './f.ts'
import { G } from './g.ts'

/** In the order in which they were proposed or shipped. */
export const protocols: readonly Protocol[] = [A, B, C, C_prime, D, E, F, G]
export { A, B, C, C_prime, D, E, F, G }

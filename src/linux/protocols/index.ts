// SPDX-License-Identifier: GPL-2.0-or-later
import { allTracked } from '../../checker/index.ts'
import type { Protocol } from '../types.ts'
import { A as a } from './a.ts'
import { B as b } from './b.ts'
import { C as c } from './c.ts'
import { C_prime as c_prime } from './c_prime.ts'
import { D as d } from './d.ts'
import { E as e } from './e.ts'
import { F as f } from './f.ts'
import { G as g } from './g.ts'

/** Tracked, since models of others call the protocols' functions: a call without `yield*` is noticed. */
export const [A, B, C, C_prime, D, E, F, G] = [a, b, c, c_prime, d, e, f, g].map(allTracked) as EightProtocols

type EightProtocols = [Protocol, Protocol, Protocol, Protocol, Protocol, Protocol, Protocol, Protocol]

/** All protocols, in the order in which they were proposed or shipped. */
export const protocols: readonly Protocol[] = [A, B, C, C_prime, D, E, F, G]

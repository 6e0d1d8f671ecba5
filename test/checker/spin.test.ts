// SPDX-License-Identifier: GPL-2.0-or-later
/** The verdicts of SPIN on independent Promela models of the bench systems. */
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { systems } from '../../bench/models/index.ts'
import { compile, run, spinMissing } from '../../bench/spin.ts'
import { check } from '../../src/checker/index.ts'
import { needs } from '../support/needs.ts'

const promela = fileURLToPath(new URL('../../bench/promela', import.meta.url))

needs(spinMissing()).describe('SPIN', () => {
  it.each(systems.flatMap(s => [false, true].map(broken => ({ name: s.name, broken, s }))))(
    'agrees on $name, broken: $broken',
    async ({ s, broken }) => {
      const pan = compile(s, promela, 'small', broken, ['-O0'])
      const spin = run(pan, [...s.spin.run, '-m1000000'])
      rmSync(dirname(pan), { recursive: true })
      const reduced = await check(s.build(s.sizes.small, broken))
      const plain = await check(s.build(s.sizes.small, broken), { symmetry: false, partialOrder: false })
      expect(spin.verdict).toBe(broken ? 'violated' : 'holds')
      expect(reduced.verdict).toBe(spin.verdict)
      expect(plain.verdict).toBe(spin.verdict)
      // Two states more are those in which init starts the processes. Teardown's twin has dead local values in a few more.
      if (!broken && s.spin.run.length === 0) {
        expect(spin.states).toBeGreaterThanOrEqual(plain.states + 2)
        expect(spin.states).toBeLessThanOrEqual(Math.ceil(plain.states * 1.02))
      }
    },
  )
})

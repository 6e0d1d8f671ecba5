// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Tests that need what not every machine has: a program, a browser, recordings of real kernels. Without it they are skipped
 * and say why, and what they go through is not even collected: Vitest would call the body of a skipped suite, which fails
 * where it runs the program that is missing, and a suite whose loop over recordings finds none fails for having no tests.
 */
import { describe, test } from 'vitest'
import { data, dataPath, type Missing } from '../../testkit/data.ts'

interface Needing {
  describe(name: string, body: () => void): void
  test(name: string, body: () => unknown, timeout?: number): void
}

/** `needs(program('zstd')).describe(...)`: the suite, or in its place one skipped test of its name. */
export function needs(...all: Missing[]): Needing {
  const missing = all.filter(one => one !== undefined)
  if (missing.length === 0) return { describe, test }
  const skipped = (name: string) => test(name, ({ skip }) => skip(`no ${missing.join(', no ')}`))
  return { describe: skipped, test: skipped }
}

/** Needs something to go through: what was chosen from the shared data may be nothing. */
export function some(chosen: readonly unknown[]): Missing {
  return chosen.length > 0 ? undefined : (data() ?? `recordings of the kind in ${dataPath('.')}`)
}

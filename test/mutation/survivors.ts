// SPDX-License-Identifier: GPL-2.0-or-later
/** Mutants that nothing can catch, and why. */
import type { Mutant } from './mutants.ts'

interface Survivor {
  readonly file: RegExp
  readonly kind?: Mutant['kind']
  readonly before: RegExp
  readonly after?: RegExp
  readonly why: string
}

const survivors: readonly Survivor[] = []

/** Why the mutant behaves as the model does, or nothing else could; undefined when it should have been caught. */
export function reasonFor(mutant: Mutant): string | undefined {
  return survivors.find(
    s =>
      s.file.test(mutant.file) &&
      (s.kind === undefined || s.kind === mutant.kind) &&
      s.before.test(mutant.before) &&
      (s.after === undefined || s.after.test(mutant.after)),
  )?.why
}

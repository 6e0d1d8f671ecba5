// SPDX-License-Identifier: GPL-2.0-or-later
import { type Random, random } from '../../testkit/random.ts'
import { exercise, type Outcome } from './exercise.ts'
import { mutant } from './mutate.ts'
import { SEEDS } from './seeds.ts'

/** Kinds of seeds whose name starts so. */
export function kindsOf(prefix: string): string[] {
  return SEEDS.filter(({ kind }) => kind.startsWith(prefix)).map(({ kind }) => kind)
}

/** The n-th mutant of a run; the same for the same seed and kinds, whatever ran before. */
export function makeCase(
  seed: number,
  index: number,
  prefix = '',
): { kind: string; bytes: Uint8Array; random: Random } {
  const source = random(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b))
  const seeds = SEEDS.filter(({ kind }) => kind.startsWith(prefix))
  const chosen = seeds[index % seeds.length]!
  return { kind: chosen.kind, bytes: mutant(chosen, SEEDS, source), random: source }
}

export async function runCase(seed: number, index: number, prefix = ''): Promise<Outcome> {
  const { bytes, random } = makeCase(seed, index, prefix)
  return exercise(bytes, random)
}

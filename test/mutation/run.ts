// SPDX-License-Identifier: GPL-2.0-or-later
/** `npm run mutate [-- COUNT SEED REPORT]`, from the project's root: seeded mutants of the model, each caught or listed. */
import { allMutants, baseline, type Outcome, tryMutant, writeReport } from './harness.ts'
import { sample } from './mutants.ts'
import { reasonFor } from './survivors.ts'

const [count = 220, seed = 1] = process.argv.slice(2, 4).map(Number)
const report = process.argv[4]
const root = process.cwd()
const expected = await baseline(root)
const all = allMutants(root)
const chosen = sample(all, count, seed)
const outcomes: Outcome[] = []
for (const mutant of chosen) {
  const outcome = await tryMutant(root, mutant, expected)
  outcomes.push(outcome)
  const { file, line, kind, before, after } = mutant
  const why = reasonFor(mutant)
  if (!outcome.caught)
    process.stdout.write(`survives ${file}:${line} ${kind}: ${before} => ${after} (${why ?? 'NO REASON'})\n`)
  if (report) writeReport(report, outcomes)
}
const caught = outcomes.filter(o => o.caught).length
const unexplained = outcomes.filter(o => !o.caught && !reasonFor(o.mutant)).length
process.stdout.write(
  `${caught} of ${outcomes.length} mutants caught (of ${all.length}, seed ${seed}), ${unexplained} without a reason\n`,
)
process.exitCode = unexplained > 0 ? 1 : 0

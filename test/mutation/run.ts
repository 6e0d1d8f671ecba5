// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run mutate [-- COUNT SEED REPORT MINUTES]`, from the project's root: seeded mutants of the model, each caught or listed.
 * With a report, a run goes on where the last one stopped, and stops after so many minutes.
 */
import {
  allMutants,
  knownOutcome,
  openReport,
  type ToldOutcome,
  toldOutcome,
  tryMutant,
  writeReport,
} from './harness.ts'
import { sample } from './mutants.ts'
import { reasonFor } from './survivors.ts'

const [count = 220, seed = 1] = process.argv.slice(2, 4).map(Number)
const [report, minutes = 'Infinity'] = process.argv.slice(4)
const root = process.cwd()
const end = Date.now() + Number(minutes) * 60_000
const known = await openReport(root, report)
const all = allMutants(root)
const chosen = sample(all, count, seed)
const outcomes: ToldOutcome[] = []
let unexplained = 0
for (const mutant of chosen) {
  const before = knownOutcome(known, mutant)
  if (!before && Date.now() > end) break
  const outcome = before ?? toldOutcome(await tryMutant(root, mutant, known.expected))
  outcomes.push(outcome)
  if (!outcome.caught) {
    const why = reasonFor(mutant)
    if (!why) unexplained++
    const { file, line, kind } = mutant
    process.stdout.write(
      `survives ${file}:${line} ${kind}: ${mutant.before} => ${mutant.after} (${why ?? 'NO REASON'})\n`,
    )
  }
  if (report) writeReport(report, { ...known, outcomes })
}
const caught = outcomes.filter(o => o.caught).length
process.stdout.write(
  `${caught} of ${outcomes.length} mutants caught (of ${all.length}, seed ${seed}), ${unexplained} without a reason\n`,
)
if (outcomes.length < chosen.length)
  process.stdout.write(`${chosen.length - outcomes.length} of ${count} not tried yet\n`)
process.exitCode = unexplained > 0 ? 1 : 0

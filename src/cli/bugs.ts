// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check --bugs`: checks each bug of the corpus in its broken form and in its fixed form. */
import { type Bug, bugs } from '../linux/bugs/index.ts'
import { type Scenario, type Verified, verify } from '../linux/index.ts'
import { type BugRow, bugFound, bugJson, bugsEnd, bugText } from '../report/bugs.ts'
import { writeCounterexample } from './counterexample.ts'
import { UsageError } from './errors.ts'
import { Exit } from './exit-codes.ts'
import { type CheckFlags, clearProgress, engineOptions, storesOf } from './model-flags.ts'
import type { ModelHost } from './model-host.ts'
import { writeReport } from './write-report.ts'

/**
 * Returns `CLEAN` if every broken form is violated and every fixed form holds, as the corpus says, `INCOMPLETE` if the other
 * forms are inconclusive, and `FOUND` if a verdict differs from the corpus.
 */
export async function checkBugs(ids: string | undefined, flags: CheckFlags, host: ModelHost): Promise<Exit> {
  const wanted = ids === undefined ? bugs : ids.split(',').map(bugOf)
  if (flags.ftrace !== undefined && wanted.length > 1)
    throw new UsageError('--ftrace writes one counterexample: say one row, as in --bugs 3 --ftrace FILE')
  const rows: BugRow[] = []
  for (const bug of wanted) {
    const on = storesOf(flags)
    const broken = await checkOne({ ...bug.broken, ...on }, bug.breaks, flags, host)
    const fixed = await checkOne({ ...bug.fixed, ...on }, bug.keeps, flags, host)
    rows.push({ bug, broken, fixed })
    if (!flags.json) process.stdout.write(`${bugText(rows.at(-1)!)}\n`)
  }
  const found = rows.filter(bugFound).length
  if (flags.json) process.stdout.write(`${JSON.stringify(rows.flatMap(bugJson), null, 2)}\n`)
  else process.stdout.write(bugsEnd(found, rows.length, ids === undefined))
  if (flags.html !== undefined) await writeReport(flags.html, rows.flatMap(bugJson), 'lastput check --bugs')
  if (flags.ftrace !== undefined) await writeFtrace(flags.ftrace, rows[0]!)
  if (found === rows.length) return Exit.CLEAN
  return rows.every(row => bugFound(row) || isOpen(row)) ? Exit.INCOMPLETE : Exit.FOUND
}

function isOpen({ broken, fixed }: BugRow): boolean {
  return [broken, fixed].some(({ verdict }) => verdict.verdict === 'inconclusive')
}

/** Writes the counterexample of the broken form as ftrace text. */
async function writeFtrace(file: string, { bug, broken }: BugRow): Promise<void> {
  if (broken.verdict.verdict === 'violated') await writeCounterexample(file, broken)
  else process.stderr.write(`lastput check: bug ${bug.id} was not found, so there is no counterexample to write\n`)
}

function bugOf(id: string): Bug {
  const bug = bugs.find(b => b.id === id)
  if (!bug) throw new UsageError(`no row ${id}: there are ${bugs.map(b => b.id).join(', ')}`)
  return bug
}

function checkOne(
  scenario: Scenario,
  properties: readonly string[],
  flags: CheckFlags,
  host: ModelHost,
): Promise<Verified> {
  return verify(scenario, { ...engineOptions(flags, host), properties }).finally(clearProgress)
}

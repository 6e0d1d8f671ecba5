// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check --bugs` and `--matrix`: many systems, one table. */
import { bugs } from '../linux/bugs/index.ts'
import { drivers, properties, type Scenario, searches, type Verified, verify } from '../linux/index.ts'
import { type MatrixSystem, matrix } from '../linux/matrix.ts'
import { checkJson } from '../report/check.ts'
import { type BugRow, bugFound, bugText, type MatrixRow, matrixJson, matrixText } from '../report/matrix.ts'
import { driverOf, UsageError } from './model-file.ts'
import { type CheckFlags, engineOptions } from './model-flags.ts'
import { writeReport } from './write-report.ts'

/** Exit code 0 when every broken form breaks and every fixed form holds. */
export async function checkBugs(ids: string | undefined, flags: CheckFlags): Promise<number> {
  const wanted = ids ? bugs.filter(b => ids.split(',').includes(b.id)) : bugs
  if (wanted.length === 0) throw new UsageError(`no row ${ids}: there are ${bugs.map(b => b.id).join(', ')}`)
  const rows: BugRow[] = []
  for (const bug of wanted) {
    const broken = await checkOne(bug.broken, bug.breaks, flags)
    const fixed = await checkOne(bug.fixed, bug.keeps, flags)
    rows.push({ bug, broken, fixed })
    if (!flags.json) process.stdout.write(bugText(rows.at(-1)!))
  }
  const found = rows.filter(bugFound).length
  if (flags.html !== undefined) await writeReport(flags.html, rows.flatMap(bugJson), 'lastput check --bugs')
  if (flags.json) process.stdout.write(`${JSON.stringify(rows.flatMap(bugJson), null, 2)}\n`)
  else process.stdout.write(`\n${found} of ${rows.length} found in the broken form and absent from the fixed one\n`)
  return found === rows.length ? 0 : 1
}

function bugJson({ bug, broken, fixed }: BugRow): Record<string, unknown>[] {
  const of = (form: string, checked: Verified) => ({ bug: bug.id, title: bug.title, form, ...checkJson(checked) })
  return [of('broken', broken), of('fixed', fixed)]
}

/** Exit code 0 when the table is complete: that promises are broken in it is its point. */
export async function checkMatrix(name: string | undefined, flags: CheckFlags): Promise<number> {
  const rows: MatrixRow[] = []
  for (const of of matrix(name ? [await driverOf(name)] : drivers, flags)) {
    const verdicts = await everyProperty(of, flags)
    rows.push({ of, verdicts })
    if (process.stderr.isTTY) process.stderr.write(`\r${of.system.name}\x1b[K\n`)
  }
  if (flags.html !== undefined) await writeReport(flags.html, matrixJson(rows), 'lastput check --matrix')
  process.stdout.write(flags.json ? `${JSON.stringify(matrixJson(rows), null, 2)}\n` : matrixText(rows))
  return rows.some(r => Object.values(r.verdicts).some(v => v.verdict.verdict === 'inconclusive')) ? 2 : 0
}

/** Checks for all; each property that turns out broken is noted and left out of the next search. */
async function everyProperty({ system }: MatrixSystem, flags: CheckFlags): Promise<Record<string, Verified>> {
  const verdicts: Record<string, Verified> = {}
  let open = flags.property ?? Object.keys(properties)
  while (open.length > 0) {
    for (const group of searches(open)) {
      const checked = await checkOne(system, group, flags)
      const { verdict, property } = checked.verdict
      for (const p of verdict === 'violated' ? [property!] : group) verdicts[p] = checked
    }
    open = open.filter(p => !(p in verdicts))
  }
  return verdicts
}

function checkOne(scenario: Scenario, properties: readonly string[], flags: CheckFlags): Promise<Verified> {
  return verify(scenario, { ...engineOptions(flags), properties })
}

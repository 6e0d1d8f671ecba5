// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check --bugs` as text and JSON. */
import type { Verdict } from '../checker/index.ts'
import type { Bug } from '../linux/bugs/index.ts'
import type { Scenario } from '../linux/scenario/build.ts'
import type { Verified } from '../linux/scenario/verify.ts'
import { checkJson } from './check.ts'
import { grouped, newsOf, plural, wrap } from './words.ts'

export interface BugRow {
  readonly bug: Bug
  readonly broken: Verified
  readonly fixed: Verified
}

/** True if the check finds one of the expected violations in the buggy version, and the fixed one holds. */
export function bugFound({ bug, broken, fixed }: BugRow): boolean {
  const { verdict, property } = broken.verdict
  return verdict === 'violated' && bug.breaks.includes(property!) && fixed.verdict.verdict === 'holds'
}

export function bugText(row: BugRow): string {
  const { bug } = row
  const form = (name: string, { driver, protocol }: Scenario, v: Verdict) =>
    wrap(
      `${driver.name} under ${protocol.id}: ${tell(v)} (${grouped(v.states)} states, ${v.seconds.toFixed(2)} s)`,
      `  ${name}  `,
      '          ',
    )
  const lines = [
    ...wrap(bug.title, `${bugFound(row) ? 'found' : 'NOT FOUND'} ${bug.id}: `, '  '),
    ...wrap(bug.mechanism, '  ', '  '),
    ...wrap(`${bug.confirmed.status}: ${bug.confirmed.where}`, '  ', '  '),
    ...form('broken', bug.broken, row.broken.verdict),
    ...form('fixed ', bug.fixed, row.fixed.verdict),
  ]
  return `${lines.join('\n')}\n`
}

const LEFT_OUT =
  'Every row of the corpus can be expressed in the model. Left out of it are CVE-2024-40948 (page_ext) and the WARN_ON_ONCE(ref < 0) of ' +
  'fs/dax on an unsigned value: neither is a fault in counting references. Rows named new-... are what the model found; how sure it ' +
  'is that a kernel does it stands with each.'

/** Returns the text after the last row. */
export function bugsEnd(found: number, of: number, all: boolean): string {
  const count = `${found} of ${plural(of, 'bug')} found: violated when broken, holding when fixed`
  return `${[count, ...(all ? ['', ...wrap(LEFT_OUT, '', '')] : [])].join('\n')}\n`
}

function tell(v: Verdict): string {
  if (v.verdict === 'violated') {
    const news = newsOf(v.property!, v.message)
    return `violated ${v.property} in ${plural(v.counterexample?.length ?? 0, 'step')}${news && `: ${news}`}`
  }
  return `${v.verdict}${v.reason ? ` (${v.reason})` : ''}`
}

/** Returns two documents `lastput.check/2`, of the buggy and the fixed version, with the bug and the version they are about. */
export function bugJson({ bug, broken, fixed }: BugRow): Record<string, unknown>[] {
  const of = (form: string, checked: Verified) => ({
    ...checkJson(checked),
    bug: bug.id,
    title: bug.title,
    mechanism: bug.mechanism,
    confirmed: bug.confirmed,
    form,
  })
  return [of('broken', broken), of('fixed', fixed)]
}

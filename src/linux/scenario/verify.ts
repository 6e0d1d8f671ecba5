// SPDX-License-Identifier: GPL-2.0-or-later
/** Checks one scenario for several properties, by as many searches as they need. */
import { type CheckOptions, check, type Verdict } from '../../checker/index.ts'
import { searches } from '../properties.ts'
import { type Built, build, type Scenario } from './build.ts'

export interface Verified {
  readonly scenario: Scenario
  readonly built: Built
  readonly verdict: Verdict
}

/**
 * The first broken property, or what the largest search says when none is; seconds are those of all searches.
 * @throws Error for a role that the driver does not have.
 */
export async function verify(scenario: Scenario, options: CheckOptions = {}): Promise<Verified> {
  const built = build(scenario)
  let seconds = 0
  let largest: Verified | undefined
  const kept: Verdict[] = []
  for (const part of searches(options.properties, options.except)) {
    const verdict = await check(built.system, { ...options, ...part })
    seconds += verdict.seconds
    const done = { scenario, built, verdict: { ...verdict, seconds } }
    if (verdict.verdict !== 'holds') return done
    kept.push(verdict)
    if (!largest || verdict.states > largest.verdict.states) largest = done
  }
  if (!largest) throw new Error('no property to check')
  return { ...largest, verdict: { ...largest.verdict, seconds, ...whatItIsWorth(kept) } }
}

/** What is said of the verdicts together: what was not put to the test, and what was taken for granted. */
function whatItIsWorth(kept: readonly Verdict[]): Pick<Verdict, 'vacuous' | 'assumes'> {
  const vacuous = kept.flatMap(v => v.vacuous ?? [])
  const assumes = kept.flatMap(v => v.assumes ?? [])
  return { ...(vacuous.length > 0 ? { vacuous } : {}), ...(assumes.length > 0 ? { assumes } : {}) }
}

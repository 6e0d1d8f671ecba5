// SPDX-License-Identifier: GPL-2.0-or-later
/** Checks one scenario for several properties, with as many searches as these need. */
import { type CheckOptions, check, type Verdict } from '../../checker/index.ts'
import type { DriverParts, ThreadCounts } from '../driver.ts'
import { searches } from '../properties.ts'
import { type Built, build, type Scenario } from './build.ts'

export interface Verified {
  readonly scenario: Scenario
  readonly built: Built
  readonly verdict: Verdict
}

/**
 * Returns the verdict of the first search that does not hold, or that of the largest search if all hold. Its seconds are
 * those of all searches. A scenario without threads is checked with the driver's default ones, then with those of
 * {@link DriverParts.also}.
 * @throws Error for a role that the driver does not have.
 */
export async function verify(scenario: Scenario, options: CheckOptions = {}): Promise<Verified> {
  const first = await verifyThreads(scenario, options)
  let { verdict } = first
  for (const threads of scenario.threads ? [] : alsoOf(first.built.parts)) {
    if (verdict.verdict !== 'holds') break
    const next = await verifyThreads({ ...scenario, threads }, timeLeft(options, verdict.seconds))
    const seconds = verdict.seconds + next.verdict.seconds
    if (next.verdict.verdict !== 'holds') return { ...next, verdict: { ...next.verdict, seconds } }
    verdict = { ...verdict, seconds, bounds: `${verdict.bounds}, and then ${threadsOf(next.verdict.bounds)}` }
  }
  return { ...first, verdict }
}

/** The scenarios of {@link DriverParts.also}, without those whose roles the driver has replaced by its own. */
function alsoOf({ also = [], scenarios = {}, roles }: DriverParts): ThreadCounts[] {
  return also.map(name => scenarios[name]!).filter(threads => Object.keys(threads).every(role => role in roles))
}

function timeLeft(options: CheckOptions, seconds: number): CheckOptions {
  return options.time === undefined ? options : { ...options, time: Math.max(0, options.time - seconds) }
}

/** The part after pages and addresses of bounds such as `2 pages, 2 addresses, 3 threads (migrate:2, exit)`. */
function threadsOf(bounds: string): string {
  return bounds.split(', ').slice(2).join(', ')
}

async function verifyThreads(scenario: Scenario, options: CheckOptions): Promise<Verified> {
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

/** The vacuous properties and the assumptions of all verdicts together. */
function whatItIsWorth(kept: readonly Verdict[]): Pick<Verdict, 'vacuous' | 'assumes'> {
  const vacuous = kept.flatMap(v => v.vacuous ?? [])
  const assumes = kept.flatMap(v => v.assumes ?? [])
  return { ...(vacuous.length > 0 ? { vacuous } : {}), ...(assumes.length > 0 ? { assumes } : {}) }
}

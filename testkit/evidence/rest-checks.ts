// SPDX-License-Identifier: GPL-2.0-or-later
/** Sentences about references that watched pages had before the recording: who put the last, and who used the page then. */
import { type Check, check } from './check.ts'
import type { PageEvent } from './reading.ts'
import { accusedOf, eventOf, isAt, isSpan, type Problem, type Subject } from './subject.ts'

/** The put that left the page without a reference, from the accused event on. */
function lastPut({ finding, page }: Subject): PageEvent | undefined {
  const actor = accusedOf(finding)
  const accused = actor && eventOf(page, actor)
  // A page that is used while it is free is told of by who used it.
  const isUse = finding.kind !== 'surplus-put'
  const isIt = ({ ordinal }: PageEvent) => accused && (isUse ? ordinal <= accused.ordinal : ordinal >= accused.ordinal)
  return page.events.find(event => event.delta < 0 && event.after === 0 && isIt(event))
}

function freedIt(subject: Subject): Problem {
  return lastPut(subject) ? undefined : 'no put left the page without a reference'
}

function freedAt(subject: Subject, [, site]: readonly string[]): Problem {
  const put = lastPut(subject)
  if (!put) return 'no put left the page without a reference'
  return isAt(put, site!) ? undefined : `it is at ${put.site.join(' < ')}`
}

function usedLater(subject: Subject, [, site, what, span]: readonly string[]): Problem {
  const put = lastPut(subject)
  if (!put) return 'no put left the page without a reference'
  const isUse = ({ ordinal, delta }: PageEvent) => ordinal > put.ordinal && (what === 'put it' ? delta < 0 : delta > 0)
  const uses = subject.page.events.filter(event => isUse(event) && isAt(event, site!))
  if (uses.length === 0) return `nobody did so at ${site} afterwards`
  return uses.some(({ time }) => isSpan(span!, time - put.time)) ? undefined : 'it was at another time'
}

export const REST_CHECKS: readonly Check[] = [
  check(/^it put the last reference, which was held since before the recording, and the page was freed$/, freedIt),
  check(/^so that (.+) put the last reference, and the page was freed$/, freedAt),
  check(/^(.+) put the last reference, which was held since before the recording$/, freedAt),
  check(
    /^(.+) (took a reference to it|put it) (-?[\d.]+ \w+) later, and nothing had handed it out to that use$/,
    usedLater,
  ),
]

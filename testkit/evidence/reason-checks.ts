// SPDX-License-Identifier: GPL-2.0-or-later
/** Sentences that give reasons for one of the candidates. */
import type { Candidate } from '../../src/ledger/findings/finding.ts'
import { Op } from '../../src/trace/events.ts'
import {
  eventOf,
  eventsOf,
  isAtAny,
  lawOf,
  openLifetime,
  type Problem,
  type Subject,
  UNCHECKED,
  unitsUnder,
} from './subject.ts'

type Check = (subject: Subject, candidate: Candidate) => Problem | typeof UNCHECKED

// If the core resets counts, the set of an allocation takes a reference without changing the count.
const takesUnder: Check = ({ page }, { actor }) =>
  eventsOf(page, actor).some(({ delta, op, val }) => delta > 0 || (op === Op.SET && val > 0))
    ? undefined
    : 'it took nothing'

const putsUnder: Check = (subject, { actor }) => {
  const put = eventOf(subject.page, actor)
  const law = lawOf(subject)
  if (!put || put.delta >= 0) return 'it put nothing'
  if (subject.finding.law === undefined) return 'the finding has no law'
  return law && !isAtAny(put, law.puts) ? 'its put is none of the law' : undefined
}

const gaveMore: Check = (subject, { actor }) => {
  const put = eventOf(subject.page, actor)
  return !put || put.delta >= 0 ? 'it put nothing' : undefined
}

const nothingOut: Check = (subject, { actor }) => {
  const { finding, page } = subject
  const put = eventOf(page, actor)
  if (!put || put.delta >= 0) return 'it put nothing'
  if (finding.law === undefined) return 'there is no law'
  const law = lawOf(subject)
  if (!law || !page.isClean || page.isReset) return UNCHECKED
  const from = finding.life.began ?? -Infinity
  const before = page.events.filter(({ ordinal, time }) => ordinal < put.ordinal && time >= from)
  const out = before.reduce((sum, event) => sum + unitsUnder(law, event), 0)
  return out > 0 ? `${out} references of the law were out` : undefined
}

const itsTaskHasNone: Check = (subject, { actor }) => {
  const { page } = subject
  const put = eventOf(page, actor)
  const law = lawOf(subject)
  if (!put || put.delta >= 0) return 'it put nothing'
  if (!law) return UNCHECKED
  const own = page.events.filter(({ ordinal, pid }) => ordinal < put.ordinal && pid === put.pid)
  const out = own.reduce((sum, event) => sum + unitsUnder(law, event), 0)
  return out > 0 ? `its task had ${out} references of the law out` : undefined
}

/** Checks that the open references of the law are those that the finding is about. */
const onlyOut: Check = (subject, candidate) => {
  const { finding, page } = subject
  const law = lawOf(subject)
  const lifetime = openLifetime(subject)
  if (!law || !lifetime || !page.isClean || page.isReset) return takesUnder(subject, candidate)
  const out = lifetime.events.reduce((sum, event) => sum + unitsUnder(law, event), 0)
  return out < finding.references ? `${out} references of the law are out` : takesUnder(subject, candidate)
}

const withoutLaw: Check = ({ finding }) => (finding.law === undefined ? undefined : 'the finding has a law')

const handedOutThere: Check = ({ reading, finding }, { actor }) =>
  reading.probes.some(({ op, pfn, time }) => op === Op.PAGE_ALLOC && pfn === finding.pfn && time === actor.time)
    ? undefined
    : 'no lastput_alloc of the page came then'

const lawlessGet: Check = (subject, candidate) => withoutLaw(subject, candidate) ?? takesUnder(subject, candidate)

const REASONS: readonly [string, Check][] = [
  ['it took the only one that is out by the laws', onlyOut],
  ['no law has its reference, and no put is left for it', lawlessGet],
  ['it took the oldest of those that may be out', onlyOut],
  ['its references come back by the same puts', takesUnder],
  ['the lifetimes do not tell whether its references come back by these puts', takesUnder],
  ['it puts under the same law', putsUnder],
  ['no law says what it gives back', withoutLaw],
  ['it gave back more than was out', gaveMore],
  ['it gave back more than in any other lifetime', gaveMore],
  ['nothing of its law was out when it came', nothingOut],
  ['its task had nothing of its law out when it came', itsTaskHasNone],
  ['it was the first to find the page free', () => undefined],
  ['it is what contradicts the count', () => undefined],
  ['it handed the page out while it was in use', () => undefined],
  ['the page was handed out there', handedOutThere],
]

export const REASON_CHECKS: ReadonlyMap<string, Check> = new Map(REASONS)

// SPDX-License-Identifier: GPL-2.0-or-later
/** The events of a lifetime as they are shown: with what each gives back, and with what findings rest on that changed no count. */
import type { ActorJson, EventJson, FindingJson } from './documents.ts'

export interface ShownEvent extends EventJson {
  /** A put of what had been taken before these events. */
  earlier?: true
  /** The kind of finding that rests on it, where it changed no count: a page that is used or freed, as probes saw it. */
  act?: string
}

/** True if an event has no partner although it changed the count, and should have one: what findings are made of. */
export function isUnmatched({ val, partner, base, earlier }: ShownEvent): boolean {
  return val !== 0 && partner === null && base !== true && earlier !== true
}

/**
 * Tells which puts give back what was taken before these events: as many as were held then beyond the count of an idle page. Those
 * that come first, since nobody can tell them from others.
 */
export function withEarlier(events: readonly EventJson[], idle: number): ShownEvent[] {
  const [first] = events
  let held = first ? first.count - first.val - idle : 0
  return events.map(event => {
    if (event.val >= 0 || event.partner !== null || event.base || held <= 0) return event
    held += event.val
    return { ...event, earlier: true }
  })
}

/**
 * Puts what findings rest on between the events of a lifetime, by time.
 *
 * @param until time from which on nothing is of this lifetime any more
 */
export function withActs(
  events: readonly ShownEvent[],
  findings: readonly FindingJson[],
  until: number = Infinity,
): ShownEvent[] {
  const from = events[0]?.time ?? -Infinity
  const acts = findings.flatMap(finding => actOf(finding, events)).filter(({ time }) => time >= from && time < until)
  if (acts.length === 0) return [...events]
  const all: { event: ShownEvent; was: number }[] = events.map((event, was) => ({ event, was }))
  for (const act of acts) {
    // Of one moment, what changed the count comes first: the finding is about what was after that.
    const behind = all.findIndex(({ event }) => event.time > act.time)
    const at = behind < 0 ? all.length : behind
    const count = all[at - 1]?.event.count ?? act.count
    all.splice(at, 0, { event: { ...act, count }, was: -1 })
  }
  const places = new Map(all.map(({ was }, i) => [was, i]))
  return all.map(({ event }) => ({ ...event, partner: event.partner === null ? null : places.get(event.partner)! }))
}

function actOf(finding: FindingJson, events: readonly EventJson[]): ShownEvent[] {
  const actor: ActorJson | undefined = finding.culprit ?? finding.candidates[0]
  if (actor?.val !== 0) return []
  if (events.some(({ time, pid }) => time === actor.time && pid === actor.pid)) return []
  return [{ ...actor, act: finding.kind, count: finding.count ?? 0, partner: null }]
}

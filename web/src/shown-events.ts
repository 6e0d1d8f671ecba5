// SPDX-License-Identifier: GPL-2.0-or-later
/** Prepares the events of a lifetime for display: marks puts of earlier references, and inserts probes that findings rest on. */
import type { ActorJson, EventJson, FindingJson } from './documents.ts'

export interface ShownEvent extends EventJson {
  /** The put drops a reference that was taken before these events. */
  earlier?: true
  /** For a probe that changed no count (a use or a free of the page): the kind of the finding that rests on it. */
  act?: string
}

/** True if an event changed the count and should have a partner, but has none. */
export function isUnmatched({ val, partner, base, earlier }: ShownEvent): boolean {
  return val !== 0 && partner === null && base !== true && earlier !== true
}

/**
 * Marks the puts of references that were taken before these events. Their number is what was held at the start beyond an idle
 * page's count. The first puts without a partner are taken for them, since nothing distinguishes them from others.
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
 * Inserts the probes that findings rest on between the events of a lifetime, by time.
 *
 * @param until time at which the page's next lifetime begins
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
    // At equal times, the change of the count comes first, because the finding is about the state after it.
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

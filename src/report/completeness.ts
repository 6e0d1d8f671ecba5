// SPDX-License-Identifier: GPL-2.0-or-later
/** Tells whether all of a recording was judged. If something may have been missed, "nothing was found" is no proof. */
import type { Account, PagesHeld } from '../ledger/account.ts'
import type { Damage } from '../trace/events.ts'
import { grouped, plural } from './words.ts'

/**
 * Why something may have been missed:
 * - `no-events`: the input has no page_ref event, and no probes by which lifetimes can be told
 * - `damaged`: the file is cut off, or does not make sense somewhere
 * - `lost-events`: the recorder dropped or overwrote events, as it says itself
 * - `unknown-changes`: watched counts changed by amounts that are not known
 * - `unrecorded`: counts changed without an event (a filter, a CPU that was not recorded, a module without tracepoints)
 * - `limit`: more was found than is kept in memory
 */
export const REASONS = ['no-events', 'damaged', 'lost-events', 'unknown-changes', 'unrecorded', 'limit'] as const
export type Reason = (typeof REASONS)[number]

export interface Incompleteness {
  reason: Reason
  /** In words. */
  text: string
}

/** Returns why something may have been missed; empty where all was judged. */
export function incompleteness(account: Account, damage: readonly Damage[]): Incompleteness[] {
  const { lost, unknownChanges, unrecorded, dropped, uncounted } = account
  const all: Incompleteness[] = []
  const add = (reason: Reason, text: string) => all.push({ reason, text })
  if (account.events + account.skipped + uncounted === 0)
    add('no-events', 'the input has neither page_ref events nor hand-outs and returns of pages')
  all.push(...damagedOf(damage))
  if (lost.gaps > 0) {
    const many = lost.events === undefined ? 'events' : plural(lost.events, 'event')
    add('lost-events', `${many} were lost in ${plural(lost.gaps, 'gap')}`)
  }
  if (unknownChanges > 0)
    add(
      'unknown-changes',
      `the ${unknownChanges === 1 ? 'amount of 1 change' : `amounts of ${grouped(unknownChanges)} changes`} of watched counts ${unknownChanges === 1 ? 'is' : 'are'} not known`,
    )
  if (unrecorded > 0) add('unrecorded', `counts changed ${grouped(unrecorded)} times without a recorded event`)
  const more = dropped.incidents + dropped.shapes
  if (more > 0) add('limit', `${grouped(more)} incidents or lifetimes exceeded what can be kept`)
  return all
}

/** The same for an answer about who holds pages. */
export function whoIncompleteness(
  { lossy, isOfUnknownChanges, dropped }: PagesHeld,
  damage: readonly Damage[],
): Incompleteness[] {
  const lost: Incompleteness = isOfUnknownChanges
    ? { reason: 'unknown-changes', text: UNKNOWN_CHANGES }
    : { reason: 'lost-events', text: 'events were lost' }
  const more = { reason: 'limit', text: `${plural(dropped, 'page')} in use are left out` } as const
  return [...damagedOf(damage), ...(lossy ? [lost] : []), ...(dropped > 0 ? [more] : [])]
}

export const UNKNOWN_CHANGES = 'the amounts of some changes are not known'

/** The same for events that are listed one by one. @param shown numbers of events, and of gaps among them */
export function eventsIncompleteness(
  shown: { events: number; gaps: number; unknownChanges: number },
  damage: readonly Damage[],
): Incompleteness[] {
  const none = { reason: 'no-events', text: 'the input has no event that is shown' } as const
  const lost = { reason: 'lost-events', text: 'events were lost, where the output says so' } as const
  const unknown = { reason: 'unknown-changes', text: `${UNKNOWN_CHANGES}, where the output says so` } as const
  return [
    ...(shown.events === 0 ? [none] : []),
    ...damagedOf(damage),
    ...(shown.gaps > 0 ? [lost] : []),
    ...(shown.unknownChanges > 0 ? [unknown] : []),
  ]
}

function damagedOf({ length }: readonly Damage[]): Incompleteness[] {
  return length > 0 ? [{ reason: 'damaged', text: `the input is damaged in ${plural(length, 'place')}` }] : []
}

/** Returns the reasons as members of a JSON document. */
export function completenessJson(reasons: readonly Incompleteness[]): { complete: boolean; reasons: object[] } {
  return { complete: reasons.length === 0, reasons: reasons.map(({ reason, text }) => ({ reason, text })) }
}

/** Returns one line on damage: the amount, and the first place. */
export function damageLine(damage: readonly Damage[]): string {
  const [first] = damage
  if (!first) return ''
  const one = `${first.file}: offset ${first.offset}: ${first.expected}`
  return damage.length === 1 ? one : `${grouped(damage.length)} places, the first ${one}`
}

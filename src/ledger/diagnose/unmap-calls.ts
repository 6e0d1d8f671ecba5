// SPDX-License-Identifier: GPL-2.0-or-later
/** The calls of memunmap_pages() that probes recorded: the task, the pages, and the times of entry and return. */
import type { Actor } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Naming } from './naming.ts'

export interface UnmapSummary {
  firstPfn: number
  lastPfn: number
  /** The task that entered it, with the time of entry. */
  actor: Actor
  /** Time of the return; undefined if no probe recorded it. */
  returned: number | undefined
  /** True if it had not returned when the recording ended, as far as the recording shows. */
  waits: boolean
}

/** Returns the calls whose range of pages is known, by time. */
export function unmapCalls({ probes: { unmaps } }: LearningTracker, naming: Naming): UnmapSummary[] {
  const waiting = new Set(unmaps.waiting())
  return unmaps.list
    .filter(({ pages }) => pages > 0)
    .map(call => ({
      firstPfn: call.firstPfn,
      lastPfn: call.firstPfn + call.pages - 1,
      actor: naming.actor({ ...call.entered, val: 0 }),
      returned: call.returned?.time,
      waits: waiting.has(call),
    }))
}

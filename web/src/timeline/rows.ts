// SPDX-License-Identifier: GPL-2.0-or-later
import { NO_IDLE, type Timeline } from '../../../src/report/timeline.ts'
import type { FindingJson, TraceJson } from '../documents.ts'
import type { LiveRecording } from '../recording.ts'

/** A finding's mark on the row of its page. */
export interface Mark {
  finding: FindingJson
  /** Its number in the trace. */
  i: number
  /** Time in the timeline; undefined where nothing says when. */
  time: number | undefined
}

/** Which pages have rows. */
export type Choice = 'all' | 'held' | 'findings'

/** The rows of the timeline: pages, grouped by pagemap, and which of them have findings. */
export class Rows {
  /** A page's place in the timeline, or -1 - m for the heading of pagemap m. */
  readonly list: Int32Array
  readonly marks = new Map<number, Mark[]>()

  constructor(trace: TraceJson, { timeline, origin, times }: LiveRecording, choice: Choice) {
    trace.findings.forEach((finding, i) => {
      const page = pageOf(timeline, Number.parseInt(finding.pfn, 16))
      if (page === undefined) return
      const at = (finding.culprit ?? finding.candidates[0])?.time ?? finding.lifetime.began
      const time = at === null ? undefined : (at - origin) * times.scale
      this.marks.set(page, [...(this.marks.get(page) ?? []), { finding, i, time }])
    })
    const ranges = trace.pagemaps.map(({ firstPfn, lastPfn }) =>
      [firstPfn, lastPfn].map(pfn => Number.parseInt(pfn, 16)),
    )
    const list: number[] = []
    let heading = -1
    for (let page = 0; page < timeline.pfns.length; page++) {
      if (choice === 'findings' && !this.marks.has(page)) continue
      if (choice === 'held' && !wasHeld(timeline, page) && !this.marks.has(page)) continue
      const map = ranges.findIndex(([first, last]) => timeline.pfns[page]! >= first! && timeline.pfns[page]! <= last!)
      if (map >= 0 && map !== heading) list.push(-1 - map)
      heading = map
      list.push(page)
    }
    this.list = Int32Array.from(list)
  }
}

/** Whether the page was ever beyond idle after it had been idle: setting up its pagemap is no use of it. */
function wasHeld({ start, count, idle }: Timeline, page: number): boolean {
  const free = idle[page] === NO_IDLE ? 0 : idle[page]!
  let i = start[page]!
  const end = start[page + 1]!
  while (i < end && count[i] !== free) i++
  while (i < end && count[i]! <= free) i++
  return i < end
}

/** A page's place in the timeline. */
export function pageOf({ pfns }: Timeline, pfn: number): number | undefined {
  let low = 0
  let high = pfns.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (pfns[middle]! < pfn) low = middle + 1
    else high = middle
  }
  return pfns[low] === pfn ? low : undefined
}

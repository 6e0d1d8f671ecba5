// SPDX-License-Identifier: GPL-2.0-or-later
import { beginsWithin, type Timeline } from '../../../src/report/timeline.ts'
import type { FindingJson, TraceJson, UnmapJson } from '../documents.ts'
import type { LiveRecording } from '../recording.ts'

/** A finding's mark on the row of its page. */
export interface Mark {
  finding: FindingJson
  /** Index in the document's list of findings. */
  i: number
  /** In the timeline's time; undefined if the time is unknown. */
  time: number | undefined
}

/** A call of memunmap_pages(), which removes the pages of a pagemap. */
export interface Unmapping {
  call: UnmapJson
  /** In the timeline's time. A call that waits ends with the recording; `to` is undefined if the return was not seen. */
  from: number
  to: number | undefined
}

/** Which pages have rows: all, those that had a lifetime or have findings, or only those with findings. */
export type Choice = 'all' | 'held' | 'findings'

/** The rows of the timeline: pages, grouped by pagemap, and which of them have findings. */
export class Rows {
  /** By row: index of a page in the timeline, or -1 - m for the heading of pagemap m. */
  readonly list: Int32Array
  readonly marks = new Map<number, Mark[]>()
  /** Calls of memunmap_pages() by index of the pagemap. */
  readonly unmappings: readonly Unmapping[][]

  constructor(trace: TraceJson, live: LiveRecording, choice: Choice) {
    const { timeline } = live
    this.unmappings = trace.pagemaps.map(map => unmappingsOf(map, trace, live))
    trace.findings.forEach((finding, i) => {
      const page = pageOf(timeline, Number.parseInt(finding.pfn, 16))
      if (page === undefined) return
      const at = timeOf(finding, trace)
      const time = at === undefined ? undefined : live.since(at)
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

/** The time of a finding, as far as it is known. For a teardown that waits, the time at which the call began. */
function timeOf(
  { kind, pfn, culprit, candidates, lifetime }: FindingJson,
  { unmaps = [] }: TraceJson,
): number | undefined {
  const waits = ({ waits, ...call }: UnmapJson) => waits && covers(call, pfn)
  const wait = kind === 'teardown-waits' ? unmaps.find(waits) : undefined
  return (culprit ?? candidates[0] ?? wait)?.time ?? lifetime.began ?? undefined
}

function covers({ firstPfn, lastPfn }: Pick<UnmapJson, 'firstPfn' | 'lastPfn'>, pfn: string): boolean {
  return Number(pfn) >= Number(firstPfn) && Number(pfn) <= Number(lastPfn)
}

function unmappingsOf(
  map: TraceJson['pagemaps'][number],
  { unmaps = [] }: TraceJson,
  live: LiveRecording,
): Unmapping[] {
  return unmaps
    .filter(call => covers(call, map.firstPfn) || covers(map, call.firstPfn))
    .map(call => ({
      call,
      from: live.since(call.time),
      to: call.waits ? live.end : call.returned === null ? undefined : live.since(call.returned),
    }))
}

/** True if the page had a lifetime. The set-up of its pagemap is none. */
function wasHeld(timeline: Timeline, page: number): boolean {
  return beginsWithin(timeline, timeline.start[page]!, timeline.start[page + 1]!) > 0
}

/** Returns the index of a page in the timeline; undefined if it has no events. */
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

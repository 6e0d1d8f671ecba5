// SPDX-License-Identifier: GPL-2.0-or-later
import { beginsWithin, type Timeline } from '../../../src/report/timeline.ts'
import type { FindingJson, TraceJson, UnmapJson } from '../documents.ts'
import type { LiveRecording } from '../recording.ts'

/** A finding's mark on the row of its page. */
export interface Mark {
  finding: FindingJson
  /** Its number in the trace. */
  i: number
  /** Time in the timeline; undefined where nothing says when. */
  time: number | undefined
}

/** A call of memunmap_pages(), which takes a pagemap's pages away. */
export interface Unmapping {
  call: UnmapJson
  /** Times in the timeline; the end of one that waits is that of the recording, and undefined where nothing tells it. */
  from: number
  to: number | undefined
}

/** Which pages have rows. */
export type Choice = 'all' | 'held' | 'findings'

/** The rows of the timeline: pages, grouped by pagemap, and which of them have findings. */
export class Rows {
  /** A page's place in the timeline, or -1 - m for the heading of pagemap m. */
  readonly list: Int32Array
  readonly marks = new Map<number, Mark[]>()
  /** By pagemap, as headings name it. */
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

/** When it went wrong, as far as anything says: of a wait, when it began. */
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

/** Whether the page had a lifetime: setting up its pagemap is no use of it. */
function wasHeld(timeline: Timeline, page: number): boolean {
  return beginsWithin(timeline, timeline.start[page]!, timeline.start[page + 1]!) > 0
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

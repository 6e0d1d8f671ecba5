// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The counts that pages had when the watch began. A sample tells how a count changed; what it was is told only by
 * instructions that return it (compare and exchange, fetch and add) and by stores. One such sample, less all changes before
 * it, gives the count at the start.
 */
import type { EventBatch } from '../../events.ts'
import { Change, Told, WATCHED } from './changes.ts'

/** Samples of a page that return its count after which no more are asked: two CPUs stamp changes in the wrong order at times. */
const ENOUGH = 64

/** A page's count at the start of a watch. */
export interface StartCount {
  count: number
  /** False: nothing told it, and this is the least count that fits all changes. */
  isKnown: boolean
}

/** What is known of one page so far. */
interface Page {
  /** Changes so far. */
  sum: number
  /** How often samples told each count at the start. */
  votes: Map<number, number>
  voters: number
  /** Least count at the start with which a page that is referenced is never found unreferenced. */
  least: number
  isDone: boolean
}

/**
 * Deduces start counts from the rows of a watch, as `ChangeReader` stores them, in order of time.
 *
 * @param given counts that were read just before; what instructions returned is believed rather
 */
export async function startCounts(
  batches: AsyncIterable<EventBatch>,
  pages: readonly number[],
  given: ReadonlyMap<number, number> = new Map(),
): Promise<Map<number, StartCount>> {
  const states = new Map(pages.map(pfn => [pfn, newPage()]))
  let open = states.size
  let limit = Infinity
  for await (const batch of batches) {
    for (const { from } of batch.lost) limit = Math.min(limit, from)
    for (let row = 0; row < batch.length && open > 0; row++) {
      // What was lost would be missing in the sums.
      if (batch.time[row]! > limit) open = 0
      if (batch.op[row] !== WATCHED) continue
      const state = states.get(batch.pfn[row]!)
      if (!state || state.isDone) continue
      take(state, batch, row)
      if (state.isDone) open--
    }
    if (open <= 0) break
  }
  return new Map([...states].map(([pfn, state]) => [pfn, startOf(state, given.get(pfn))]))
}

function newPage(): Page {
  return { sum: 0, votes: new Map(), voters: 0, least: 0, isDone: false }
}

function take(page: Page, batch: EventBatch, row: number): void {
  const told = batch.mapcount[row]!
  const [val, ret] = [batch.val[row]!, batch.ret[row]!]
  if (told & Told.BEFORE) vote(page, ret - page.sum)
  switch (batch.mt[row]) {
    case Change.ADD:
      // Who gets a reference to a page that is in use has seen one; a put leaves one unless the page is freed.
      page.least = Math.max(page.least, 1 - Math.min(page.sum, page.sum + val))
      change(page, (told & Told.AMOUNT) !== 0, val)
      return
    case Change.FETCH:
      change(page, (told & Told.AMOUNT) !== 0, val)
      return
    case Change.COMPARE:
      if ((told & Told.REFUSED) === 0) change(page, (told & Told.STORED) !== 0, val - ret)
      return
    case Change.SET:
      // A page that is handed out had no reference.
      if (page.voters === 0 && val > 0 && page.sum < 0) vote(page, -page.sum)
      page.isDone = true
      return
    default:
      page.isDone = true
  }
}

function vote(page: Page, start: number): void {
  page.votes.set(start, (page.votes.get(start) ?? 0) + 1)
  if (++page.voters >= ENOUGH) page.isDone = true
}

/** Counts a change; behind one of which the amount is not known, no sum is. */
function change(page: Page, isKnown: boolean, by: number): void {
  page.sum += by
  if (!isKnown) page.isDone = true
}

function startOf({ votes, least }: Page, given: number | undefined): StartCount {
  const [first] = [...votes].sort((a, b) => b[1] - a[1])
  if (!first && given !== undefined && given >= least) return { count: given, isKnown: true }
  return first ? { count: first[0], isKnown: true } : { count: Math.max(least, 1), isKnown: false }
}

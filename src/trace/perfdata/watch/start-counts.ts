// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Deduces the counts that pages had when the watch began. A sample shows how a count changed. The count itself is shown only by
 * instructions that return it (compare and exchange, fetch and add) and by stores. The count in one such sample, minus all
 * changes before it, is the count at the start.
 */
import type { EventBatch } from '../../events.ts'
import { Change, Told, WATCHED } from './changes.ts'

/**
 * Number of samples that return the page's count after which no more are needed. One is not enough, because two CPUs sometimes
 * have timestamps in the wrong order.
 */
const ENOUGH = 64

/** A page's count at the start of a watch. */
export interface StartCount {
  count: number
  /** False if no sample showed the count. Then it is the smallest count that is consistent with all changes. */
  isKnown: boolean
}

/** The state of the deduction for one page. */
interface Page {
  /** Sum of the changes so far. */
  sum: number
  /** Number of samples by the count at the start that they imply. */
  votes: Map<number, number>
  voters: number
  /** Smallest count at the start with which the page has at least one reference before and after every addition. */
  least: number
  isDone: boolean
}

/**
 * Deduces start counts from the rows of a watch, as `ChangeReader` stores them, in order of time.
 *
 * @param given counts that were read just before. Counts that instructions returned take precedence
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
      // After a loss, the sums would be wrong.
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
      // Taking a reference requires that the page already has one, and a put leaves one unless it frees the page.
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
      // A page that is handed out had no references.
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

/** Adds a change. After a change by an unknown amount, the sum is unknown too. */
function change(page: Page, isKnown: boolean, by: number): void {
  page.sum += by
  if (!isKnown) page.isDone = true
}

function startOf({ votes, least }: Page, given: number | undefined): StartCount {
  const [first] = [...votes].sort((a, b) => b[1] - a[1])
  if (!first && given !== undefined && given >= least) return { count: given, isKnown: true }
  return first ? { count: first[0], isKnown: true } : { count: Math.max(least, 1), isKnown: false }
}

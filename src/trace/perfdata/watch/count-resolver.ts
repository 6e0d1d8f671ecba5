// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Follows watched counts and converts their changes to page_ref events. Later samples can resolve what one sample leaves open:
 * whether a compare and exchange took place, and by how much an unknown instruction changed the count. A change that stays
 * unresolved is left out and reported as a gap, so that no conclusion depends on the count after it.
 */
import { copyRows } from '../../common/columns.ts'
import { type EventBatch, Op } from '../../events.ts'
import { Change, Told, WATCHED } from './changes.ts'
import { foundBy, orderRows, stampsBefore } from './count-order.ts'
import type { StartCount } from './start-counts.ts'

/** The tracked count of a page. */
interface Page {
  count: number
  /** False after a change by an unknown amount. */
  isCertain: boolean
  /** Pid of the task that froze the page; -1 if it is not frozen. */
  frozenBy: number
  /** Number of losses before the page's last event. */
  losses: number
}

/** An unknown count. */
const OPEN = Number.NaN

export class CountResolver {
  /** Number of changes by an unknown amount, by page frame number. */
  readonly unresolved = new Map<number, number>()
  /** Number of changes whose amount was inferred from the counts before and after. */
  inferred = 0
  /** Number of samples that had to be moved before samples of later changes. */
  reordered = 0
  /** Number of compare and exchange operations that found another count and changed nothing. */
  refused = 0
  readonly #pages = new Map<number, Page>()
  /** Times from which on events were lost, sorted. */
  readonly #losses: number[] = []
  #isReordered = false

  constructor(starts: ReadonlyMap<number, StartCount>) {
    for (const [pfn, { count }] of starts) this.#pages.set(pfn, { count, isCertain: true, frozenBy: -1, losses: 0 })
  }

  /** Converts the watched rows of a batch, which are in order of time, to events. */
  resolve(batch: EventBatch): void {
    if (this.#isReordered) for (let row = 0; row < batch.order.length; row++) batch.order[row] = row
    this.#isReordered = false
    for (const { from } of batch.lost) this.#losses.push(from)
    if (batch.lost.length > 0) this.#losses.sort((a, b) => a - b)
    const since = stampsBefore(batch)
    const dropped: number[] = []
    for (const [pfn, rows] of rowsByPage(batch)) {
      const page = this.#page(pfn)
      // After a loss, an unexpected count is explained by the loss and not by the order.
      const moved = batch.lost.length > 0 ? 0 : orderRows(batch, rows, page.isCertain ? page.count : OPEN, since)
      this.reordered += moved
      this.#isReordered ||= moved > 0
      this.#resolvePage(page, batch, rows, dropped)
    }
    dropRowsOf(
      batch,
      dropped.sort((a, b) => a - b),
    )
    if (this.#isReordered)
      batch.order.subarray(0, batch.length).sort((a, b) => batch.time[a]! - batch.time[b]! || a - b)
  }

  /** Converts the rows of one page, in their order. */
  #resolvePage(page: Page, batch: EventBatch, rows: readonly number[], dropped: number[]): void {
    const behind = countsBehind(batch, rows)
    for (const [i, row] of rows.entries()) {
      if (this.#losses.length > 0) this.#pass(page, batch.time[row]!)
      if (!this.#event(page, batch, row, behind[i]!)) dropped.push(row)
      batch.mapcount[row] = -1
      batch.mt[row] = 0
    }
  }

  /** Marks the page's count as uncertain if events were lost before `time`. */
  #pass(page: Page, time: number): void {
    let passed = page.losses
    while (passed < this.#losses.length && this.#losses[passed]! < time) passed++
    if (passed === page.losses) return
    page.losses = passed
    page.isCertain = false
    page.frozenBy = -1
  }

  #page(pfn: number): Page {
    let page = this.#pages.get(pfn)
    if (!page) this.#pages.set(pfn, (page = { count: 1, isCertain: false, frozenBy: -1, losses: 0 }))
    return page
  }

  /**
   * Converts a row to an event.
   * @param behind the page's count after the row; NaN if unknown
   * @returns false if the row becomes no event
   */
  #event(page: Page, batch: EventBatch, row: number, behind: number): boolean {
    const told = batch.mapcount[row]!
    if (told & Told.BEFORE) this.#found(page, batch, row)
    const isKnown = (told & Told.AMOUNT) !== 0
    const val = batch.val[row]!
    switch (batch.mt[row]) {
      case Change.ADD:
        return isKnown ? emit(page, batch, row, Op.MOD, val, page.count + val) : this.#guess(page, batch, row, behind)
      case Change.SET:
        return isKnown ? set(page, batch, row, val) : this.#guess(page, batch, row, behind)
      case Change.EXCHANGE:
        if (isKnown) return set(page, batch, row, val)
        return Number.isNaN(behind) ? this.#leave(page, batch, row) : set(page, batch, row, behind)
      case Change.FETCH:
        if (!isKnown && Number.isNaN(behind)) return this.#leave(page, batch, row)
        if (!isKnown) this.inferred++
        return returned(page, batch, row, isKnown ? page.count + val : behind)
      case Change.COMPARE:
        return this.#compare(page, batch, row, behind)
      default:
        return this.#guess(page, batch, row, behind)
    }
  }

  /** Takes over the count that a sample contains. */
  #found(page: Page, batch: EventBatch, row: number): void {
    const before = batch.ret[row]!
    // Earlier events may have had a wrong count. The gap tells the ledger to take the count anew.
    if (!page.isCertain && page.count !== before) addGap(batch, row, 0)
    page.count = before
    page.isCertain = true
  }

  #compare(page: Page, batch: EventBatch, row: number, behind: number): boolean {
    const told = batch.mapcount[row]!
    const [val, before] = [batch.val[row]!, page.count]
    if ((told & Told.BEFORE) === 0) return this.#guess(page, batch, row, behind)
    const isStored = (told & Told.STORED) !== 0 || ((told & Told.REFUSED) === 0 && behind === val && val !== before)
    const isRefused = (told & Told.REFUSED) !== 0 || ((told & Told.STORED) === 0 && behind === before)
    if (isRefused) {
      this.refused++
      return emit(page, batch, row, val === 0 ? Op.FREEZE : Op.MOD_UNLESS, 0, before)
    }
    if (!isStored || (told & Told.AMOUNT) === 0) return this.#guess(page, batch, row, behind)
    if (val !== 0) return returned(page, batch, row, val)
    page.frozenBy = batch.pid[row]!
    emit(page, batch, row, Op.FREEZE, before, 0)
    batch.ret[row] = 1
    return true
  }

  /** Converts a change whose amount follows only from the counts before and after it. */
  #guess(page: Page, batch: EventBatch, row: number, behind: number): boolean {
    if (!page.isCertain || Number.isNaN(behind)) return this.#leave(page, batch, row, behind)
    const change = behind - page.count
    if (change === 0) return false
    this.inferred++
    return emit(page, batch, row, Op.MOD, change, behind)
  }

  #leave(page: Page, batch: EventBatch, row: number, behind = OPEN): boolean {
    const pfn = batch.pfn[row]!
    this.unresolved.set(pfn, (this.unresolved.get(pfn) ?? 0) + 1)
    addGap(batch, row, 1)
    page.isCertain = !Number.isNaN(behind)
    if (page.isCertain) page.count = behind
    page.frozenBy = -1
    return false
  }
}

/** Reports that a page's count is not the tracked one: `count` changes there are by an unknown amount. */
function addGap(batch: EventBatch, row: number, count: number): void {
  const time = batch.time[row]!
  batch.lost.push({ cpu: batch.cpu[row]!, from: time, to: time, count, isUnknownChange: true })
}

function emit(page: Page, batch: EventBatch, row: number, op: number, val: number, count: number): true {
  page.count = count
  batch.op[row] = op
  batch.val[row] = val
  batch.ret[row] = 0
  batch.count[row] = count
  return true
}

/** Makes an event of an operation that returned the count. */
function returned(page: Page, batch: EventBatch, row: number, count: number): true {
  emit(page, batch, row, Op.MOD_AND_RETURN, count - page.count, count)
  batch.ret[row] = count
  return true
}

/** Makes an event of a plain store. The task that froze the page restores its count; any other task hands the page out. */
function set(page: Page, batch: EventBatch, row: number, val: number): true {
  const isThaw = page.frozenBy === batch.pid[row] && page.count === 0
  page.frozenBy = -1
  page.isCertain = true
  return emit(page, batch, row, isThaw ? Op.UNFREEZE : Op.SET, val, val)
}

/** Groups the watched rows of a batch by page. */
function rowsByPage(batch: EventBatch): Map<number, number[]> {
  const pages = new Map<number, number[]>()
  for (let row = 0; row < batch.length; row++) {
    if (batch.op[row] !== WATCHED) continue
    const rows = pages.get(batch.pfn[row]!)
    if (rows) rows.push(row)
    else pages.set(batch.pfn[row]!, [row])
  }
  return pages
}

/** Returns the count after each of a page's rows, as far as later rows show it; otherwise NaN. */
function countsBehind(batch: EventBatch, rows: readonly number[]): Float64Array {
  const behind = new Float64Array(rows.length)
  let next = OPEN
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i]!
    behind[i] = next
    const found = foundBy(batch, row)
    const isSum = batch.mt[row] === Change.ADD && (batch.mapcount[row]! & Told.AMOUNT) !== 0
    next = Number.isNaN(found) && isSum ? next - batch.val[row]! : found
  }
  return behind
}

/**
 * Removes rows.
 * @param dropped their indices, ascending
 */
function dropRowsOf(batch: EventBatch, dropped: readonly number[]): void {
  if (dropped.length === 0) return
  let to = dropped[0]!
  for (let i = 0; i < dropped.length; i++) {
    const from = dropped[i]! + 1
    const end = dropped[i + 1] ?? batch.length
    copyRows(batch, to, batch, from, end)
    to += end - from
  }
  batch.length = to
}

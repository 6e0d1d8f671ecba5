// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Follows watched counts and makes page_ref events of their changes. What one sample leaves open, the count that a later one
 * tells may answer: whether a compare and exchange took place, and by how much an unknown instruction changed the count. What
 * stays open is left out and told as a gap, behind which nothing rests on the count.
 */
import { copyRows } from '../../common/columns.ts'
import { type EventBatch, Op } from '../../events.ts'
import { Change, Told, WATCHED } from './changes.ts'
import type { StartCount } from './start-counts.ts'

/** A page's count as followed. */
interface Page {
  count: number
  /** False behind a change whose amount is not known. */
  isCertain: boolean
  /** Task that froze the page; -1: none. */
  frozenBy: number
}

/** Nothing tells the count. */
const OPEN = Number.NaN

export class CountResolver {
  /** Changes whose amount is not known, by page. */
  readonly unresolved = new Map<number, number>()
  /** Changes whose amount was told by the counts around them. */
  inferred = 0
  /** Compare and exchange that found another count, and changed nothing. */
  refused = 0
  readonly #pages = new Map<number, Page>()
  /** Times from which events were lost, not yet reached. */
  #losses: number[] = []

  constructor(starts: ReadonlyMap<number, StartCount>) {
    for (const [pfn, { count }] of starts) this.#pages.set(pfn, { count, isCertain: true, frozenBy: -1 })
  }

  /** Makes events of the watched rows of a batch, which are in order of time. */
  resolve(batch: EventBatch): void {
    const next = countsBehind(batch)
    const dropped: number[] = []
    for (const { from } of batch.lost) this.#losses.push(from)
    for (let row = 0; row < batch.length; row++) {
      if (batch.op[row] !== WATCHED) continue
      if (this.#losses.length > 0) this.#pass(batch.time[row]!)
      const page = this.#page(batch.pfn[row]!)
      if (!this.#event(page, batch, row, next[row]!)) dropped.push(row)
      batch.mapcount[row] = -1
      batch.mt[row] = 0
    }
    dropRowsOf(batch, dropped)
  }

  /** Trusts no count behind a loss. */
  #pass(time: number): void {
    const later = this.#losses.filter(from => from >= time)
    if (later.length === this.#losses.length) return
    this.#losses = later
    for (const page of this.#pages.values()) {
      page.isCertain = false
      page.frozenBy = -1
    }
  }

  #page(pfn: number): Page {
    let page = this.#pages.get(pfn)
    if (!page) this.#pages.set(pfn, (page = { count: 1, isCertain: false, frozenBy: -1 }))
    return page
  }

  /** Makes an event of a row, behind which the page's count is `behind` or not known; false: the row tells of none. */
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

  /** Takes up the count that a sample told. */
  #found(page: Page, batch: EventBatch, row: number): void {
    const before = batch.ret[row]!
    // The ledger read a count that was not certain: it has to look again.
    if (!page.isCertain && page.count !== before) addGap(batch, row, undefined)
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

  /** Makes an event of a change whose amount only the counts before and behind it tell. */
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

/** Tells that something about a row's page is missing just there. */
function addGap(batch: EventBatch, row: number, count: number | undefined): void {
  const time = batch.time[row]!
  batch.lost.push({ cpu: batch.cpu[row]!, from: time, to: time, count })
}

function emit(page: Page, batch: EventBatch, row: number, op: number, val: number, count: number): true {
  page.count = count
  batch.op[row] = op
  batch.val[row] = val
  batch.ret[row] = 0
  batch.count[row] = count
  return true
}

/** An operation that returned the count. */
function returned(page: Page, batch: EventBatch, row: number, count: number): true {
  emit(page, batch, row, Op.MOD_AND_RETURN, count - page.count, count)
  batch.ret[row] = count
  return true
}

/** A store: whoever froze the page gives it its count back, and anybody else hands it out. */
function set(page: Page, batch: EventBatch, row: number, val: number): true {
  const isThaw = page.frozenBy === batch.pid[row] && page.count === 0
  page.frozenBy = -1
  page.isCertain = true
  return emit(page, batch, row, isThaw ? Op.UNFREEZE : Op.SET, val, val)
}

/** Of each watched row of a batch, the count that its page had behind it, as the page's later rows tell; NaN: they do not. */
function countsBehind(batch: EventBatch): Float64Array {
  const behind = new Float64Array(batch.length)
  const next = new Map<number, number>()
  for (let row = batch.length - 1; row >= 0; row--) {
    if (batch.op[row] !== WATCHED) continue
    const pfn = batch.pfn[row]!
    behind[row] = next.get(pfn) ?? OPEN
    next.set(pfn, countBefore(batch, row, behind[row]!))
  }
  return behind
}

function countBefore(batch: EventBatch, row: number, behind: number): number {
  const told = batch.mapcount[row]!
  if (told & Told.BEFORE) return batch.ret[row]!
  // A page is handed out, or given back what a freeze took, while its count is zero.
  if (batch.mt[row] === Change.SET) return 0
  return batch.mt[row] === Change.ADD && (told & Told.AMOUNT) !== 0 ? behind - batch.val[row]! : OPEN
}

/** Removes rows, given in order. */
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

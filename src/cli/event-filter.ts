// SPDX-License-Identifier: GPL-2.0-or-later
/** Selects events of a recording by page, operation, task, function and time. */
import { isInRanges, type PageRange } from '../ledger/track/page-range.ts'
import { isTask } from '../report/filter.ts'
import { type EventBatch, OP_NAMES, type Recording } from '../trace/events.ts'
import { timesOf } from './recordings.ts'

/** The filters given on the command line; an absent one lets every event pass. */
export interface EventChoice {
  pfn?: PageRange[]
  event?: string[]
  function?: string[]
  task?: string[]
  from?: bigint
  to?: bigint
}

export class EventFilter {
  readonly #recording: Recording
  readonly #choice: EventChoice
  readonly #pages: readonly PageRange[]
  readonly #times: { first: number; last: number }
  /** Cache: by id of a stack, whether one of the wanted functions is in it. */
  readonly #stacks = new Map<number, boolean>()

  /** @param pages that pass; all if there are none */
  constructor(recording: Recording, choice: EventChoice, pages: readonly PageRange[]) {
    this.#recording = recording
    this.#choice = choice
    this.#pages = pages
    this.#times = timesOf(recording, choice.from, choice.to)
  }

  has(batch: EventBatch, row: number): boolean {
    const { event, task } = this.#choice
    const [time, pid] = [batch.time[row]!, batch.pid[row]!]
    if (time < this.#times.first || time > this.#times.last) return false
    if (this.#pages.length > 0 && !isInRanges(batch.pfn[row]!, this.#pages)) return false
    if (event && !event.includes(OP_NAMES[batch.op[row]!]!)) return false
    return (!task || isTask(this.#recording.tasks.name(pid), pid, task)) && this.#isByFunction(batch.stack[row]!)
  }

  #isByFunction(stack: number): boolean {
    const { function: functions } = this.#choice
    if (!functions) return true
    const known = this.#stacks.get(stack)
    if (known !== undefined) return known
    const { stacks } = this.#recording
    const has = stack > 0 && [...stacks.frames(stack)].some(frame => functions.includes(stacks.frame(frame).name))
    this.#stacks.set(stack, has)
    return has
  }
}

/** The events that a filter lets through. */
export async function* chosen(batches: AsyncIterable<EventBatch>, filter: EventFilter): AsyncGenerator<EventBatch> {
  for await (const batch of batches) {
    const rows = batch.order.subarray(0, batch.length).filter(row => filter.has(batch, row))
    yield { ...batch, order: rows, length: rows.length }
  }
}

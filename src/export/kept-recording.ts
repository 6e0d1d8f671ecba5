// SPDX-License-Identifier: GPL-2.0-or-later
/** Keeps a whole recording while the ledger reads it, and then provides it lifetime by lifetime. */
import { type Account, type AccountOptions, readLedger, summarise } from '../ledger/account.ts'
import type { LearningTracker } from '../ledger/learn/learning-tracker.ts'
import type { LifetimeEvent } from '../ledger/track/lifetime-event.ts'
import { isInitialisation } from '../report/life.ts'
import { lifetimeOf, type PageLifeSource } from '../report/page-life.ts'
import { TimelineRecorder } from '../report/recorder.ts'
import { lifeEnd, type Timeline } from '../report/timeline.ts'
import type { EventBatch, Frame, Recording } from '../trace/events.ts'

/** References taken by one event, and the event that put them. */
export interface HeldReferences {
  units: number
  /** Undefined if they were taken before the recording, or by no event in it. */
  taken: LifetimeEvent | undefined
  /** Undefined if they are still held at the end, or were put by no event in the recording. */
  given: LifetimeEvent | undefined
}

export interface Lifetime {
  pfn: number
  /** Undefined if the lifetime began before the recording, or is still open at its end. */
  began: number | undefined
  ended: number | undefined
  events: readonly LifetimeEvent[]
  /** Ordered by the time at which they were taken. */
  references: HeldReferences[]
  /** Highest count during the lifetime. */
  peak: number
}

/** A page_ref event that changed or set the count. */
export interface CountAt {
  time: number
  count: number
}

export class KeptRecording {
  readonly recording: Recording
  readonly account: Account
  readonly #source: PageLifeSource & { timeline: Timeline }

  /** @param tap sees each batch once, in order */
  static async read(
    recording: Recording,
    options: AccountOptions,
    tap: (batch: EventBatch) => void = () => undefined,
  ): Promise<KeptRecording> {
    const recorder = new TimelineRecorder()
    const tapped = recorder.tap(recording, batch => {
      recorder.add(batch)
      tap(batch)
    })
    const ledger = await readLedger(tapped, options)
    return new KeptRecording(recording, ledger, recorder, summarise(recording, ledger, options.ask))
  }

  constructor(recording: Recording, ledger: LearningTracker, recorder: TimelineRecorder, made: Account) {
    this.recording = recording
    this.account = made
    this.#source = { timeline: recorder.timeline(ledger), recorder, ledger, recording }
    recorder.sort()
  }

  /** Returns the frame that acts in a stack, which is the one below the helpers of reference counting, and its callers. */
  acting(stack: number): Frame[] {
    return stack === 0 ? [] : this.#source.ledger.sites.framesFromActing(stack)
  }

  /** Frame numbers of the pages that are accounted for, ascending. */
  get pfns(): Float64Array {
    return this.#source.timeline.pfns
  }

  /** Index of the account's pagemap that contains a page; -1 if there is none. */
  pagemapOf(page: number): number {
    const pfn = this.pfns[page]!
    return this.account.pagemaps.findIndex(({ firstPfn, lastPfn }) => pfn >= firstPfn && pfn <= lastPfn)
  }

  /** Yields every count of a page in order of time. */
  *counts(page: number): Generator<CountAt> {
    const { start, time } = this.#source.timeline
    for (let at = start[page]!; at < start[page + 1]!; at++)
      yield { time: time[at]!, count: this.#source.recorder.event(at).count }
  }

  /** Yields the lifetimes of a page in order of time. Its initialisation is left out, since it hands the page to nobody. */
  *lifetimes(page: number): Generator<Lifetime> {
    const { timeline } = this.#source
    const end = timeline.start[page + 1]!
    for (let from = timeline.start[page]!; from < end; ) {
      const to = lifeEnd(timeline, page, from)
      if (!isInitialisation(this.#source, from, to)) {
        const lifetime = this.#lifetime(page, from, to)
        if (lifetime.events.length > 0) yield lifetime
      }
      from = to
    }
  }

  #lifetime(page: number, from: number, to: number): Lifetime {
    const { timeline } = this.#source
    const times = timeline.time.subarray(from, to)
    const { before, held, hasEnded, events, partners } = lifetimeOf(this.#source, { page, from, to, times })
    let count = before
    let peak = before
    for (const { delta } of events) {
      count += delta
      peak = Math.max(peak, count)
    }
    return {
      pfn: timeline.pfns[page]!,
      began: held > 0 ? undefined : times[0]!,
      ended: hasEnded ? times.at(-1)! : undefined,
      events,
      references: referencesOf(events, partners),
      peak,
    }
  }
}

/** Pairs the events that took references with those that put them, as far as the laws determine it. */
function referencesOf(events: readonly LifetimeEvent[], partners: readonly (number | undefined)[]): HeldReferences[] {
  const references: HeldReferences[] = []
  events.forEach((event, i) => {
    const partner = partners[i] === undefined ? undefined : events[partners[i]]!
    if (event.delta > 0) references.push({ units: event.delta, taken: event, given: partner })
    else if (partner === undefined) references.push({ units: -event.delta, taken: undefined, given: event })
  })
  return references
}

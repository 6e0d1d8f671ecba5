// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A tracker that learns laws from the lifetimes that it closes: once more each time that twice as many are known, and whenever it
 * needs them to let go of events.
 */
import type { StampInfo } from '../../trace/common/clock.ts'
import type { StackTable } from '../../trace/events.ts'
import { CallSites } from '../callsites/call-sites.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { LifetimeState } from '../track/lifetime-log.ts'
import { shorten } from '../track/shorten.ts'
import type { Tables } from '../track/tables.ts'
import { Tracker, type TrackerOptions } from '../track/tracker.ts'
import { LawBook } from './law-book.ts'

/** Lifetimes that are looked at event by event, for what only their order tells. */
const SAMPLES = 400

export class LearningTracker extends Tracker {
  readonly book: LawBook

  /**
   * @param stamps what is known of the recording's clock
   * @param hints a tracker that has seen the recording's beginning
   */
  constructor(stacks: StackTable, options: TrackerOptions = {}, stamps?: StampInfo, hints?: LearningTracker) {
    const sites = hints?.sites ?? new CallSites(stacks)
    const book = hints?.book ?? new LawBook()
    super(stacks, options, {
      sites,
      hints,
      stamps,
      compact: (row, tables) => {
        if (book.isStale(tables.lives.complete)) learn(book, tables)
        shorten(row, tables, book)
      },
      makeRoom: tables => makeRoom(book, tables),
    })
    this.book = book
  }

  /** Settles what is still open at the end of the recording, and learns from all lifetimes. */
  override finish(): void {
    super.finish()
    learn(this.book, this)
  }

  /** Returns some complete lifetimes with their events. */
  sampleLifetimes(): LifetimeEvent[][] {
    return sampleLifetimes(this)
  }
}

type Learned = Pick<Tables, 'kinds' | 'lives' | 'log' | 'nodes' | 'sites'>

/** Learns the laws. Once lifetimes were let go by those known, these stay as they are, and only further ones are added. */
function learn(book: LawBook, tables: Learned): void {
  const samples = sampleLifetimes(tables)
  const { kinds, lives, sites } = tables
  if (tables.log.isCompacted) book.extend(kinds, lives.complete, sites, samples)
  else book.learn(kinds, lives.complete, sites, samples)
}

function sampleLifetimes({ log, nodes }: Pick<Tables, 'log' | 'nodes'>): LifetimeEvent[][] {
  const samples: LifetimeEvent[][] = []
  const step = Math.max(1, Math.floor(log.length / SAMPLES))
  for (let entry = 0; entry < log.length; entry += step)
    if (log.state[entry] === LifetimeState.COMPLETE) samples.push(nodes.chain(log.tail[entry]!))
  return samples
}

/** Lets go of lifetimes that obey every law. */
function makeRoom(book: LawBook, tables: Tables): void {
  const { log, pages, kinds, lives } = tables
  if (!log.isCompacted && book.isStale(lives.complete)) learn(book, tables)
  /** Per kind: 1 lawful, 0 not, -1 not looked at yet. */
  const lawful = new Int8Array(kinds.size).fill(-1)
  const isLawful = (entry: number) => {
    const kind = log.kind[entry]!
    if (kind < 0) return false
    if (lawful[kind]! < 0) lawful[kind] = book.balanceOf(kinds.unitsOf(kind)).size === 0 ? 1 : 0
    return lawful[kind] === 1
  }
  const moved = log.compact(isLawful)
  for (let row = 0; row < pages.length; row++) {
    const last = pages.lastClosed[row]!
    if (last >= 0) pages.lastClosed[row] = moved[last]!
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A tracker that learns laws from the lifetimes that it closes: again each time that their number has doubled, and whenever it
 * needs laws to drop events.
 */
import type { StackTable } from '../../trace/events.ts'
import { CallSites } from '../callsites/call-sites.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import type { LifetimeKinds } from '../track/lifetime-kinds.ts'
import { type LifetimeLog, LifetimeState } from '../track/lifetime-log.ts'
import { PageBit } from '../track/page-state.ts'
import { shorten } from '../track/shorten.ts'
import type { Tables } from '../track/tables.ts'
import { type RecordingInfo, Tracker, type TrackerOptions } from '../track/tracker.ts'
import { type UnitKey, unitKey } from '../track/unit-key.ts'
import { JointKinds, type Others } from './fleet.ts'
import { LawBook, type SeenTroubles } from './law-book.ts'

/** Number of lifetimes that are examined event by event, for hints that only the order of events gives. */
const SAMPLES = 400

export interface LearningOptions extends TrackerOptions {
  /** True if call sites are compared with those of other recordings, by name. */
  isShared?: boolean | undefined
  /** Lifetimes of other recordings. */
  others?: Others | undefined
}

export class LearningTracker extends Tracker {
  readonly book: LawBook
  /** Its lifetimes and those of others; undefined: laws are learned from its own alone. */
  readonly #joint: JointKinds | undefined
  /** Recordings and lifetimes that others have added at the end. */
  added = { recordings: 0, lifetimes: 0 }

  /**
   * @param info what is known of the recording beside its events
   * @param hints a tracker that has seen the recording's beginning
   */
  constructor(stacks: StackTable, options: LearningOptions = {}, info?: RecordingInfo, hints?: LearningTracker) {
    const sites = hints?.sites ?? new CallSites(stacks, options.isShared)
    const book = hints?.book ?? new LawBook()
    super(stacks, options, {
      sites,
      hints,
      info,
      compact: (row, tables) => {
        if (book.isStale(tables.lives.complete)) this.#learn(tables)
        shorten(row, tables, book)
      },
      makeRoom: tables => {
        if (!tables.log.isCompacted && book.isStale(tables.lives.complete)) this.#learn(tables)
        makeRoom(book, tables)
      },
    })
    this.book = book
    const { others } = options
    this.#joint = others && new JointKinds(this.kinds, others, sites)
  }

  /** Settles what is still open at the end of the recording, and learns from all lifetimes. */
  override finish(): void {
    super.finish()
    this.#learn(this)
    if (this.#joint) this.added = this.#joint.added
  }

  /**
   * Learns the laws. Once lifetimes were dropped because they obey known laws, these laws stay, and only further ones are added.
   */
  #learn(tables: Pick<Tables, 'anomalies' | 'lives' | 'log' | 'nodes' | 'pages' | 'sites'>): void {
    const samples = sampleLifetimes(tables)
    const { lives, sites, log } = tables
    const kinds = this.#joint ?? this.kinds
    // Of other recordings it is not known.
    const troubles = this.#joint ? { pages: Infinity, before: [] } : troublesOf(tables)
    if (log.isCompacted) this.book.extend(kinds, lives.complete, sites, samples, troubles)
    else this.book.learn(kinds, lives.complete, sites, samples, troubles)
  }

  /** Returns some complete lifetimes with their events. */
  sampleLifetimes(): LifetimeEvent[][] {
    return sampleLifetimes(this)
  }
}

/** Returns what went wrong. On pages of a watch, which others hold at rest, nothing is impossible, so that they say nothing. */
function troublesOf({ anomalies, pages }: Pick<Tables, 'anomalies' | 'pages'>): SeenTroubles {
  const before = anomalies.list.flatMap(({ lastLives: [last] }) => (last ? [keysOf(last)] : []))
  let spoilt = 0
  for (let row = 0; row < pages.length; row++) {
    if (pages.has(row, PageBit.rested)) return { pages: Infinity, before }
    if (pages.has(row, PageBit.anomalous)) spoilt++
  }
  return { pages: spoilt, before }
}

function keysOf(lifetime: readonly LifetimeEvent[]): Set<UnitKey> {
  return new Set(lifetime.map(({ signature, delta }) => unitKey(signature, delta)))
}

function sampleLifetimes({ log, nodes }: Pick<Tables, 'log' | 'nodes'>): LifetimeEvent[][] {
  const samples: LifetimeEvent[][] = []
  const step = Math.max(1, Math.floor(log.length / SAMPLES))
  for (let entry = 0; entry < log.length; entry += step)
    if (log.state[entry] === LifetimeState.COMPLETE) samples.push(nodes.chain(log.tail[entry]!))
  return samples
}

/** Drops lifetimes that obey every law. */
function makeRoom(book: LawBook, { log, pages, kinds, nodes }: Tables): void {
  log.compact(lawfulKinds(book, log, kinds), pages.lastClosed)
  nodes.keepOnly(pages.tail.subarray(0, pages.length), log.tail.subarray(0, log.length))
}

/** Returns, by kind, 1 if lifetimes of it obey every law. Kinds that the log does not have are not looked at. */
function lawfulKinds(book: LawBook, log: LifetimeLog, kinds: LifetimeKinds): Uint8Array {
  const isMet = new Uint8Array(kinds.size)
  for (let entry = 0; entry < log.length; entry++) if (log.kind[entry]! >= 0) isMet[log.kind[entry]!] = 1
  return isMet.map((met, kind) => (met === 1 && book.balanceOf(kinds.unitsOf(kind)).size === 0 ? 1 : 0))
}

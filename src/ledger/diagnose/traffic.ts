// SPDX-License-Identifier: GPL-2.0-or-later
/** How references come back, by law, as the lifetimes that are kept show it. Made once, when the first question is asked. */
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { LifetimeState } from '../track/lifetime-log.ts'
import { unitKey } from '../track/unit-key.ts'
import { Overtaking, type Returned } from './overtaking.ts'
import { pairReferences } from './references.ts'

/** A task that gives back references of a law. */
export interface Giver {
  /** Number of the event that took the latest reference that it gave back, and of the one that gave back last. */
  latest: number
  last: number
  /** A worker of a work queue: who is idle is not waited for, others take over. */
  isWorker: boolean
  /** References that it gave back, and those of them that another task had taken. */
  all: number
  ofOthers: number
}

/** How the references of one law came back. */
export interface LawTraffic {
  all: Overtaking
  /** The same of the references that one task took, by task; only where tasks give back what they took themselves. */
  byTask: ReadonlyMap<number, Overtaking>
  /** When the references were taken that are out; where it may be one of several, the last of them. */
  out: readonly number[]
  /** References that came back by the task that took them. */
  bySameTask: number
  givers: ReadonlyMap<number, Giver>
}

interface Collected {
  returned: Returned[]
  out: number[]
  bySameTask: number
  givers: Map<number, Giver>
}

const NOTHING: LawTraffic = { all: new Overtaking([]), byTask: new Map(), bySameTask: 0, out: [], givers: new Map() }

/** A reference that came back, as far as it matters here. */
interface Pair extends Returned {
  /** Task and stack of the put. */
  putPid: number
  putStack: number
}

/** Events of a lifetime above which its references are not paired. */
const MAX_EVENTS = 4096

export class Traffic {
  readonly #laws = new Map<number, LawTraffic>()
  /** Whole lifetimes, from hand-out to free, by pagemap. */
  readonly #lifetimes = new Map<number, Overtaking>()
  /** True if only some of what came back is remembered: the recording has more than there is room for. */
  readonly isPartial: boolean

  constructor(ledger: LearningTracker) {
    const laws = new Map<number, Collected>()
    const lifetimes = new Map<number, Returned[]>()
    const { log, nodes, pages, aside } = ledger
    this.isPartial = log.isCompacted || aside.first > 0
    for (let entry = 0; entry < log.length; entry++) {
      if (log.events[entry]! > MAX_EVENTS) continue
      const events = nodes.chain(log.tail[entry]!)
      collect(laws, events, ledger)
      if (log.state[entry] === LifetimeState.COMPLETE && events.length > 0)
        push(lifetimes, pages.pagemap[log.row[entry]!]!, {
          taken: events[0]!.ordinal,
          given: events.at(-1)!.ordinal,
          pid: events[0]!.pid,
        })
    }
    for (let row = 0; row < pages.length; row++) {
      const events = ledger.lifeEvents(row)
      if (events.length <= MAX_EVENTS) collect(laws, events, ledger)
    }
    collectSetAside(laws, ledger)
    for (const [law, { returned, ...rest }] of laws)
      this.#laws.set(law, { all: new Overtaking(returned), byTask: byTask(returned, rest.bySameTask), ...rest })
    for (const [pagemap, returned] of lifetimes) this.#lifetimes.set(pagemap, new Overtaking(returned))
  }

  of(law: number): LawTraffic {
    return this.#laws.get(law) ?? NOTHING
  }

  lifetimesOf(pagemap: number): Overtaking {
    return this.#lifetimes.get(pagemap) ?? NOTHING.all
  }
}

function collect(laws: Map<number, Collected>, events: readonly LifetimeEvent[], ledger: LearningTracker): void {
  const { partners, open } = pairReferences(events, 0, ledger.book)
  for (const { law, event, alternatives } of open)
    if (event) collectedOf(laws, law).out.push((alternatives.at(-1) ?? event).ordinal)
  partners.forEach((partner, position) => {
    const get = events[position]!
    if (partner === undefined || get.delta <= 0 || partner < position) return
    const put = events[partner]!
    const law = ledger.book.lawOf(unitKey(get.signature, 1))
    const pair = { taken: get.ordinal, given: put.ordinal, pid: get.pid, putPid: put.pid, putStack: put.stack }
    add(collectedOf(laws, law), pair, ledger)
  })
}

/** What was set aside of long lifetimes came back, too. */
function collectSetAside(laws: Map<number, Collected>, ledger: LearningTracker): void {
  const { aside, book } = ledger
  let before = -1
  for (let pair = aside.first; pair < aside.length; pair++) {
    const at = aside.at(pair)
    const taken = aside.taken[at]!
    // Of several references that one get took, the first that came back counts.
    if (taken === before) continue
    before = taken
    add(
      collectedOf(laws, book.lawOf(unitKey(aside.getSignature[at]!, 1))),
      {
        taken,
        given: aside.given[at]!,
        pid: aside.getPid[at]!,
        putPid: aside.putPid[at]!,
        putStack: aside.putStack[at]!,
      },
      ledger,
    )
  }
}

function add(known: Collected, pair: Pair, { sites }: LearningTracker): void {
  const { taken, given, pid } = pair
  known.returned.push({ taken, given, pid })
  if (pid === pair.putPid) known.bySameTask++
  // An interrupt gives back in the name of whatever task it interrupts.
  const traits = sites.traits(pair.putStack)
  if (!(traits & StackTrait.INTERRUPT)) note(known.givers, pair, (traits & StackTrait.WORKER) !== 0)
}

function byTask(returned: readonly Returned[], bySameTask: number): Map<number, Overtaking> {
  if (bySameTask < returned.length) return new Map()
  const tasks = new Map<number, Returned[]>()
  // What interrupts do while a CPU is idle is no task's.
  for (const each of returned) if (each.pid > 0) push(tasks, each.pid, each)
  return new Map([...tasks].map(([pid, own]) => [pid, new Overtaking(own)]))
}

function collectedOf(laws: Map<number, Collected>, law: number): Collected {
  const known = laws.get(law)
  if (known) return known
  const made: Collected = { returned: [], bySameTask: 0, out: [], givers: new Map() }
  laws.set(law, made)
  return made
}

function note(givers: Map<number, Giver>, { taken, given, pid, putPid }: Pair, isWorker: boolean): void {
  const giver = givers.get(putPid) ?? { latest: taken, last: given, isWorker, all: 0, ofOthers: 0 }
  giver.latest = Math.max(giver.latest, taken)
  giver.last = Math.max(giver.last, given)
  giver.all++
  if (pid !== putPid) giver.ofOthers++
  givers.set(putPid, giver)
}

function push(lists: Map<number, Returned[]>, key: number, value: Returned): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** How what one call site hands out or takes came back: in which order, and by whom. */
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { isFar } from './leak.ts'
import { Overtaking, type Returned } from './overtaking.ts'

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
  /** When references were given back, by call site. */
  ways: ReadonlyMap<number, readonly number[]>
}

/** A put that gave back what a get took, or a part of it. */
export interface Pair extends Returned {
  /** Task, stack and call site of the put. */
  putPid: number
  putStack: number
  putSite: number
}

export const NO_TRAFFIC: LawTraffic = {
  all: new Overtaking([]),
  byTask: new Map(),
  bySameTask: 0,
  out: [],
  givers: new Map(),
  ways: new Map(),
}

/** Collects the traffic of one law. */
export class TrafficCollector {
  readonly out: number[] = []
  readonly #sites: CallSites
  readonly #returned: Returned[] = []
  readonly #givers = new Map<number, Giver>()
  readonly #ways = new Map<number, number[]>()
  #bySameTask = 0

  constructor(sites: CallSites) {
    this.#sites = sites
  }

  /** Takes in what one get took and several puts gave back, all of it. It is back when the last of it is. */
  add(pairs: readonly Pair[]): void {
    const [{ taken, pid }] = pairs as [Pair]
    this.#returned.push({ taken, given: Math.max(...pairs.map(({ given }) => given)), pid })
    if (pairs.every(({ putPid }) => putPid === pid)) this.#bySameTask++
    for (const pair of pairs) this.#addPut(pair)
  }

  #addPut(pair: Pair): void {
    push(this.#ways, pair.putSite, pair.given)
    // An interrupt gives back in the name of whatever task it interrupts.
    const traits = this.#sites.traits(pair.putStack)
    if (!(traits & StackTrait.INTERRUPT)) this.#note(pair, (traits & StackTrait.WORKER) !== 0)
  }

  traffic(): LawTraffic {
    return {
      all: new Overtaking(this.#returned),
      byTask: this.#byTask(),
      bySameTask: this.#bySameTask,
      out: this.out,
      givers: this.#givers,
      ways: this.#ways,
    }
  }

  #byTask(): Map<number, Overtaking> {
    if (this.#bySameTask < this.#returned.length) return new Map()
    const tasks = new Map<number, Returned[]>()
    // What interrupts do while a CPU is idle is no task's.
    for (const each of this.#returned) if (each.pid > 0) push(tasks, each.pid, each)
    return new Map([...tasks].map(([pid, own]) => [pid, new Overtaking(own)]))
  }

  #note({ taken, given, pid, putPid }: Pair, isWorker: boolean): void {
    const giver = this.#givers.get(putPid) ?? { latest: taken, last: given, isWorker, all: 0, ofOthers: 0 }
    giver.latest = Math.max(giver.latest, taken)
    giver.last = Math.max(giver.last, given)
    giver.all++
    if (pid !== putPid) giver.ofOthers++
    this.#givers.set(putPid, giver)
  }
}

/**
 * True for a task that mostly gives back what others took and hand to it, and is no worker of a queue that any other can stand in
 * for.
 */
export function isConsumer({ isWorker, all, ofOthers }: Giver): boolean {
  return !isWorker && 2 * ofOthers > all
}

/** Tasks that may have the reference in their hands: all that they gave back of the law was taken before. */
export function maybeWith({ all, givers }: LawTraffic, taken: number): number[] {
  const isWith = ({ latest, last, isWorker }: Giver) => {
    if (latest >= taken) return false
    // A worker that had been idle for longer than references wait has not been woken for this one.
    return !(isWorker && last < taken && isFar(all.between(last, taken), all.most))
  }
  return [...givers].filter(([, giver]) => isWith(giver)).map(([pid]) => pid)
}

/** One in so many references that come back makes a call site a way back; less often it is an exception. */
const WAY = 20

/**
 * True if the reference may wait on a way back that has not got to it yet. Laws have several ways where the lifetimes do not tell
 * which reference goes which way; one of them may be slow while the others move on. A way that has since given back twice of what
 * was out then would have come to it.
 */
export function mayWait({ all, ways, out }: LawTraffic, taken: number): boolean {
  const usual = [...ways.values()].filter(given => given.length * WAY >= all.returned)
  if (usual.length < 2) return false
  const outThen = all.outAt(taken) + out.filter(other => other < taken).length
  return usual.some(given => given.filter(at => at > taken).length <= 2 * outThen)
}

/** Adds a value to the list of a key. */
export function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

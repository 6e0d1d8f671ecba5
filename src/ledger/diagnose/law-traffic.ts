// SPDX-License-Identifier: GPL-2.0-or-later
/** How the references of a law came back: in which order, at which call sites, and by which tasks. */
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { areMany, ENOUGH, isFar, type LeakFacts } from './leak.ts'
import { Overtaking, type Returned } from './overtaking.ts'

/** A task that gives back references of a law. */
export interface Giver {
  /** Ordinal of the event that took the latest of the references that it gave back, and of its last put. */
  latest: number
  last: number
  /** True for a worker of a work queue. Others can take over its work, so an idle worker keeps no reference waiting. */
  isWorker: boolean
  /** Number of references that it gave back, and of those of them that another task had taken. */
  all: number
  ofOthers: number
}

/** Number of references from which on one holder who stopped explains them as well as separate faults do. */
const HELD_TOGETHER = 3

/**
 * True if one holder who stopped may have all of these references that are out. Such a holder takes what is on its way to it, and
 * nothing after that; a fault goes on. So they are at least three, and since the last of them was taken more references have
 * been taken and come back than between the first of them and the last.
 */
function mayBeWithOne(all: Overtaking, out: readonly number[]): boolean {
  const last = out.at(-1)
  return last !== undefined && out.length >= HELD_TOGETHER && all.between(out[0]!, last) < all.since(last)
}

/** Share of a call site's puts that come right after the get if it always visits: now and then an interrupt comes in between. */
const NEARLY_ALL = 0.95

function areVisits(puts: readonly boolean[]): boolean {
  return puts.length >= ENOUGH && puts.filter(isVisit => isVisit).length >= NEARLY_ALL * puts.length
}

/** What the references of a law that are out tell together. */
export type OutFacts = Pick<
  LeakFacts,
  'alike' | 'between' | 'earlier' | 'outOfLaw' | 'mayBeWithOne' | 'mayAllBeWithOne'
>

/** @param held those of `out` that are out on pages in use */
function outFacts(all: Overtaking, out: readonly number[], held: readonly number[]): OutFacts {
  const alike = out.filter(taken => all.since(taken) > all.most)
  return {
    alike: alike.length,
    between: alike.length > 0 ? all.between(alike[0]!, alike.at(-1)!) : 0,
    earlier: alike.length > 0 ? all.returned - all.since(alike[0]!) : 0,
    outOfLaw: out.length,
    mayBeWithOne: mayBeWithOne(all, alike),
    mayAllBeWithOne: mayBeWithOne(all, held),
  }
}

/** The references of the law that are out on a page in use, by the ordinals of the events that took them. */
export interface HeldPage {
  row: number
  taken: readonly number[]
}

/** Rows of the pages in use with references of one law that were overtaken by more than any that came back. */
export interface OvertakenPages {
  alike: ReadonlySet<number>
  /** Those of them with references that were overtaken by far more, and whether such references of the law are many. */
  far: ReadonlySet<number>
  isMany: boolean
}

function overtakenPages(all: Overtaking, out: readonly number[], pages: readonly HeldPage[]): OvertakenPages {
  const having = (isSo: (since: number) => boolean) =>
    pages.filter(({ taken }) => taken.some(event => isSo(all.since(event))))
  const rows = (some: readonly HeldPage[]) => new Set(some.map(({ row }) => row))
  const far = out.filter(taken => isFar(all.since(taken), all.most))
  return {
    alike: rows(having(since => since > all.most)),
    far: rows(having(since => isFar(since, all.most))),
    isMany: areMany(far.length, all.returned),
  }
}

/** How the references of one law came back. */
export interface LawTraffic {
  all: Overtaking
  /** The same of the references that one task took, by task. Empty unless tasks always give back what they took themselves. */
  byTask: ReadonlyMap<number, Overtaking>
  /** Ordinals of the events that took the references that are out, ascending; of several possible events, the last one. */
  out: readonly number[]
  /** Those of `out` that are out on pages in use; the others came back in some way that the law does not have. */
  held: readonly number[]
  outFacts: OutFacts
  /** Number of pages in use that have references of the law out. */
  pages: number
  overtaken: OvertakenPages
  /** Number of references that came back by the task that took them. */
  bySameTask: number
  givers: ReadonlyMap<number, Giver>
  /** Ordinals of the puts, by their call site. */
  ways: ReadonlyMap<number, readonly number[]>
  /**
   * Call sites of puts that always give back what their task took right before, as of a function that looks at a page and takes a
   * reference meanwhile.
   */
  visits: ReadonlySet<number>
}

/** A get and a put that gave back all or some of its references. */
export interface Pair extends Returned {
  /** Task, stack and call site of the put. */
  putPid: number
  putStack: number
  putSite: number
  /** True if the put is what the task of the get did next; absent where that is not known. */
  isVisit?: boolean
}

export const NO_TRAFFIC: LawTraffic = {
  all: new Overtaking([]),
  byTask: new Map(),
  bySameTask: 0,
  out: [],
  held: [],
  outFacts: outFacts(new Overtaking([]), [], []),
  pages: 0,
  overtaken: { alike: new Set(), far: new Set(), isMany: false },
  givers: new Map(),
  ways: new Map(),
  visits: new Set(),
}

/** Collects the traffic of one law. */
export class TrafficCollector {
  readonly out: number[] = []
  /** The pages in use that have some of `out`. */
  readonly held: HeldPage[] = []
  readonly #sites: CallSites
  readonly #returned: Returned[] = []
  readonly #givers = new Map<number, Giver>()
  readonly #ways = new Map<number, number[]>()
  /** By call site: whether each of its puts was what its task did right after the get, where that is known. */
  readonly #visits = new Map<number, boolean[]>()
  #bySameTask = 0

  constructor(sites: CallSites) {
    this.#sites = sites
  }

  /**
   * Takes in the pairs of one get, all of whose references came back. The last put is the one at which they are back.
   *
   * @param isGuess true if another get may belong to these puts
   */
  add(pairs: readonly Pair[], isGuess = false): void {
    const [{ taken, pid }] = pairs as [Pair]
    this.#returned.push({ taken, given: Math.max(...pairs.map(({ given }) => given)), pid, isGuess })
    if (pairs.every(({ putPid }) => putPid === pid)) this.#bySameTask++
    for (const pair of pairs) this.#addPut(pair)
  }

  #addPut(pair: Pair): void {
    push(this.#ways, pair.putSite, pair.given)
    if (pair.isVisit !== undefined) push(this.#visits, pair.putSite, pair.isVisit)
    // An interrupt has the pid of the task that it interrupts, which says nothing of who gives back.
    const traits = this.#sites.traits(pair.putStack)
    if (!(traits & StackTrait.INTERRUPT)) this.#note(pair, (traits & StackTrait.WORKER) !== 0)
  }

  traffic(): LawTraffic {
    const all = new Overtaking(this.#returned)
    const out = this.out.toSorted((a, b) => a - b)
    const held = this.held.flatMap(({ taken }) => taken).sort((a, b) => a - b)
    return {
      all,
      byTask: this.#byTask(),
      bySameTask: this.#bySameTask,
      out,
      held,
      outFacts: outFacts(all, out, held),
      pages: this.held.length,
      overtaken: overtakenPages(all, out, this.held),
      givers: this.#givers,
      ways: this.#ways,
      visits: new Set([...this.#visits].filter(([, puts]) => areVisits(puts)).map(([site]) => site)),
    }
  }

  #byTask(): Map<number, Overtaking> {
    if (this.#bySameTask < this.#returned.length) return new Map()
    const tasks = new Map<number, Returned[]>()
    // Pid 0 stands for interrupts on an idle CPU, which belong to no task.
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
 * True for a task that mostly gives back references that others took, and is no worker of a work queue, which another can
 * replace.
 */
export function isConsumer({ isWorker, all, ofOthers }: Giver): boolean {
  return !isWorker && 2 * ofOthers > all
}

/**
 * Returns the tasks that may be holding the reference: all references of the law that they gave back were taken before this one.
 */
export function maybeWith({ all, givers }: LawTraffic, taken: number): number[] {
  const isWith = ({ latest, last, isWorker }: Giver) => {
    if (latest >= taken) return false
    // A worker that was idle for longer than references ever wait was not woken for this one.
    return !(isWorker && last < taken && isFar(all.between(last, taken), all.most))
  }
  return [...givers].filter(([, giver]) => isWith(giver)).map(([pid]) => pid)
}

/**
 * Returns what is known of tasks that may still have a reference.
 *
 * @param pid the task that took it
 * @param poolOf the pool of workers that a task belongs to; undefined: none
 */
export function holderFacts(
  law: LawTraffic,
  taken: number,
  pid: number,
  poolOf: (pid: number) => string | undefined,
): Pick<LeakFacts, 'maybeWith' | 'maybeWithConsumer' | 'mayBeBlocked'> {
  const holders = maybeWith(law, taken)
  const mayBeBlocked = (holder: number) => isIdleOrBlocked(law, taken, holder, poolOf)
  return {
    maybeWith: holders.find(holder => !mayBeBlocked(holder)),
    maybeWithConsumer: holders.some(holder => holder !== pid && isConsumer(law.givers.get(holder)!)),
    mayBeBlocked: holders.some(mayBeBlocked),
  }
}

/**
 * Returns what is known of references that come back by the task that took them.
 *
 * @param taken ordinal from which on the task's later references count
 */
export function taskFacts(
  { all, byTask, bySameTask }: LawTraffic,
  taken: number,
  pid: number,
): Pick<LeakFacts, 'isOwnTask' | 'isOnlyTask' | 'sinceByTask' | 'mostByTask'> {
  return {
    isOwnTask: bySameTask === all.returned,
    isOnlyTask: byTask.size === 1,
    sinceByTask: byTask.get(pid)?.since(taken) ?? 0,
    mostByTask: Math.max(0, ...[...byTask.values()].map(({ most }) => most)),
  }
}

/**
 * True if the task is a worker and another of its pool has given back a later reference: the reference does not wait for it, since the
 * workers of a pool take each other's work. Either it is idle, or it has begun to work on this one and is blocked.
 */
function isIdleOrBlocked(
  { givers }: LawTraffic,
  taken: number,
  pid: number,
  poolOf: (pid: number) => string | undefined,
): boolean {
  const pool = poolOf(pid)
  const isOfPool = ([other, { isWorker, latest }]: [number, Giver]) =>
    isWorker && latest >= taken && poolOf(other) === pool
  return pool !== undefined && givers.get(pid)!.isWorker && [...givers].some(isOfPool)
}

/** A call site is a way back if at least one in this many references comes back by it; otherwise it is an exception. */
const WAY = 20

/**
 * True if the reference may still wait on one of several ways back. The lifetimes do not tell which reference goes which way, and
 * one way may be slow while the others move on. A way that has since given back more than twice the references that were out when
 * this one was taken would have reached it.
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

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Shortest paths with the fewest context switches. The search stores no parents of states. So a first pass goes back level by
 * level, to find the states on shortest paths and from each the least cost of the rest (dynamic programming over states and the
 * thread that moved last). A second pass goes forward along the least cost.
 */
import type { FoundViolation, SearchProgram } from '../codegen/search-program.ts'
import type { WorkerGroup } from '../explore/search.ts'

/** One step of a path. `state` is the actual state after the step, not a canonical one. */
export interface PathStep {
  readonly thread: number
  readonly state: readonly number[]
}

/** By level, the canonical states on shortest paths to a target. The last level has the targets. */
export async function levelsTo(group: WorkerGroup, level: number, targets: Int32Array): Promise<Int32Array[]> {
  const levels = [targets]
  for (let l = level - 1; l >= 0; l--) levels.unshift(joined(await group.all('predecessors', l, levels[0]!)))
  return levels
}

/** All states of `level` that violate one of the properties, or from which one step does. */
export async function violating(
  group: WorkerGroup,
  level: number,
  kind: FoundViolation['kind'],
  properties: readonly number[],
): Promise<Int32Array> {
  return joined(await group.all('violating', level, kind, properties))
}

/**
 * Returns a path through the levels with the fewest context switches.
 * @param program with the same code as the group's programs.
 * @param levels from {@link levelsTo}.
 * @param last threads that may take the violating step from a target; omitted if the target itself is the violation.
 */
export function cheapestPath(
  program: SearchProgram,
  words: number,
  threads: number,
  initial: readonly number[],
  levels: readonly Int32Array[],
  last?: (target: Int32Array) => Iterable<number>,
): PathStep[] {
  const costs: Costs[] = []
  for (const [l, states] of [...levels.entries()].reverse())
    costs[l] = costsOf(program, words, threads, states, costs[l + 1], last)
  const path: PathStep[] = []
  let at = Int32Array.from(initial)
  for (const next of costs.slice(1)) {
    const before = path.at(-1)?.thread
    let best: { step: PathStep; cost: number } | undefined
    for (const { thread, state } of successorsOf(program, words, at)) {
      const on = next.after(program.orbit(state, thread))
      if (on === undefined) continue
      const cost = on + (before === undefined || before === thread ? 0 : 1)
      if (!best || cost < best.cost) best = { step: { thread, state: [...state] }, cost }
    }
    if (!best) throw new Error('a state on a shortest path leads nowhere')
    path.push(best.step)
    at = Int32Array.from(best.step.state)
  }
  return path
}

function* successorsOf(program: SearchProgram, words: number, state: Int32Array) {
  const list = program.successors(state)
  for (let i = 0; i < list.length; i += words + 1)
    yield { thread: list[i]!, state: list.subarray(i + 1, i + 1 + words) }
}

function costsOf(
  program: SearchProgram,
  words: number,
  threads: number,
  states: Int32Array,
  next: Costs | undefined,
  last: ((target: Int32Array) => Iterable<number>) | undefined,
): Costs {
  const costs = new Costs(words, threads, states)
  const by = new Float64Array(threads)
  for (let i = 0; i < costs.size; i++) {
    const state = states.subarray(i * words, (i + 1) * words)
    if (!next && !last) {
      costs.set(i, by.fill(0))
      continue
    }
    by.fill(Number.POSITIVE_INFINITY)
    if (!next) for (const t of last!(state)) by[t] = 0
    else
      for (const s of successorsOf(program, words, state)) {
        const on = next.after(program.orbit(s.state, s.thread))
        if (on !== undefined && on < by[s.thread]!) by[s.thread] = on
      }
    costs.set(i, by)
  }
  return costs
}

/**
 * The fewest context switches from each state of a level to a target, by the thread that moved last: the least number, or one
 * more if only another thread goes on at the least cost.
 */
class Costs {
  readonly size: number
  private readonly words: number
  private readonly threads: number
  private readonly states: Int32Array
  private readonly least: Int32Array
  /** By state and thread, 1 where going on with this thread costs the least. */
  private readonly cheap: Uint8Array
  /** Hash table with open addressing: 1 + the position of a state, 0 if empty. */
  private readonly slots: Int32Array

  constructor(words: number, threads: number, states: Int32Array) {
    this.size = states.length / words
    this.words = words
    this.threads = threads
    this.states = states
    this.least = new Int32Array(this.size)
    this.cheap = new Uint8Array(this.size * threads)
    this.slots = new Int32Array(2 << Math.ceil(Math.log2(this.size + 1)))
    for (let i = 0; i < this.size; i++) this.slots[this.slotOf(states, i * words)] = i + 1
  }

  /** Sets the costs of state i. @param by thread, the cost of a path whose next step is that thread's. */
  set(i: number, by: Float64Array): void {
    let least = by[0]!
    for (const cost of by) if (cost < least) least = cost
    this.least[i] = least
    for (const [t, cost] of by.entries()) if (cost === least) this.cheap[i * this.threads + t] = 1
  }

  /**
   * Returns the cost of going on from a state.
   * @param orbit the canonical state, then the thread that led to it, as {@link SearchProgram.orbit} returns them
   * @returns undefined if the state is on no shortest path
   */
  after(orbit: Int32Array): number | undefined {
    const i = this.slots[this.slotOf(orbit, 0)]! - 1
    if (i < 0) return undefined
    return this.least[i]! + 1 - this.cheap[i * this.threads + orbit[this.words]!]!
  }

  /** The slot that holds the state at `list[at]`, or the empty one where it belongs. */
  private slotOf(list: Int32Array, at: number): number {
    const { slots, states, words } = this
    let h = 0
    for (let k = 0; k < words; k++) h = Math.imul(h ^ list[at + k]! ^ (h >>> 15), 0x2c1b3c6d)
    h ^= h >>> 15
    for (let s = h & (slots.length - 1); ; s = (s + 1) & (slots.length - 1)) {
      const i = slots[s]! - 1
      if (i < 0) return s
      let k = 0
      while (k < words && states[i * words + k] === list[at + k]) k++
      if (k === words) return s
    }
  }
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    all.set(p, at)
    at += p.length
  }
  return all
}

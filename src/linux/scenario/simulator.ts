// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Executes a system one step at a time: as a unit test asks, at random by a seed for `lastput run`, or along a counterexample.
 * Each step has the page_ref events that it made and the properties that it violated.
 */
import {
  type Cell,
  type CounterexampleStep,
  describeStep,
  Interpreter,
  type Outcome,
  type Place,
  type Shared,
  type State,
  type StepRequest,
  type Violation,
} from '../../checker/index.ts'
import { is_page_ref, type PageRefEvent, type TraceEvent } from '../mm/trace_events.ts'
import type { Built } from './build.ts'

export interface SimulatedStep extends CounterexampleStep {
  /** Index, from 0, of the outcome that was taken of a step that chooses. */
  readonly choice: number
  readonly events: readonly PageRefEvent[]
  /** The events together with probes and the kernel's reports, in order. */
  readonly trace: readonly TraceEvent[]
  readonly violations: readonly Violation[]
}

/** One of the outcomes that a step may have, with its events. */
interface Way {
  readonly outcome: Outcome
  readonly trace: readonly TraceEvent[]
}

/** A step that was taken, and its description once somebody asks for it: descriptions need stacks, which are costly. */
interface Taken {
  readonly before: readonly number[]
  readonly thread: number
  readonly place: Place
  readonly choice: number
  readonly way: Way
  readonly violations: readonly Violation[]
  told?: SimulatedStep
}

export class Simulator {
  readonly built: Built
  private readonly taken: Taken[] = []
  private readonly interpreter: Interpreter
  private state: State
  private stopped = false

  constructor(built: Built) {
    this.built = built
    this.interpreter = new Interpreter(built.system)
    this.state = this.interpreter.initial()
  }

  get(cell: Cell): number {
    return this.state.values[this.interpreter.slotOf(cell)]!
  }

  /** `_refcount` of a page. */
  count(page: number): number {
    return this.get(this.built.kernel.pgmap.pages[page]!._refcount)
  }

  /** Every step taken so far. */
  get steps(): readonly SimulatedStep[] {
    return this.taken.map((t, i) => (t.told ??= this.tell(t, i + 1)))
  }

  /** Every event so far. */
  get events(): readonly PageRefEvent[] {
    return this.taken.flatMap(t => t.way.trace.filter(is_page_ref))
  }

  /** Violations so far. */
  get violations(): readonly Violation[] {
    return this.taken.flatMap(t => t.violations)
  }

  /** Names of the threads that can take a step now. */
  ready(): string[] {
    if (this.stopped) return []
    return this.built.system.threads.filter((_, t) => this.ways(t).length > 0).map(t => t.name)
  }

  /** True if the thread is inside a run. */
  running(thread: string): boolean {
    return this.state.places[this.indexOf(thread)]!.started
  }

  /** Takes the thread's next step; undefined when it is blocked or has ended. @throws Error for an unknown thread. */
  step(thread: string, choice = 0): SimulatedStep | undefined {
    const t = this.indexOf(thread)
    const way = this.stopped ? undefined : this.ways(t)[choice]
    if (!way) return undefined
    this.take(t, choice, way)
    return this.steps.at(-1)
  }

  /**
   * Runs the thread alone until its run ends.
   * @param choose returns the index of the outcome to take of a step that has several; the first by default.
   * @returns false if the thread blocks, ends the execution, or takes `limit` steps.
   */
  finish(thread: string, choose: (ways: number) => number = () => 0, limit = 1000): boolean {
    const t = this.indexOf(thread)
    for (let i = 0; i < limit; i++) {
      const ways = this.stopped ? [] : this.ways(t)
      if (ways.length === 0) return false
      const choice = choose(ways.length)
      this.take(t, choice, ways[choice]!)
      if (this.stopped) return false
      if (!this.state.places[t]!.started) return true
    }
    return false
  }

  /**
   * Runs threads at random (xorshift32 from `seed`) until none can move, a property is violated, or after `limit` steps.
   * @param onStep is called before each step with the number of steps taken.
   */
  run(seed: number, limit: number, onStep?: (taken: number) => void): void {
    const random = xorshift32(seed)
    for (let i = 0; i < limit && !this.stopped; i++) {
      onStep?.(i)
      const threads = this.built.system.threads.flatMap((_, t) => (this.ways(t).length > 0 ? [t] : []))
      if (threads.length === 0) return
      const t = threads[random(threads.length)]!
      const ways = this.ways(t)
      const choice = random(ways.length)
      this.take(t, choice, ways[choice]!)
      if (this.taken.at(-1)!.violations.length > 0) return
    }
  }

  /** Takes the same steps as a counterexample. @throws Error when the system cannot follow. */
  follow(steps: readonly CounterexampleStep[]): void {
    if (!this.search(steps, 0)) throw new Error(`${this.built.system.name}: the counterexample cannot be replayed`)
  }

  /** Backtracks: outcomes of a step that chooses may have equal effects at first, so each one that fits is tried. */
  private search(steps: readonly CounterexampleStep[], at: number): boolean {
    const wanted = steps[at]
    if (!wanted) return true
    const t = this.indexOf(wanted.thread)
    for (const [choice, way] of this.ways(t).entries()) {
      const { state, stopped } = this
      this.take(t, choice, way)
      if (this.fits(this.taken.at(-1)!, wanted) && this.search(steps, at + 1)) return true
      this.taken.pop()
      Object.assign(this, { state, stopped })
    }
    return false
  }

  private fits({ before, place, way }: Taken, wanted: CounterexampleStep): boolean {
    if (place.next!.name !== wanted.operation) return false
    const changed = new Map(wanted.changes.map(c => [c.cell, c.to]))
    return this.built.system.cells.every((c, i) => way.outcome.values[i] === (changed.get(c.name) ?? before[i]))
  }

  private take(thread: number, choice: number, way: Way): void {
    const { outcome } = way
    const place = this.state.places[thread]!
    const before = this.state.values
    this.stopped = outcome.stops
    if (!outcome.stops) {
      const of = this.built.system.threads[thread]!
      const after = this.interpreter.after(of, place, outcome.result)
      this.state = { values: outcome.values, places: this.state.places.with(thread, after) }
    }
    this.taken.push({ before, thread, place, choice, way, violations: [...outcome.violations, ...this.broken()] })
  }

  private tell({ before, thread, place, choice, way, violations }: Taken, step: number): SimulatedStep {
    const described = describeStep(this.interpreter, step, before, thread, place, way.outcome)
    return { ...described, choice, events: way.trace.filter(is_page_ref), trace: way.trace, violations }
  }

  private broken(): Violation[] {
    const view = this.interpreter.view(this.state.values)
    const resting = this.state.places.every(p => !p.started)
    return this.built.system.properties
      .filter(p => (p.kind === 'always' || (p.kind === 'at rest' && resting)) && !p.holds(view))
      .map(p => ({ property: p.name, message: `${p.name} does not hold` }))
  }

  private ways(t: number): Way[] {
    const request = this.state.places[t]!.next
    if (!request) return []
    const batches: Batch[] = []
    const outcomes = this.interpreter.outcomes(recorded(request, batches), this.state.values)
    const runs = batches.filter(b => !b.blocked)
    return outcomes.map((outcome, i) => ({ outcome, trace: runs[i]!.trace }))
  }

  private indexOf(thread: string): number {
    const t = this.built.system.threads.findIndex(x => x.name === thread)
    if (t === -1)
      throw new Error(`no thread "${thread}": there are ${this.built.system.threads.map(x => x.name).join(', ')}`)
    return t
  }
}

/** The events of one run of a step's body, and whether it was blocked, in which case none of them has happened. */
interface Batch {
  readonly trace: TraceEvent[]
  blocked: boolean
}

/** The same step, which adds a batch with its events for each run of its body. */
function recorded(request: StepRequest, batches: Batch[]): StepRequest {
  return {
    ...request,
    body: (s: Shared) => {
      const batch: Batch = { trace: [], blocked: false }
      batches.push(batch)
      return request.body({
        ...s,
        observe: event => void batch.trace.push(event as TraceEvent),
        wait: condition => {
          if (!condition) batch.blocked = true
          s.wait(condition)
        },
        warn: (condition, property, message) => {
          if (condition && property === 'warn') batch.trace.push({ event: 'error_report_end' })
          s.warn(condition, property, message)
        },
        add: (cell, delta) => {
          if (underflows(request, s.get(cell) + delta)) batch.trace.push({ event: 'error_report_end' })
          return s.add(cell, delta)
        },
      })
    },
  }
}

/**
 * True if percpu_ref_switch_to_atomic_rcu(), part of the kill, finds a sum of zero or less, of which it warns. After the kill has
 * put the initial reference, the count is then below zero.
 */
function underflows(request: StepRequest, after: number): boolean {
  return request.name === 'percpu_ref_kill' && after < 0
}

/** Marsaglia's xorshift32, whose numbers are the same on every platform. */
function xorshift32(seed: number): (below: number) => number {
  let x = seed | 0 || 0x9e3779b9
  return below => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

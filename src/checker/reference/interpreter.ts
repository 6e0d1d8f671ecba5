// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Executes a system as written: threads are replayed from their histories, and steps run on an array of values. It is slow but
 * simple. The reference checker, the simulator and the replay of counterexamples use it; the search does not.
 */

import { misuse, stepsInside } from '../misuse.ts'
import {
  AGAIN,
  type CallRequest,
  type Cell,
  Indeterminate,
  ModelError,
  type Request,
  type Shared,
  type Standing,
  type StepRequest,
  type Steps,
  type System,
  type Thread,
  type Value,
  type View,
  WHERE,
} from '../model.ts'
import { isRequest } from '../operations.ts'
import { type Site, sites } from '../stack.ts'
import { askedInRun, beginRun, inBody, inRun, leavesOpen, madeSoFar, takeAsked } from '../usage.ts'
import { keyOf } from '../value-key.ts'
import type { Violation } from '../verdict.ts'

/** A stack frame: a function, its arguments, and what its steps and calls have returned so far. */
interface Frame {
  readonly call: CallRequest
  readonly history: readonly Value[]
}

/** Where a thread is in its code. Frames are outermost first, and none are left when the thread's runs are over. */
export interface Place {
  readonly frames: readonly Frame[]
  /** The step that the thread takes next; undefined when its runs are over. */
  readonly next: StepRequest | undefined
  /** True if the current run has taken a step. */
  readonly started: boolean
  /** Runs left, the current one included. */
  readonly runs: number
}

export interface State {
  readonly values: readonly number[]
  readonly places: readonly Place[]
}

/** One way in which a step can go. */
export interface Outcome {
  readonly result: Value
  readonly values: readonly number[]
  readonly violations: readonly Violation[]
  /** True if the execution ends here, by BUG_ON or a value out of bounds. */
  readonly stops: boolean
  /** The choices that the step made, in order. */
  readonly choices: readonly number[]
}

const LOCAL_LIMIT = 10_000

class Blocked extends Error {}
class Stopped extends Error {}

export class Interpreter {
  readonly system: System
  private readonly slot = new Map<Cell, number>()

  constructor(system: System) {
    this.system = system
    for (const [i, c] of system.cells.entries()) this.slot.set(c, i)
  }

  slotOf(cell: Cell): number {
    const i = this.slot.get(cell)
    if (i === undefined)
      throw new ModelError(`system ${this.system.name}: cell ${cell.name} is used but not among its cells`)
    return i
  }

  initial(): State {
    return {
      values: this.system.cells.map(c => c.init),
      places: this.system.threads.map(t => this.begin(t, t.times)),
    }
  }

  /** Names of the invariants that do not hold in a state. */
  broken(state: State): string[] {
    const view = this.view(state.values)
    const resting = state.places.every(p => !p.started)
    return this.system.properties
      .filter(p => p.kind !== 'progress' && (p.kind === 'always' || resting) && !p.holds(view))
      .map(p => p.name)
  }

  /** The message for a state that violates an invariant: the property's own words, if it has any for that state. */
  messageOf(property: string, values: readonly number[]): string {
    const broken = this.system.properties.find(p => p.name === property)
    const why = broken && broken.kind !== 'progress' ? broken.why?.(this.view(values)) : undefined
    return why ?? `${property} does not hold`
  }

  /** Shared memory of a state, read only. */
  view(values: readonly number[]): View {
    return {
      get: c => values[this.slotOf(c)]!,
      sum: (list, weight = v => v) => list.reduce((sum, c, i) => sum + weight(values[this.slotOf(c)]!, i), 0),
    }
  }

  /** Every way in which the step can go in memory `values`: none if it is blocked, several if it chooses. */
  outcomes(request: StepRequest, values: readonly number[]): Outcome[] {
    const out: Outcome[] = []
    const choices: { taken: number; of: number }[] = []
    do {
      const outcome = this.run(request, values, choices)
      if (outcome) out.push(outcome)
      while (choices.length > 0 && choices.at(-1)!.taken + 1 >= choices.at(-1)!.of) choices.pop()
      if (choices.length > 0) choices.at(-1)!.taken++
    } while (choices.length > 0)
    return out
  }

  /** Where a thread is after its next step has returned `result`. */
  after(thread: Thread, place: Place, result: Value): Place {
    const top = place.frames.at(-1)!
    const frames = [...place.frames.slice(0, -1), { call: top.call, history: [...top.history, result] }]
    return this.settle(thread, frames, true, place.runs)
  }

  /**
   * The modelled functions that a thread is in, innermost first, with the place of each. V8 cuts stacks: where calls are nested
   * deeply, the outermost functions are missing unless `Error.stackTraceLimit` allows for two frames for each.
   */
  stack(place: Place): Site[] {
    return place.frames.flatMap(f => sitesOf(askWhere(f))).reverse()
  }

  private begin(thread: Thread, runs: number): Place {
    if (runs === 0) return { frames: [], next: undefined, started: false, runs: 0 }
    const call: CallRequest = { kind: 'call', fn: thread.body, args: [] }
    return this.settle(thread, [{ call, history: [] }], false, runs)
  }

  /** Runs local code up to the next step: enters calls, leaves functions that return, begins the next run. */
  private settle(thread: Thread, stack: Frame[], started: boolean, runs: number): Place {
    for (let i = 0; i < LOCAL_LIMIT; i++) {
      const top = stack.at(-1)!
      const { done, value } = running(top.call.fn.name, () => replay(top).at)
      if (done ? leavesOpen() : askedInRun() > top.history.length + 1) throw misused(thread, top)
      if (!done) {
        if (!isRequest(value)) throw new ModelError(`thread ${thread.name} yields what is no step`)
        const request = value
        if (request.kind === 'step') return { frames: stack, next: request, started, runs }
        stack = [...stack, { call: request, history: [] }]
      } else if (stack.length === 1) {
        if (!started) throw new ModelError(`thread ${thread.name}: a run ends without a step`)
        return this.begin(thread, runs - 1)
      } else if (top.call.kind === 'repeat' && value === AGAIN) {
        stack = [...stack.slice(0, -1), { call: top.call, history: [] }]
      } else {
        const caller = stack.at(-2)!
        stack = [...stack.slice(0, -2), { call: caller.call, history: [...caller.history, value] }]
      }
    }
    throw new ModelError(`thread ${thread.name}: ${LOCAL_LIMIT} calls without a step between them`)
  }

  private run(request: StepRequest, before: readonly number[], choices: { taken: number; of: number }[]) {
    const values = [...before]
    const violations: Violation[] = []
    /** The first exception by which the checker ended the body. The body must neither catch nor replace it. */
    let left: Blocked | Stopped | undefined
    const leave = (by: Blocked | Stopped): never => {
      left ??= by
      throw by
    }
    let result: Value
    let choice = 0
    const view = this.view(values)
    const stop = (property: string, message: string): never => {
      violations.push({ property, message })
      return leave(new Stopped())
    }
    const shared: Shared = {
      ...view,
      set: (cell, value) => {
        if (!Number.isInteger(value)) throw new ModelError(`step "${request.name}": sets ${cell.name} to ${value}`)
        if (value < cell.min || value > cell.max)
          stop('bounds', `${cell.name} would become ${value} (${cell.min}..${cell.max})`)
        values[this.slotOf(cell)] = value
      },
      add: (cell, delta) => {
        const value = view.get(cell) + delta
        shared.set(cell, value)
        return value
      },
      choose: n => {
        if (!Number.isInteger(n) || n < 1) throw new ModelError(`step "${request.name}": chooses among ${n}`)
        if (choice === choices.length) choices.push({ taken: 0, of: n })
        return choices[choice++]!.taken
      },
      wait: condition => {
        if (!condition) leave(new Blocked())
      },
      warn: (condition, property, message = property) => {
        if (condition) violations.push({ property, message })
      },
      fail: (property, message = property) => stop(property, message),
    }
    const made = madeSoFar()
    let ended: unknown
    try {
      result = running(`step "${request.name}"`, () => inBody(() => request.body(shared)))
    } catch (e) {
      if (left === undefined) throw e
      ended = e
    }
    if (ended !== left)
      throw new ModelError(`step "${request.name}" catches what ends a run of its body: leave try and catch out`)
    if (left instanceof Blocked) return undefined
    if (madeSoFar() !== made) throw stepsInside(`step "${request.name}"`, () => void request.body(shared))
    const stops = left !== undefined
    return {
      result,
      values: stops ? before : values,
      violations,
      stops,
      choices: choices.map(c => c.taken),
    } satisfies Outcome
  }
}

/** Key of a place: equal for places with the same functions, arguments and histories. */
export function keyOfPlace(place: Place): string {
  const frames = place.frames.map(f => `${keyOf([f.call.fn, ...f.call.args])}:${keyOf(f.history)}`)
  return `${place.started ? 1 : 0}${Number.isFinite(place.runs) ? place.runs : ''}${frames.join('>')}`
}

/** Runs a function again with the results of its history, up to its next request or its return. */
function replay(frame: Frame): { run: Steps<Value>; at: IteratorResult<Request | Standing, Value> } {
  beginRun()
  const run = frame.call.fn(...(frame.call.args as never[]))
  let at = run.next()
  for (const result of frame.history) at = run.next(result)
  return { run, at }
}

/** Makes the error for a function that does not run every step or generator that it makes. */
function misused(thread: Thread, frame: Frame): ModelError {
  return misuse(frame.call.fn.name || `thread ${thread.name}`, () => {
    const { at } = replay(frame)
    return takeAsked().slice(frame.history.length + (at.done ? 0 : 1))
  })
}

/** The JavaScript stack of a function that waits for an answer; empty if the function does not answer {@link WHERE}. */
function askWhere(frame: Frame): string {
  const { value } = replay(frame).run.next(WHERE)
  return (value as Partial<Standing> | undefined)?.kind === 'standing' ? (value as Standing).stack : ''
}

/** Runs code of the model. @throws ModelError that names the code if it depends on chance or the clock. */
function running<T>(name: string, code: () => T): T {
  try {
    return inRun(code)
  } catch (e) {
    throw e instanceof Indeterminate ? new ModelError(`${name} is not deterministic: it ${e.message}`, { cause: e }) : e
  }
}

/** The modelled functions of a stack, outermost first: the frames between {@link askWhere} and the operations of the language. */
function sitesOf(stack: string): Site[] {
  const all = sites(stack)
  const end = all.findIndex(s => s.function === 'askWhere')
  return all
    .slice(0, end < 0 ? all.length : end)
    .filter(s => s.function !== '' && !OPERATIONS.has(s.function))
    .reverse()
}

const OPERATIONS: ReadonlySet<string> = new Set(['standing', 'warn_on', 'bug_on', 'next'])

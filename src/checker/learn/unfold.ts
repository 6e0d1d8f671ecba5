// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Learns functions by replay. What a generator does next depends only on what its steps have returned, so that running it again
 * for every history (sequence of results) gives a tree, in which equal subtrees are one node. Each function is learned once per
 * tuple of arguments.
 */
import { errorAt, misuse } from '../misuse.ts'
import {
  AGAIN,
  type CallRequest,
  Indeterminate,
  ModelError,
  type Request,
  type StepRequest,
  type Value,
  WHERE,
} from '../model.ts'
import { isRequest, requestText, running, unrunText } from '../operations.ts'
import { userFunction, userSite } from '../stack.ts'
import { askedInRun, beginRun, inRun, leavesOpen, leftovers, type Made, takeAsked } from '../usage.ts'
import { keyOf } from '../value-key.ts'
import { ofModel } from './body-run.ts'
import type { Decisions, Diagram } from './decision.ts'

/** One point of a function: its next step, its next call, or its return. Targets are numbers of nodes of the same fragment. */
export type Node =
  | { readonly kind: 'step'; readonly diagram: Diagram; readonly name: string }
  | {
      readonly kind: 'call'
      readonly callee: Fragment
      readonly repeats: boolean
      readonly next: ReadonlyMap<string, number>
    }
  | { readonly kind: 'return'; readonly key: string }

/** What was learned of a function with one tuple of arguments. */
export interface Fragment {
  readonly id: number
  readonly name: string
  readonly nodes: readonly Node[]
  readonly entry: number
  /** The values that it can return, by key. */
  readonly returns: ReadonlyMap<string, Value>
}

/**
 * Limits beyond which a model is refused as unbounded: steps on one path, histories of one function, argument tuples of one
 * function, depth of calls.
 */
const LENGTH = 400
const HISTORIES = 50_000
const TUPLES = 4096
const NESTING = 100

export const AGAIN_KEY = keyOf(AGAIN)

export class Unfolder {
  private readonly decisions: Decisions
  private readonly merge: boolean
  private readonly fragments = new Map<string, Fragment | 'open'>()
  private readonly tuples = new Map<string, number>()
  private count = 0

  /** @param merge true to make equal futures one node; false only to count states as the reference checker does. */
  constructor(decisions: Decisions, merge: boolean) {
    this.decisions = decisions
    this.merge = merge
  }

  get histories(): number {
    return this.count
  }

  /** @throws ModelError naming the function when it is not deterministic, or is recursive or endless. */
  learn(call: Pick<CallRequest, 'fn' | 'args'>, name = call.fn.name || 'anonymous function', nesting = 0): Fragment {
    const key = keyOf([call.fn, ...call.args])
    const known = this.fragments.get(key)
    if (known === 'open') throw new ModelError(`${name} calls itself: recursion is not modelled, see repeat()`)
    if (known) return known
    if (nesting > NESTING) throw new ModelError(`${name}: calls are nested more than ${NESTING} deep`)
    const fn = keyOf(call.fn)
    const tuples = (this.tuples.get(fn) ?? 0) + 1
    if (tuples > TUPLES)
      throw new ModelError(`${name} is called with more than ${TUPLES} different arguments: ${describe(call.args)}`)
    this.tuples.set(fn, tuples)
    this.fragments.set(key, 'open')
    const fragment = new FragmentUnfolder(this, this.decisions, call, name, nesting, this.merge).learn(
      this.fragments.size,
    )
    this.count += fragment.histories
    this.decisions.budget.functions++
    this.fragments.set(key, fragment)
    return fragment
  }
}

/** Messages of errors that arise where a model uses a step, because `yield*` is missing, in the place of the step's result. */
const BY_WRONG_VALUES = / throws TypeError|, which is no cell,|not an integer/

/** A request on the path to a node, which the function must make again in each replay. */
interface Asked {
  readonly key: string
  readonly request: Request
}

class FragmentUnfolder {
  private readonly nodes: Node[] = []
  private readonly shared = new Map<string, number>()
  private readonly returns = new Map<string, Value>()
  private histories = 0
  private readonly learner: Unfolder
  private readonly decisions: Decisions
  private readonly call: Pick<CallRequest, 'fn' | 'args'>
  private readonly name: string
  private readonly nesting: number
  private readonly merge: boolean

  constructor(
    learner: Unfolder,
    decisions: Decisions,
    call: Pick<CallRequest, 'fn' | 'args'>,
    name: string,
    nesting: number,
    merge: boolean,
  ) {
    this.learner = learner
    this.decisions = decisions
    this.call = call
    this.name = name
    this.nesting = nesting
    this.merge = merge
  }

  learn(id: number): Fragment & { histories: number } {
    const entry = this.explore([], [])
    return { id, name: this.name, nodes: this.nodes, entry, returns: this.returns, histories: this.histories }
  }

  /**
   * Returns the node that the function reaches after `history`.
   * @param asked the requests on the way, against which each replay is checked
   */
  private explore(history: readonly Value[], asked: readonly Asked[]): number {
    if (history.length > LENGTH || ++this.histories > HISTORIES)
      this.located(history, asked, () => this.tooLarge(history.length))
    const { done, value } = this.replay(history, asked)
    if (done) return this.returned(history, asked, value)
    const request = value as Request
    return request.kind === 'step' ? this.step(request, history, asked) : this.called(request, history, asked)
  }

  private tooLarge(steps: number): never {
    throw new ModelError(
      steps > LENGTH
        ? `${this.name} takes more than ${LENGTH} steps in one run: an unbounded loop? see repeat()`
        : `${this.name} has more than ${HISTORIES} histories: use call() for its parts, or repeat() for its loops`,
    )
  }

  private step(request: StepRequest, history: readonly Value[], asked: readonly Asked[]): number {
    const results = new Results()
    const diagram = this.located(history, asked, () => this.decisions.learnStep(request, r => results.number(r)))
    this.checkAgain(request, history, asked, results, diagram)
    if (results.values.length === 0) this.refuseOpen(history, asked)
    const path = [...asked, { key: request.name, request }]
    const targets = results.values.map(r => this.explore([...history, r], path))
    return this.node(
      { kind: 'step', diagram: this.decisions.retarget(diagram, t => targets[t]!), name: request.name },
      n => `step ${n.kind === 'step' && n.diagram.id}`,
    )
  }

  /** Runs `learn`. @throws ModelError of `learn`, placed where the function waits unless it has a place in the user's code */
  private located<T>(history: readonly Value[], asked: readonly Asked[], learn: () => T): T {
    try {
      return learn()
    } catch (e) {
      if (!(e instanceof ModelError)) throw e
      const { run, at } = this.run(history, asked)
      if (leavesOpen() && BY_WRONG_VALUES.test(e.message)) throw this.becauseOpen(e, history, asked)
      if (userSite(e.stack) || userSite((e.cause as Error | undefined)?.stack)) throw e
      throw errorAt(e.message, whereOf(run, at))
    }
  }

  /** Learns the step again from a fresh replay, to detect a body that depends on anything but the results of earlier steps. */
  private checkAgain(
    request: StepRequest,
    history: readonly Value[],
    asked: readonly Asked[],
    results: Results,
    diagram: Diagram,
  ): void {
    const again = this.replay(history, asked)
    const what = `step "${request.name}"`
    if (again.done || again.value.kind !== 'step') this.differs(`${what} is another, run again`, history, asked)
    const second = new Results()
    const same = this.decisions.learnStep(again.value, r => second.number(r)) === diagram
    if (second.keys() !== results.keys())
      this.differs(`${what} returns another object each time: return what is in it, or make it once`, history, asked)
    if (!same) this.differs(`${what} does something else when it is run again`, history, asked)
  }

  private called(request: CallRequest, history: readonly Value[], asked: readonly Asked[]): number {
    const callee = this.located(history, asked, () =>
      this.learner.learn(request, request.fn.name || `function called by ${this.name}`, this.nesting + 1),
    )
    const path = [...asked, { key: requestKey(request), request }]
    const repeats = request.kind === 'repeat'
    const next = new Map<string, number>()
    for (const [key, value] of callee.returns)
      if (!repeats || key !== AGAIN_KEY) next.set(key, this.explore([...history, value], path))
    if (next.size === 0) {
      this.replay(history, asked)
      this.refuseOpen(history, asked)
    }
    return this.node(
      { kind: 'call', callee, repeats, next },
      () => `${request.kind} ${callee.id} ${[...next].map(e => e.join('>')).join()}`,
    )
  }

  private returned(history: readonly Value[], asked: readonly Asked[], value: Value): number {
    this.refuseOpen(history, asked)
    const key = keyOf(value)
    const again = this.replay(history, asked)
    if (!again.done || keyOf(again.value) !== key)
      this.differs(`it returns ${describe([value])} and, run again, ${describe([again.value])}`)
    this.returns.set(key, value)
    if (this.returns.size > TUPLES) throw new ModelError(`${this.name} returns more than ${TUPLES} different values`)
    return this.node({ kind: 'return', key }, () => `return ${key}`)
  }

  private node(node: Node, key: (node: Node) => string): number {
    const k = this.merge ? key(node) : String(this.nodes.length)
    let n = this.shared.get(k)
    if (n === undefined) {
      n = this.nodes.push(node) - 1
      this.shared.set(k, n)
      this.decisions.budget.nodes++
    }
    return n
  }

  private replay(history: readonly Value[], asked: readonly Asked[]): IteratorResult<Request, Value> {
    this.decisions.budget.enter(this.name)
    this.decisions.budget.tick()
    let at: IteratorResult<Request, Value>
    try {
      at = inRun(() => this.run(history, asked).at)
    } catch (e) {
      throw this.thrown(e, history, asked)
    }
    if (!at.done && !isRequest(at.value)) throw this.noRequest(at.value, () => this.run(history, asked))
    if (askedInRun() > history.length + (at.done ? 0 : 1)) throw this.misused(history, asked)
    return at
  }

  /** The error for what a function throws. A step that it left unrun is named first: most often it used that as a result. */
  private thrown(e: unknown, history: readonly Value[], asked: readonly Asked[]): Error {
    const error = ofModel(e, userFunction((e as Partial<Error> | undefined)?.stack) ?? this.name)
    return error === e || e instanceof Indeterminate || !leavesOpen() ? error : this.becauseOpen(error, history, asked)
  }

  private becauseOpen(error: Error, history: readonly Value[], asked: readonly Asked[]): ModelError {
    const first = this.misused(history, asked)
    return new ModelError(`${first.message}; then ${error.message}`, { cause: first.cause })
  }

  /**
   * Runs the function again with the results of `history`.
   * @param onAnswer called each time the function yields or returns; true if it has made another request
   * @throws ModelError when the function makes other requests than `asked`
   */
  private run(history: readonly Value[], asked: readonly Asked[], onAnswer?: (asks: boolean) => void) {
    beginRun()
    const run = running(this.call.fn(...(this.call.args as never[])))
    if (typeof run?.next !== 'function') throw this.noGenerator(run)
    let at = run.next()
    onAnswer?.(!at.done)
    for (const [i, result] of history.entries()) {
      const request = at.value as Request
      if (at.done || requestKey(request) !== asked[i]!.key)
        throw this.asksElse(asked[i]!.request, at.done ? undefined : request, whereOf(run, at))
      at = run.next(result)
      onAnswer?.(!at.done)
    }
    return { run, at: at as IteratorResult<Request, Value> }
  }

  /** @throws ModelError if the last run left a step or generator unrun. Called where nothing follows that could still run it. */
  private refuseOpen(history: readonly Value[], asked: readonly Asked[]): void {
    if (leavesOpen()) throw this.misused(history, asked)
  }

  private misused(history: readonly Value[], asked: readonly Asked[]): ModelError {
    return misuse(this.name, () => {
      const unanswered: Made[] = []
      this.run(history, asked, asks => unanswered.push(...takeAsked().slice(0, asks ? -1 : undefined)))
      return unanswered
    })
  }

  private noGenerator(run: unknown): ModelError {
    const isPromise = typeof (run as Partial<Promise<unknown>> | undefined)?.then === 'function'
    return new ModelError(
      isPromise
        ? `${this.name} is async: a modelled function is a function*, whose steps are taken by yield*`
        : `${this.name} is no generator: is the * of its function* missing?`,
    )
  }

  private noRequest(value: unknown, again: () => void): ModelError {
    const unrun = unrunText(value)
    const { name = unrun, stack } = (unrun !== undefined && leftovers(again).open.at(-1)) || {}
    return errorAt(
      `${userFunction(stack) ?? this.name} yields ${name ?? 'something that is no step'}: is a yield* missing its *?`,
      stack,
    )
  }

  private asksElse(was: Request, now: Request | undefined, stack: string | undefined): ModelError {
    const how =
      changedArgument(was, now) ??
      `it asks for ${requestText(was)} and, run again, ${now ? `for ${nowText(now)}` : 'ends'}`
    return errorAt(`${userFunction(stack) ?? this.name} is not deterministic: ${how}`, stack)
  }

  /** @throws ModelError, placed where the function waits for its next answer if `history` is given */
  private differs(how: string, history?: readonly Value[], asked: readonly Asked[] = []): never {
    const { run, at } = history ? this.run(history, asked) : {}
    const stack = run && at && whereOf(run, at)
    throw errorAt(`${userFunction(stack) ?? this.name} is not deterministic: ${how}`, stack)
  }
}

/** The JavaScript stack of a function that waits for an answer; undefined if it has returned or does not answer {@link WHERE}. */
function whereOf(run: Iterator<unknown, unknown>, at: IteratorResult<unknown, unknown>): string | undefined {
  if (at.done) return undefined
  const { value } = run.next(WHERE as never)
  return (value as { stack?: string } | undefined)?.stack
}

function nowText(now: Request): string {
  return isRequest(now) ? requestText(now) : 'what is no step'
}

/**
 * Says which argument or function has changed in a call that is otherwise the same, most often an object that is made anew in
 * each run; undefined if it is another call.
 */
function changedArgument(was: Request, now: Request | undefined): string | undefined {
  if (was.kind === 'step' || !now || now.kind !== was.kind) return undefined
  if (now.fn !== was.fn)
    return now.fn.name === was.fn.name
      ? `it calls a function that it makes anew each time: define ${was.fn.name || 'it'} once, outside`
      : undefined
  const i = was.args.findIndex((arg, n) => keyOf(arg) !== keyOf(now.args[n]))
  if (i < 0) return undefined
  const [before, after] = [was.args[i], now.args[i]]
  const name = was.fn.name || 'a function'
  if ([before, after].every(arg => typeof arg === 'object' || typeof arg === 'function'))
    return `it calls ${name}() with another object as argument ${i + 1} when it is run again: make the object once, outside of the function`
  return `it calls ${name}() with ${describe([before])} as argument ${i + 1}, and with ${describe([after])} when it is run again`
}

/** Numbers a step's results in the order of their first appearance. */
class Results {
  readonly values: Value[] = []
  private readonly numbers = new Map<string, number>()

  number(result: Value): number {
    const key = keyOf(result)
    let n = this.numbers.get(key)
    if (n === undefined) {
      n = this.values.push(result) - 1
      this.numbers.set(key, n)
    }
    return n
  }

  keys(): string {
    return [...this.numbers.keys()].join()
  }
}

function requestKey(request: Request): string {
  return request.kind === 'step' ? request.name : keyOf([request.kind, request.fn, ...request.args])
}

function describe(args: readonly unknown[]): string {
  return args.map(a => (typeof a === 'function' ? a.name : String(a))).join(', ')
}

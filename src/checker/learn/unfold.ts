// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Learns functions by replay. What a generator does next depends only on what its steps returned, so running it again for
 * every history gives a tree; equal futures are one node. Each function is learned once per tuple of arguments.
 */
import { AGAIN, type CallRequest, ModelError, type Request, type Value } from '../model.ts'
import { keyOf } from '../value-key.ts'
import { type Decisions, type Diagram, ofModel } from './decision.ts'

/** What a function does at one point; targets number nodes of the same fragment. */
export type Node =
  | { readonly kind: 'step'; readonly diagram: Diagram; readonly name: string }
  | {
      readonly kind: 'call'
      readonly callee: Fragment
      readonly repeats: boolean
      readonly next: ReadonlyMap<string, number>
    }
  | { readonly kind: 'return'; readonly key: string }

/** A function with its arguments, learned. */
export interface Fragment {
  readonly id: number
  readonly name: string
  readonly nodes: readonly Node[]
  readonly entry: number
  /** What it can return, by key. */
  readonly returns: ReadonlyMap<string, Value>
}

/** What is still taken to be meant: steps on one path, histories of one function, argument tuples, depth of calls. */
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

  /** @param merge whether equal futures become one node (off only to count states as the naive explorer does). */
  constructor(decisions: Decisions, merge: boolean) {
    this.decisions = decisions
    this.merge = merge
  }

  get histories(): number {
    return this.count
  }

  /** @throws ModelError naming the function when it is not deterministic, recursive, or endless. */
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

  /** The node that the function reaches after `history`; `asked` are the requests on the way, to tell a function that changes. */
  private explore(history: readonly Value[], asked: readonly string[]): number {
    if (history.length > LENGTH)
      throw new ModelError(`${this.name} takes more than ${LENGTH} steps in one run: an unbounded loop? see repeat()`)
    if (++this.histories > HISTORIES)
      throw new ModelError(
        `${this.name} has more than ${HISTORIES} histories: use call() for its parts, or repeat() for its loops`,
      )
    const { done, value } = this.replay(history, asked)
    if (done) return this.returned(history, asked, value)
    const request = value as Request
    return request.kind === 'step' ? this.step(request, history, asked) : this.called(request, history, asked)
  }

  private step(request: Request & { kind: 'step' }, history: readonly Value[], asked: readonly string[]): number {
    const results = new Results()
    const diagram = this.decisions.learnStep(request, r => results.number(r))
    this.checkAgain(request, history, asked, results, diagram)
    const path = [...asked, request.name]
    const targets = results.values.map(r => this.explore([...history, r], path))
    return this.node(
      { kind: 'step', diagram: this.decisions.retarget(diagram, t => targets[t]!), name: request.name },
      n => `step ${n.kind === 'step' && n.diagram.id}`,
    )
  }

  /** Learns the step again from a fresh replay: a body that uses what is not a result is caught here. */
  private checkAgain(
    request: Request,
    history: readonly Value[],
    asked: readonly string[],
    results: Results,
    diagram: Diagram,
  ): void {
    const again = this.replay(history, asked)
    const same = !again.done && (again.value as Request).kind === 'step'
    const second = new Results()
    if (
      !same ||
      this.decisions.learnStep(again.value as Request & { kind: 'step' }, r => second.number(r)) !== diagram ||
      second.keys() !== results.keys()
    )
      this.differs(
        `"${(request as { name?: string }).name}" does something else, or returns another object, when run again`,
      )
  }

  private called(request: CallRequest, history: readonly Value[], asked: readonly string[]): number {
    const callee = this.learner.learn(request, request.fn.name || `function called by ${this.name}`, this.nesting + 1)
    const path = [...asked, keyOf([request.kind, request.fn, ...request.args])]
    const repeats = request.kind === 'repeat'
    const next = new Map<string, number>()
    for (const [key, value] of callee.returns)
      if (!repeats || key !== AGAIN_KEY) next.set(key, this.explore([...history, value], path))
    return this.node(
      { kind: 'call', callee, repeats, next },
      () => `${request.kind} ${callee.id} ${[...next].map(e => e.join('>')).join()}`,
    )
  }

  private returned(history: readonly Value[], asked: readonly string[], value: Value): number {
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

  private replay(history: readonly Value[], asked: readonly string[]): IteratorResult<Request, Value> {
    this.decisions.budget.enter(this.name)
    this.decisions.budget.tick()
    let at: IteratorResult<Request, Value>
    try {
      at = this.run(history, asked)
    } catch (e) {
      throw ofModel(e, this.name)
    }
    if (!at.done && !isRequest(at.value))
      throw new ModelError(`${this.name} yields something that is no step: is a yield* missing its *?`)
    return at
  }

  private run(history: readonly Value[], asked: readonly string[]): IteratorResult<Request, Value> {
    const run = this.call.fn(...(this.call.args as never[]))
    if (typeof run?.next !== 'function')
      throw new ModelError(`${this.name} is no generator: is the * of its function* missing?`)
    let at = run.next()
    for (const [i, result] of history.entries()) {
      const request = at.value as Request
      if (at.done || requestKey(request) !== asked[i])
        this.differs(`it asked for ${asked[i]}, and for something else when run again`)
      at = run.next(result)
    }
    return at as IteratorResult<Request, Value>
  }

  private differs(how: string): never {
    throw new ModelError(`${this.name} is not deterministic: ${how}`)
  }
}

/** Numbers a step's results in the order in which they come up. */
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

function isRequest(value: unknown): boolean {
  const kind = (value as Request | undefined)?.kind
  return kind === 'step' || kind === 'call' || kind === 'repeat'
}

function describe(args: readonly unknown[]): string {
  return args.map(a => (typeof a === 'function' ? a.name : String(a))).join(', ')
}

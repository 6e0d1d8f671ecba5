// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs the body of a step, or an invariant, on memory of which some values are given: the first read of another ends the run. */
import { Exhausted } from '../budget.ts'
import { errorAt, stepsInside } from '../misuse.ts'
import { type Cell, Indeterminate, ModelError, type Shared, type StepRequest, type Value } from '../model.ts'
import { inBody, madeSoFar } from '../usage.ts'

/** A cell, or a weighted sum over cells: the values that a diagram may test. */
export interface Variable {
  readonly id: number
  readonly name: string
  readonly low: number
  readonly size: number
  /** The cell; undefined for a sum. */
  readonly cell: Cell | undefined
  /** For a sum: by cell of it, the weight of each value, by value - min. */
  readonly terms: readonly { readonly cell: number; readonly weights: readonly number[] }[]
}

/** The variables that a body may ask about. */
export interface VariableTable {
  /** True for the properties whose violations are noted. */
  readonly selected: (property: string) => boolean
  variableOf(cell: Cell): Variable | undefined
  /** @throws ModelError for too many different sums */
  ofSum(terms: Variable['terms'], name: string): Variable
}

/** Limit of the options of one choice, beyond which the model is refused. */
const CHOICES = 64

/** Thrown out of a body that is being learned, at a read or a choice that has no answer yet. */
export class Question {
  readonly variable: Variable | undefined
  readonly size: number
  constructor(variable: Variable | undefined, size: number) {
    this.variable = variable
    this.size = size
  }
}
const BLOCKED = Symbol('blocked')
const STOPPED = Symbol('stopped')

function nameOf(cell: Cell | undefined): string {
  return typeof cell?.name === 'string' ? `cell ${cell.name}` : `${cell}, which is no cell,`
}

/** Added to errors that depend on a cell's value, which is one within its bounds but need not be one that it ever holds. */
const IMPOSSIBLE = ' (a body is run for every value from min to max, held or not: narrow the bounds, or let it pass)'

/**
 * Turns what was thrown into an error of the model, unless it is a limit that was met.
 * @param where text about the place of the error, after its own message
 */
export function ofModel(error: unknown, name: string, where = ''): Error {
  if (error instanceof Exhausted) return error
  if (error instanceof ModelError)
    return where === ''
      ? error
      : new ModelError(`${prefixed(error.message, name)}${where}`, { cause: error.cause ?? error })
  if (error instanceof Indeterminate)
    return new ModelError(`${name} is not deterministic: it ${error.message}`, { cause: error })
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new ModelError(`${name} throws ${what}${where}`, { cause: error })
}

function prefixed(message: string, name: string): string {
  return message.startsWith(name) ? message : `${name}: ${message}`
}

/** The message for a body that returns code that is yet to run, as a promise or a generator; undefined for any other result. */
export function isRunnable(result: Value): string | undefined {
  if (typeof result !== 'object' || result === null) return undefined
  if (typeof (result as Partial<Promise<unknown>>).then === 'function')
    return 'its body is async, and what it does after an await is never done'
  if (typeof (result as Partial<Generator>).next === 'function')
    return 'its body returns a generator, which nothing runs: no * and no yield in a body'
  return undefined
}

export function text(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return isRunnable(value) ? 'what is yet to run' : 'an object'
  return String(value)
}

/** One run of a body, in which the answers to its first reads and choices are given. */
export class BodyRun implements Shared {
  readonly violations: string[] = []
  private readonly before = new Map<number, number>()
  private readonly now = new Map<number, number>()
  private readonly decisions: VariableTable
  private readonly name: string
  private readonly answers: readonly number[]
  private readonly asked: readonly Question[]
  private next = 0
  /** The first exception by which the checker ended the body. The body must neither catch nor replace it. */
  private thrown: unknown
  private over = false
  result: Value

  constructor(decisions: VariableTable, name: string, answers: readonly number[], asked: readonly Question[]) {
    this.decisions = decisions
    this.name = name
    this.answers = answers
    this.asked = asked
  }

  /** Runs the body. Returns the first question that has no answer; undefined if the body came to its end. @throws ModelError */
  run(body: StepRequest['body']): Question | undefined {
    const before = madeSoFar()
    let error: unknown
    try {
      this.result = inBody(() => body(this))
    } catch (e) {
      // A body that throws undefined has thrown all the same.
      error = e ?? String(e)
    }
    this.over = true
    // Nobody else handles the rejection of an async body's promise.
    if (isRunnable(this.result)) Promise.resolve(this.result).catch(() => undefined)
    if (this.thrown !== undefined && error !== this.thrown) throw this.caught(error)
    if (error instanceof Question) return error
    if (madeSoFar() !== before) throw stepsInside(this.name, () => this.again(body))
    if (error !== undefined && error !== BLOCKED && error !== STOPPED) throw this.failed(error)
    if (error === undefined && this.next !== this.answers.length) this.differs()
    return undefined
  }

  get blocked(): boolean {
    return this.thrown === BLOCKED
  }

  get stopped(): boolean {
    return this.thrown === STOPPED
  }

  /** True if the run wrote, violated a property, blocked or chose, and did not only read. */
  hasEffects(): boolean {
    return this.now.size > 0 || this.violations.length > 0 || this.blocked || this.asked.some(q => !q.variable)
  }

  private again(body: StepRequest['body']): void {
    try {
      body(new BodyRun(this.decisions, this.name, this.answers, this.asked))
    } catch {
      // The caller already knows how the body ends.
    }
  }

  /** Ends the run by an exception that only the checker may catch. */
  private throw(what: unknown): never {
    this.thrown ??= what
    throw what
  }

  private caught(error: unknown): ModelError {
    const runnable = isRunnable(this.result)
    if (runnable) return new ModelError(`${this.name}: ${runnable}`)
    return errorAt(
      `${this.name} catches what ends a run of its body (s.wait(), s.fail(), a question for a cell): leave try and catch out`,
      (error as Partial<Error> | undefined)?.stack,
    )
  }

  /** The error for what the body threw. It names the values that the body had read, since the cells may never hold these. */
  private failed(error: unknown): Error {
    const known = this.asked.flatMap((q, i) => (q.variable?.cell ? [`${q.variable.name} is ${this.answers[i]}`] : []))
    return ofModel(error, this.name, known.length > 0 ? ` where ${known.join(' and ')}${IMPOSSIBLE}` : '')
  }

  /** The writes, as variable and value, that differ from the values read before. */
  changes(): [number, number][] {
    return [...this.now].filter(([v, value]) => this.before.get(v) !== value)
  }

  get(cell: Cell): number {
    const v = this.variable(cell)
    const known = this.now.get(v.id) ?? this.before.get(v.id)
    if (known !== undefined) return known
    const value = this.ask(v, v.size)
    this.before.set(v.id, value)
    return value
  }

  sum(cells: readonly Cell[], weight: (value: number, position: number) => number = v => v): number {
    let known = 0
    const terms = new Map<number, { cell: number; weights: number[] }>()
    for (const [i, cell] of cells.entries()) {
      const v = this.variable(cell)
      const value = this.now.get(v.id) ?? this.before.get(v.id)
      if (value !== undefined) known += weight(value, i)
      else {
        const weights = Array.from(
          { length: v.size },
          (_, k) => (terms.get(v.id)?.weights[k] ?? 0) + weight(v.low + k, i),
        )
        if (!weights.every(Number.isSafeInteger))
          throw new ModelError(`${this.name}: a weight of a sum is not an integer`)
        terms.set(v.id, { cell: v.id, weights })
      }
    }
    if (terms.size === 0) return known
    const v = this.decisions.ofSum([...terms.values()], this.name)
    const before = this.before.get(v.id) ?? this.ask(v, v.size)
    this.before.set(v.id, before)
    return known + before
  }

  set(cell: Cell, value: number): void {
    const { id } = this.variable(cell)
    if (!Number.isInteger(value)) throw new ModelError(`${this.name}: sets ${cell.name} to ${value}, not an integer`)
    if (value < cell.min || value > cell.max) this.stop('bounds')
    this.now.set(id, value)
  }

  add(cell: Cell, delta: number): number {
    const value = this.get(cell) + delta
    this.set(cell, value)
    return value
  }

  choose(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > CHOICES)
      throw new ModelError(`${this.name}: chooses among ${n}, not among 1..${CHOICES}`)
    return this.ask(undefined, n)
  }

  wait(condition: boolean): void {
    this.mustRun()
    this.mustBeTold(condition, 'wait')
    if (!condition) this.throw(BLOCKED)
  }

  warn(condition: boolean, property: string): void {
    this.mustBeTold(condition, 'warn')
    if (condition) this.note(property)
  }

  fail(property: string): never {
    this.stop(property)
  }

  private stop(property: string): never {
    this.note(property)
    this.now.clear()
    this.throw(STOPPED)
  }

  /** The cell's variable. @throws ModelError for what is no cell of the system; the message names the values that led to it */
  private variable(cell: Cell): Variable {
    this.mustRun()
    const v = this.decisions.variableOf(cell)
    if (!v) throw new ModelError(`${nameOf(cell)} is used but not among the system's cells`)
    return v
  }

  /** Refuses a condition that is a function or an object, which is always true. @throws ModelError */
  private mustBeTold(condition: unknown, of: string): void {
    if (typeof condition === 'function' || (typeof condition === 'object' && condition !== null))
      throw new ModelError(`${this.name}: s.${of}() takes true or false, not ${text(condition)}: call it first`)
  }

  /** @throws ModelError when a body's `s` is used after the body's end: such accesses would not be learned */
  private mustRun(): void {
    if (this.over)
      throw new ModelError(`${this.name}: what its body was handed is used after the body's end, outside of any step`)
  }

  private note(property: string): void {
    this.mustRun()
    if (this.decisions.selected(property)) this.violations.push(property)
  }

  private ask(variable: Variable | undefined, size: number): number {
    this.mustRun()
    if (this.next === this.answers.length) this.throw(new Question(variable, size))
    const asked = this.asked[this.next]!
    if (asked.variable !== variable || asked.size !== size) this.differs()
    return this.answers[this.next++]!
  }

  private differs(): never {
    throw new ModelError(`${this.name} is not deterministic: run again with the same values, it asks for others`)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Checks that a model's code runs every step and generator that it makes. JavaScript silently drops a generator that nobody runs,
 * and without the step the verdict would be about other code. The counts are global to this module, because operations are made
 * where no context can be passed to them. That is safe, since code of a model runs synchronously, one function at a time.
 */

import { withoutUserSite } from './stack.ts'

/** Something that was made and must be run, with the JavaScript stack of where it was made. */
export interface Made {
  readonly name: string
  readonly stack: string
}

/** The number of the thing that was made last. Numbers only increase, so that a number tells whether a thing is of this run. */
let last = 0
/** The number of the last thing that was made before the current run. */
let first = 0
/** Things that this run has made and not begun to run. */
let open = 0
/** Requests that operations have handed out in this run. */
let asked = 0
/** The stacks of what is made. Stacks are costly, so this is set only in the second run that locates a mistake. */
let log: { readonly open: Map<number, Made>; readonly made: Map<number, Made>; asked: Made[] } | undefined

/** Number of the current run of a function or of a step's body. */
let epoch = 0
let epochs = 0
let inside = false
let running = false

/** Begins a run of a function of the model. */
export function beginRun(): void {
  epoch = ++epochs
  first = last
  open = 0
  asked = 0
}

/** Runs code that executes code of the model. */
export function inRun<T>(code: () => T): T {
  const outer = running
  running = true
  try {
    return code()
  } finally {
    running = outer
  }
}

/** True while the checker runs code of a model; false while the model is being constructed. */
export function isRunning(): boolean {
  return running
}

/** Runs the body of a step, or an invariant, as a run of its own: it must not change objects that were made before. */
export function inBody<T>(body: () => T): T {
  const outer = epoch
  epoch = ++epochs
  inside = true
  try {
    return inRun(body)
  } finally {
    epoch = outer
    inside = false
  }
}

/** The number of the current run. An object may be changed only in the run that made it. */
export function currentRun(): number {
  return epoch
}

/** True while the body of a step runs. */
export function isInBody(): boolean {
  return inside
}

/**
 * Notes that a step or a generator was made, which must be run, and returns its number.
 * @param own true if the innermost function on the stack is the one that was called rather than its caller
 */
export function made(name: string | (() => string), own = false): number {
  const ticket = ++last
  open++
  if (log) {
    const { stack = '' } = new Error()
    const known = { name: typeof name === 'string' ? name : name(), stack: own ? withoutUserSite(stack) : stack }
    log.open.set(ticket, known)
    log.made.set(ticket, known)
  }
  return ticket
}

/**
 * Notes that the thing of this number is run now. A thing that was made before the current run, such as a step that is kept in a
 * variable, does not count: it need not be run, and may be run at any time.
 */
export function begun(ticket: number): void {
  if (ticket > first) open--
  log?.open.delete(ticket)
}

/** Notes that the operation of this number hands out its request, which its caller must answer. */
export function asks(ticket: number): void {
  asked++
  const known = log?.made.get(ticket)
  if (known) log?.asked.push(known)
}

/** The number of things made so far, in all runs. */
export function madeSoFar(): number {
  return last
}

/** True if this run has made something that it has not begun to run. */
export function leavesOpen(): boolean {
  return open !== 0
}

/** Counts the requests that operations handed out in this run. */
export function askedInRun(): number {
  return asked
}

/** The things that one run leaves behind, with their stacks. */
export interface Leftovers {
  /** Made and not begun to run. */
  readonly open: readonly Made[]
  /** Requests since the last call of {@link takeAsked}. */
  readonly asked: readonly Made[]
}

/** Runs code again with stacks recorded, and returns what it leaves behind. */
export function leftovers(code: () => void): Leftovers {
  const mine = { open: new Map<number, Made>(), made: new Map<number, Made>(), asked: [] as Made[] }
  log = mine
  try {
    code()
  } finally {
    log = undefined
  }
  return { open: [...mine.open.values()], asked: mine.asked }
}

/** Inside of {@link leftovers}, takes the requests that were handed out since the last call; outside, none. */
export function takeAsked(): Made[] {
  return log?.asked.splice(0) ?? []
}

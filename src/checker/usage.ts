// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Watches that a model's code runs all that it makes. JavaScript drops a generator that nobody runs without a word, and a step
 * that is dropped would make a verdict one about other code. Operations are made where nobody can hand them a context, so the
 * counts are this module's own; code of a model runs synchronously, one piece at a time.
 */

import { withoutUserSite } from './stack.ts'

/** Something that was made and must be run, with the JavaScript stack of where it was made. */
export interface Made {
  readonly name: string
  readonly stack: string
}

/** The number of what was made last. Numbers go up for ever, so that one tells whether something is of this run. */
let last = 0
/** The number of what was made last before the current run. */
let first = 0
/** How many of this run are made and not begun. */
let open = 0
/** How many operations have handed out their requests in this run. */
let asked = 0
/** Only while a fault that was counted is looked for: stacks are costly. */
let log: { readonly open: Map<number, Made>; readonly made: Map<number, Made>; asked: Made[] } | undefined

/** The run of a function, or of a body, whose code runs. */
let epoch = 0
let epochs = 0
let inside = false
let running = false

/** A run of a function of the model begins. */
export function beginRun(): void {
  epoch = ++epochs
  first = last
  open = 0
  asked = 0
}

/** Runs a function of the model, or code that does. */
export function inRun<T>(code: () => T): T {
  const outer = running
  running = true
  try {
    return code()
  } finally {
    running = outer
  }
}

/** True while code of a model runs, but not while the model is put together. */
export function isRunning(): boolean {
  return running
}

/** Runs the body of a step, or an invariant: nothing that was made before is its own. */
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

/** The number of the run whose code runs: what is made in one run may be changed in no other. */
export function currentRun(): number {
  return epoch
}

/** True while the body of a step runs. */
export function isInBody(): boolean {
  return inside
}

/**
 * Notes that something was made which must be run, and returns its number.
 * @param own whether the innermost function on the stack is the one that was called, and not who calls it
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

/** Notes that the thing of this number is run now. What was made before the run, as a step that is kept in a variable, may be run any time. */
export function begun(ticket: number): void {
  if (ticket > first) open--
  log?.open.delete(ticket)
}

/** Notes that the operation of this number hands out its request, which somebody must answer. */
export function asks(ticket: number): void {
  asked++
  const known = log?.made.get(ticket)
  if (known) log?.asked.push(known)
}

/** Counts what was made so far. */
export function madeSoFar(): number {
  return last
}

/** True if something of this run was made and not begun. */
export function leavesOpen(): boolean {
  return open !== 0
}

/** Counts the requests that operations handed out in this run. */
export function askedInRun(): number {
  return asked
}

/** The things that one run leaves behind, when it is watched closely. */
export interface Leftovers {
  /** Made and not begun. */
  readonly open: readonly Made[]
  /** Requests since the last call of {@link takeAsked}. */
  readonly asked: readonly Made[]
}

/** Runs code again, and says what it leaves behind. */
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

/** In code that is watched by {@link leftovers}: the requests that were handed out since the last call. */
export function takeAsked(): Made[] {
  return log?.asked.splice(0) ?? []
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Restricts the globals that a model's code sees in its own thread: no randomness, no clock, and no way to end the process. Only
 * that thread's globals are replaced, not those of the command.
 */
import { Console } from 'node:console'
import { Indeterminate } from '../checker/index.ts'
import { isRunning } from '../checker/usage.ts'

const CHOOSE = 'a step that may go either way says choose()'
const TIMELESS = 'time is no part of a model'

/**
 * Removes from this thread what a model must not use. Must be called after the model's file was loaded, because modules that it
 * imports may read the clock.
 */
export function narrowRealm(): void {
  Math.random = refusing('Math.random()', CHOOSE)
  Date.now = refusing('Date.now()', TIMELESS)
  globalThis.Date = timeless(Date)
  // Kept for the checker, which reads this clock in the same thread.
  const now = performance.now.bind(performance)
  performance.now = () => {
    if (isRunning()) throw new Indeterminate('performance.now()', TIMELESS)
    return now()
  }
  crypto.getRandomValues = refusing('crypto.getRandomValues()', CHOOSE)
  crypto.randomUUID = refusing('crypto.randomUUID()', CHOOSE)
  process.hrtime = Object.assign(refusing('process.hrtime()', TIMELESS), { bigint: process.hrtime.bigint })
  process.hrtime.bigint = refusing('process.hrtime.bigint()', TIMELESS)
}

/** Returns a Date constructor that works only with a given date, since the current time is not available. */
function timeless(date: DateConstructor): DateConstructor {
  const refuse = refusing('the time of day', TIMELESS)
  return new Proxy(date, {
    apply: refuse,
    construct: (target, args, of) => (args.length === 0 ? refuse() : Reflect.construct(target, args, of)),
  })
}

/** Makes process.exit() and process.abort() throw. Ending the thread would end the command without a verdict. */
export function keepFromExit(): void {
  process.exit = process.abort = () => {
    throw new Error('process.exit() would end the command without a verdict: leave it out')
  }
}

/** Redirects a model's output to stderr, because standard output contains the results, which may be JSON. */
export function keepFromOutput(runsModel: () => boolean): void {
  globalThis.console = new Console(process.stderr, process.stderr)
  const { stdout, stderr } = process
  const write = stdout.write.bind(stdout) as (...args: Parameters<typeof stdout.write>) => boolean
  stdout.write = ((...args: Parameters<typeof stdout.write>) =>
    runsModel() ? stderr.write(...args) : write(...args)) as typeof stdout.write
}

function refusing(what: string, instead: string): () => never {
  return () => {
    throw new Indeterminate(what, instead)
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What a model's code finds in the thread that was started for it: no chance, no clock, no way out of the process. These are
 * that thread's own globals; those of the command stay as they are.
 */
import { Console } from 'node:console'
import { Indeterminate } from '../checker/index.ts'
import { isRunning } from '../checker/usage.ts'

const CHOOSE = 'a step that may go either way says choose()'
const TIMELESS = 'time is no part of a model'

/** Takes from this thread what a model must not use. Call it once its file is loaded: what it imports may look at the clock. */
export function narrowRealm(): void {
  Math.random = refusing('Math.random()', CHOOSE)
  Date.now = refusing('Date.now()', TIMELESS)
  globalThis.Date = timeless(Date)
  // The checker itself looks at this clock, in the same thread.
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

/** Dates that say when they are of. */
function timeless(date: DateConstructor): DateConstructor {
  const refuse = refusing('the time of day', TIMELESS)
  return new Proxy(date, {
    apply: refuse,
    construct: (target, args, of) => (args.length === 0 ? refuse() : Reflect.construct(target, args, of)),
  })
}

/** Ending its thread would end the command without a verdict. */
export function keepFromExit(): void {
  process.exit = process.abort = () => {
    throw new Error('process.exit() would end the command without a verdict: leave it out')
  }
}

/** What a model prints goes to stderr: standard output has the answer, which may be JSON. */
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

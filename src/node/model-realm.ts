// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What a model's code finds in the thread that was started for it: no chance, no clock, no way out of the process. These are
 * that thread's own globals; those of the command stay as they are.
 */
import { Indeterminate } from '../checker/index.ts'

/** Takes from this thread what a model must not use. Call it once its file is loaded: what it imports may look at the clock. */
export function narrowRealm(): void {
  Math.random = refusing('Math.random()', 'a step that may go either way says choose()')
  Date.now = refusing('Date.now()', 'time is no part of a model')
}

/** Ending its thread would end the command without a verdict. */
export function keepFromExit(): void {
  process.exit = process.abort = () => {
    throw new Error('process.exit() would end the command without a verdict: leave it out')
  }
}

function refusing(what: string, instead: string): () => never {
  return () => {
    throw new Indeterminate(what, instead)
  }
}

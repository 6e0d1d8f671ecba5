// SPDX-License-Identifier: GPL-2.0-or-later
/** A model's code runs without chance and clock: a coin that falls the same way each time it is learned would be a verdict. */
import { ModelError } from './model.ts'

let whose = ''
let kept: { readonly random: () => number; readonly now: () => number } | undefined

function refuse(what: string, instead: string): never {
  throw new ModelError(`${whose} is not deterministic: it uses ${what}; ${instead}`)
}
const random = () => refuse('Math.random()', 'a step that may go either way says choose()')
const now = () => refuse('Date.now()', 'time is no part of a model')

/**
 * @param name the function or step, for the error.
 * @returns what its code comes to.
 * @throws ModelError where it calls `Math.random()` or `Date.now()`.
 */
export function withoutChance<T>(name: string, code: () => T): T {
  whose = name
  kept ??= { random: Math.random, now: Date.now }
  Math.random = random
  Date.now = now
  try {
    return code()
  } finally {
    giveChanceBack()
  }
}

/** For a host that cut the code of a model off: its `finally` did not run. */
export function giveChanceBack(): void {
  if (!kept) return
  Math.random = kept.random
  Date.now = kept.now
  kept = undefined
}

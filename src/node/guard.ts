// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs code that is not ours for so long at most: nothing else ends a loop that has no end. */
import { Script } from 'node:vm'

const WORK = Symbol.for('lastput.guarded')
const run = new Script("globalThis[Symbol.for('lastput.guarded')]()")

/** @returns what the work comes to; undefined when it was cut off, wherever it was. */
export function guard<T>(work: () => T, milliseconds: number): T | undefined {
  const host = globalThis as Record<symbol, unknown>
  host[WORK] = work
  try {
    return run.runInThisContext({ timeout: Math.max(1, Math.ceil(milliseconds)) }) as T
  } catch (e) {
    if ((e as NodeJS.ErrnoException | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined
    throw e
  } finally {
    delete host[WORK]
  }
}

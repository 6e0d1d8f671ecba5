// SPDX-License-Identifier: GPL-2.0-or-later
/** Describes a step that the interpreter took in the form that counterexamples show. */
import type { Cell } from '../model.ts'
import type { CounterexampleStep } from '../verdict.ts'
import type { Interpreter, Outcome, Place } from './interpreter.ts'

/**
 * Describes one step of an execution.
 * @param step its number, from 1.
 * @param before values of the system's cells before the step.
 * @param place where the thread is before the step.
 */
export function describeStep(
  interpreter: Interpreter,
  step: number,
  before: readonly number[],
  thread: number,
  place: Place,
  outcome: Pick<Outcome, 'values' | 'result' | 'choices'>,
): CounterexampleStep {
  const sites = interpreter.stack(place)
  const names = sites.length > 0 ? sites.map(s => s.function) : place.frames.map(f => f.call.fn.name).reverse()
  const { cells, threads } = interpreter.system
  return {
    step,
    thread: threads[thread]!.name,
    function: names[0] ?? threads[thread]!.name,
    stack: names,
    operation: place.next!.name,
    ...(sites[0] ? { source: sites[0].source } : {}),
    changes: cells.flatMap((c: Cell, i) =>
      before[i] === outcome.values[i] ? [] : [{ cell: c.name, from: before[i]!, to: outcome.values[i]! }],
    ),
    result: outcome.result,
    choices: outcome.choices,
  }
}

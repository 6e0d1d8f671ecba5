// SPDX-License-Identifier: GPL-2.0-or-later
/** Describes a step that the interpreter took in the form that counterexamples show. */
import type { Cell } from '../model.ts'
import type { Site } from '../stack.ts'
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
  const names = functionsOf(sites, place)
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

/**
 * Names the threads that no step can bring further, and where each of them waits: function and step, as counterexamples show
 * them. Returns undefined if no thread is inside a run.
 * @param places where each thread is; undefined where that is not known.
 */
export function stuckMessage(interpreter: Interpreter, places: readonly (Place | undefined)[]): string | undefined {
  const stuck = interpreter.system.threads.flatMap(({ name }, t) => {
    const place = places[t]
    return place?.started ? [`${name} in ${whereOf(interpreter, place)}`] : []
  })
  return stuck.length > 0 ? `stuck: ${stuck.join(', ')}` : undefined
}

function whereOf(interpreter: Interpreter, place: Place): string {
  const { name } = place.next!
  const caller = functionsOf(interpreter.stack(place), place).find(each => each !== name)
  return caller === undefined ? name : `${caller}: ${name}`
}

/** Returns the names of the functions in which a thread is, innermost first. */
function functionsOf(sites: readonly Site[], place: Place): string[] {
  return sites.length > 0 ? sites.map(site => site.function) : place.frames.map(f => f.call.fn.name).reverse()
}

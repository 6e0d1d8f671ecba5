// SPDX-License-Identifier: GPL-2.0-or-later
/** `survey(system)`: a verdict on each property, from one exploration of all states instead of a search for each. */

import { within } from './budget.ts'
import { limitsOf, prepareLiveness, reasonOf, unprepared, vacuousOf } from './check.ts'
import { programOf } from './codegen/program-text.ts'
import type { SearchProgram } from './codegen/search-program.ts'
import { counterexampleOf, lassoCounterexampleOf } from './explain/counterexample.ts'
import { lassoOf } from './explain/lasso.ts'
import { assumptionsOf, type FairCycle, findFairCycle, obligationsOf } from './explore/liveness.ts'
import {
  type LocatedViolation,
  lengthOf,
  localGroup,
  type SearchResult,
  search,
  type WorkerGroup,
} from './explore/search.ts'
import type { System } from './model.ts'
import { type CheckOptions, type SearchLimits, selector } from './options.ts'
import { type Prepared, prepare } from './prepare.ts'
import type { Verdict } from './verdict.ts'

export interface SurveyOptions extends Omit<CheckOptions, 'partialOrder' | 'workers' | 'spawn' | 'handover'> {
  /** Default true. If false, a violated property has its number of steps, but neither message nor counterexample. */
  explain?: boolean
}

export interface PropertyVerdict extends Verdict {
  /**
   * Of a violated property: the length of its counterexample, which is the shortest that violates no other property before, or
   * the shortest of all if each one does. For an endless execution, the steps up to the end of the first round of its cycle.
   */
  readonly steps?: number
  /** Of a violated property: true if every execution that violates it has violated another one before; absent if not known. */
  readonly consequence?: boolean
}

/** The result of one exploration. */
interface Explored {
  readonly program: SearchProgram
  readonly group: WorkerGroup
  readonly result: SearchResult
  /** By violated property, the first violation, or an endless execution. */
  readonly broken: ReadonlyMap<string, LocatedViolation | FairCycle>
  /** The reason why nothing is known of a property that is not in `broken`; undefined if the property holds. */
  unknown(property: string): string | undefined
}

/**
 * Explores every interleaving once, going on past violations that do not end the execution. If several properties are violated,
 * explores once more with executions that end at their first violation.
 * @returns by property, its verdict: the properties in `options.also`, and those in `options.properties` or, without these, all
 * that the system has.
 * @throws ModelError when the model is malformed; ReplayError when the interpreter cannot follow a counterexample, which is an
 * error of the checker.
 */
export async function survey(
  system: System,
  options: SurveyOptions = {},
): Promise<ReadonlyMap<string, PropertyVerdict>> {
  const began = performance.now()
  const limits = limitsOf(options)
  const live = obligationsOf(system, selector(options))
  const prepared = within(limits, budget =>
    live.length > 0
      ? prepareLiveness(system, options, budget)
      : prepare(system, { ...options, partialOrder: false }, undefined, budget),
  )
  if (typeof prepared !== 'string') return new Survey(system, options, prepared, limits, began).run()
  const names = [...system.properties.map(p => p.name), ...live.map(o => o.property)]
  const seconds = (performance.now() - began) / 1000
  return new Map(
    [...new Set([...(options.also ?? []), ...(options.properties ?? names)])].map(p => [
      p,
      { ...unprepared(system, prepared), seconds },
    ]),
  )
}

class Survey {
  private readonly system: System
  private readonly options: SurveyOptions
  private readonly prepared: Prepared
  private readonly initial: Int32Array
  private readonly limits: SearchLimits
  private readonly began: number

  constructor(system: System, options: SurveyOptions, prepared: Prepared, limits: SearchLimits, began: number) {
    this.began = began
    this.system = system
    this.options = options
    this.prepared = prepared
    this.initial = Int32Array.from(prepared.packing.initial)
    this.limits = { ...limits, continueAfterViolation: true }
  }

  async run(): Promise<ReadonlyMap<string, PropertyVerdict>> {
    const all = await this.explore(this.prepared.program)
    const first =
      all.broken.size > 1 ? await this.explore(programOf(this.prepared.code, { me: 0, workers: 1, cut: true })) : all
    const verdicts = new Map<string, PropertyVerdict>()
    for (const property of this.wanted()) verdicts.set(property, await this.verdict(property, all, first))
    const seconds = (performance.now() - this.began) / 1000
    return new Map([...verdicts].map(([property, v]) => [property, { ...v, seconds }]))
  }

  private wanted(): ReadonlySet<string> {
    const live = obligationsOf(this.system, () => true).map(o => o.property)
    const { also = [], properties = [...this.prepared.properties, ...live] } = this.options
    return new Set([...also, ...properties])
  }

  private async explore(program: SearchProgram): Promise<Explored> {
    const { packing, most, properties } = this.prepared
    const group = localGroup(program)
    const result = await search(group, packing.words, most, this.initial, this.limits)
    const broken = new Map<string, LocatedViolation | FairCycle>()
    for (const v of result.violations) {
      const name = properties[v.property]!
      if (!broken.has(name)) broken.set(name, v)
    }
    const reason = result.end === 'complete' ? undefined : reasonOf(result, this.prepared)
    const unknown = new Map<string, string>()
    const live = obligationsOf(this.system, selector(this.options))
    for (const property of new Set(live.map(o => o.property))) {
      const obligations = live.filter(o => o.property === property)
      const found =
        reason ?? (await findFairCycle(this.system, program, this.prepared.movesThreads, obligations, this.limits))
      if (typeof found === 'string') unknown.set(property, found)
      else if (found) broken.set(property, found)
    }
    return { program, group, result, broken, unknown: property => reason ?? unknown.get(property) }
  }

  private async verdict(property: string, all: Explored, first: Explored): Promise<PropertyVerdict> {
    const { states, transitions, depth } = all.result
    const { name, bounds } = this.system
    const { reductions } = this.prepared
    const common = { system: name, states, transitions, depth, seconds: 0, bounds, reductions }
    const at = first.broken.has(property) ? first : all
    const broken = at.broken.get(property)
    const reason = all.unknown(property)
    if (broken) {
      const unknown = at === all && first.unknown(property) !== undefined
      const told = await this.told(property, broken, at)
      return { ...common, verdict: 'violated', property, ...(unknown ? {} : { consequence: at !== first }), ...told }
    }
    if (reason !== undefined) return { ...common, verdict: 'inconclusive', reason }
    const vacuous = vacuousOf(this.system, this.prepared, [property])
    const assumes = await this.assumes(property, all.program)
    return {
      ...common,
      verdict: 'holds',
      ...(vacuous.length > 0 ? { vacuous } : {}),
      ...(assumes.length > 0 ? { assumes } : {}),
    }
  }

  private async assumes(property: string, program: SearchProgram): Promise<readonly string[]> {
    const obligations = obligationsOf(this.system, p => p === property)
    if (obligations.length === 0) return []
    return assumptionsOf(this.system, program, this.prepared.movesThreads, obligations, this.limits)
  }

  private async told(
    property: string,
    broken: LocatedViolation | FairCycle,
    { program, group }: Explored,
  ): Promise<Pick<PropertyVerdict, 'steps' | 'message' | 'counterexample' | 'loop'>> {
    const { system, prepared } = this
    // Executions go on past violations of other properties, as they did when this one was found.
    const selected = (p: string) => p === property
    if ('obligation' in broken) {
      const { prefix, cycle } = await lassoOf(system, program, prepared.packing, broken)
      const steps = prefix.length + cycle.length
      if (this.options.explain === false) return { steps }
      const { message } = broken.obligation
      return { steps, message, ...(await lassoCounterexampleOf(system, prepared, program, broken, selected)) }
    }
    const steps = lengthOf(broken)
    if (this.options.explain === false) return { steps }
    const told = await counterexampleOf(system, prepared, group, program, broken, selected)
    return { steps, message: told.message, counterexample: told.steps }
  }
}

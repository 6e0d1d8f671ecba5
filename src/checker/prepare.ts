// SPDX-License-Identifier: GPL-2.0-or-later
/** From a system to the program that searches it: learn, minimise, find reductions, lay out the state, generate code. */

import { type Budget, UNLIMITED } from './budget.ts'
import { mostSuccessors } from './codegen/emit-steps.ts'
import { type GeneratedCode, generate, programOf } from './codegen/program-text.ts'
import type { SearchProgram } from './codegen/search-program.ts'
import { type Automata, automata } from './learn/automaton.ts'
import { breakable } from './learn/breakable.ts'
import { Decisions, type Diagram, type InvariantDiagram } from './learn/decision.ts'
import { ModelError, type System } from './model.ts'
import { type CheckOptions, selector } from './options.ts'
import { type Layout, layout } from './pack/layout.ts'
import { Packing } from './pack/packing.ts'
import { ampleSets, testedBy } from './reduce/ample-sets.ts'
import { keepsThreadClasses, movesThreads, NONE, type Symmetry, symmetry } from './reduce/symmetry.ts'

/** The name of partial-order reduction among a verdict's reductions. */
export const PARTIAL_ORDER = 'partial order'

/** A system made ready to be explored. */
export interface Prepared {
  readonly code: GeneratedCode
  /** The search program of this thread. */
  readonly program: SearchProgram
  readonly packing: Packing
  readonly properties: readonly string[]
  /** Those of `properties` that something in the model may violate. */
  readonly breakable: ReadonlySet<string>
  readonly reductions: readonly string[]
  /**
   * True if liveness can be decided from the states of this search: partial-order reduction is not in use, and each symmetry
   * sends a thread to one of its class.
   */
  readonly live: (threadClasses: readonly string[]) => boolean
  /** True if some symmetry in use moves threads. */
  readonly movesThreads: boolean
  /** True if deadlocks are looked for. */
  readonly deadlock: boolean
  /** True if a safety property is asked for. */
  readonly safety: boolean
  /** The most successors that one state can have. */
  readonly most: number
  readonly bits: number
  readonly local: { readonly histories: number; readonly flat: number; readonly nodes: readonly number[] }
}

/**
 * Prepares a system for the search.
 * @param threadClasses by thread, its class for liveness: symmetries are used only if they send each thread to one of its class.
 * @throws ModelError when the model is malformed: not deterministic, endless, or too large; Exhausted when a limit of the budget
 * is met.
 */
export function prepare(
  system: System,
  options: CheckOptions = {},
  threadClasses?: readonly string[],
  budget: Budget = UNLIMITED,
): Prepared {
  const selected = selector(options)
  const decisions = new Decisions(system.cells, selected, budget)
  const learned = automata(system, decisions, options.minimise ?? true)
  budget.begin('learning the properties')
  const invariants = invariantsOf(system, decisions, selected)
  const diagrams = invariants.map(i => i.diagram)
  const can = breakable(learned, invariants, system.deadlock && selected('deadlock'), budget)
  budget.begin('looking for symmetries')
  const sym: Symmetry = options.symmetry === false ? NONE : symmetry(system, learned, invariants, threadClasses)
  const place = layoutOf(learned, sym)
  budget.begin('writing the search')
  const ample =
    options.partialOrder === false
      ? undefined
      : ampleSets(
          learned,
          testedBy(decisions, diagrams),
          invariants.some(i => i.atRest),
          sym.generators,
        )
  const reduces = ample?.singleton.some(a => a.some(x => x !== 0))
  const properties = [
    ...invariants.map(i => i.name),
    'deadlock',
    ...violationsOf(learned.types.flatMap(t => t.nodes.flatMap(n => n.diagram ?? []))),
  ]
  const spec = {
    automata: learned,
    layout: place,
    symmetry: sym,
    ampleSets: reduces ? ample : undefined,
    properties,
    invariants,
    deadlock: system.deadlock && selected('deadlock'),
  }
  const code = generate(spec)
  const packing = new Packing(system, learned, place)
  return {
    code,
    program: programOf(code, { me: 0, workers: 1 }),
    packing,
    properties,
    breakable: can,
    reductions: [...describe(sym), ...(reduces ? [PARTIAL_ORDER] : [])],
    live: of => !reduces && keepsThreadClasses(sym, of),
    movesThreads: movesThreads(sym),
    deadlock: spec.deadlock,
    safety: spec.deadlock || properties.length > 1,
    most: mostSuccessors(learned),
    bits: place.bits,
    local: {
      histories: learned.learned.histories,
      flat: learned.learned.nodes,
      nodes: learned.types.map(t => t.nodes.length),
    },
  }
}

function invariantsOf(system: System, decisions: Decisions, selected: (property: string) => boolean) {
  const out: (InvariantDiagram & { name: string })[] = []
  for (const p of system.properties)
    if (p.kind !== 'progress' && selected(p.name)) {
      const diagram = decisions.learnInvariant(p.name, p.holds)
      out.push({ name: p.name, diagram, atRest: p.kind === 'at rest' })
    }
  return out
}

function layoutOf({ decisions, types, typeOf }: Automata, sym: Symmetry): Layout {
  const sizes = decisions.variables.flatMap(v => (v.cell ? [v.size] : []))
  for (const v of decisions.variables)
    if (v.cell && v.size > 2 ** 24)
      throw new ModelError(`cell ${v.name} has ${v.size} values; at most 2^24 are explored`)
  const nodes = typeOf.map(t => types[t]!.nodes.length)
  return layout(
    sizes,
    nodes,
    sym.sorted.flatMap(s => s.blocks),
  )
}

function violationsOf(diagrams: readonly Diagram[]): string[] {
  const out = new Set<string>()
  const seen = new Set<Diagram>()
  const go = (d: Diagram): void => {
    if (seen.has(d)) return
    seen.add(d)
    if (d.kind === 'test') d.children.forEach(go)
    else for (const o of d.outcomes) for (const v of o.violations) out.add(v)
  }
  diagrams.forEach(go)
  return [...out].sort()
}

function describe(sym: Symmetry): string[] {
  return [
    ...sym.sorted.map(s => `symmetry of ${s.sort.name} (${s.sort.size}, sorted)`),
    ...sym.keys.map(k => `symmetry of ${k.sort.name} (${k.sort.size})`),
    ...sym.refused.map(r => `no symmetry of ${r.sort.name}: ${r.why}`),
  ]
}

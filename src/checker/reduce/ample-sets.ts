// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Partial-order reduction by ample sets (Peled 1994; Clarke, Grumberg, Peled 1999, chapter 10): when one thread's next step is
 * independent of all that the other threads may still do, only that step is taken. The cells that a thread may still access are
 * computed from its automaton.
 */
import type { Automata, Automaton } from '../learn/automaton.ts'
import type { Decisions, Diagram } from '../learn/decision.ts'
import type { Permutation } from './symmetry.ts'

/** The accesses of a node, as sets of cells with one bit for each variable of a cell. */
export interface NodeAccess {
  /** Cells that the step at this node tests or writes. */
  readonly touches: bigint
  readonly writes: bigint
  /** Cells that the thread may test or write, and those that it may write, at this node and all later ones. */
  readonly laterTouches: bigint
  readonly laterWrites: bigint
  /** True if the step may be taken alone wherever it is independent of the other threads. */
  readonly candidate: boolean
}

export interface AmpleSets {
  /** By automaton, by node. */
  readonly access: readonly (readonly NodeAccess[])[]
  /** By thread, by node: is the step alone an ample set? 0 never, 1 always, 2 where the nodes of the other threads allow it. */
  readonly singleton: readonly Uint8Array[]
}

/**
 * Finds the steps that may be taken alone.
 * @param visible cells that invariants read.
 * @param atRest true if some property depends on which threads are at rest: then the last step of a run is visible too.
 * @param permutations of the symmetry in use. The nodes that break cycles must include all nodes of an orbit or none.
 */
export function ampleSets(
  automata: Automata,
  visible: bigint,
  atRest: boolean,
  permutations: readonly Permutation[],
): AmpleSets {
  const breakers = closeUnder(
    automata,
    permutations,
    automata.types.map(t => cycleBreakers(t)),
  )
  const access = automata.types.map((type, k) => accessOf(automata.decisions, type, breakers[k]!, visible, atRest))
  const singleton = automata.typeOf.map((type, t) => {
    const others = automata.typeOf.filter((_, u) => u !== t).map(u => access[u]!)
    const never = others.map(nodes => ({
      touches: nodes.reduce((a, n) => a & n.laterTouches, -1n),
      writes: nodes.reduce((a, n) => a & n.laterWrites, -1n),
    }))
    const ever = others.map(nodes => ({
      touches: nodes.reduce((a, n) => a | n.laterTouches, 0n),
      writes: nodes.reduce((a, n) => a | n.laterWrites, 0n),
    }))
    return Uint8Array.from(access[type]!, n => {
      const free = (o: { touches: bigint; writes: bigint }) =>
        (n.writes & o.touches) === 0n && (n.touches & o.writes) === 0n
      if (!n.candidate || !never.every(free)) return 0
      return ever.every(free) ? 1 : 2
    })
  })
  return { access, singleton }
}

/** The set of cells that the diagrams test. */
export function testedBy(decisions: Decisions, diagrams: readonly Diagram[]): bigint {
  let out = 0n
  const seen = new Set<Diagram>()
  const go = (d: Diagram): void => {
    if (seen.has(d)) return
    seen.add(d)
    if (d.kind === 'terminal') return
    for (const cell of cellsOf(decisions, d.variable)) out |= 1n << BigInt(cell)
    d.children.forEach(go)
  }
  diagrams.forEach(go)
  return out
}

function cellsOf(decisions: Decisions, variable: number): number[] {
  const v = decisions.variables[variable]!
  return v.cell ? [variable] : v.terms.map(t => t.cell)
}

function accessOf(
  decisions: Decisions,
  type: Automaton,
  breakers: ReadonlySet<number>,
  visible: bigint,
  atRest: boolean,
): NodeAccess[] {
  const own = type.nodes.map(({ diagram }, n) => {
    if (!diagram) return { touches: 0n, writes: 0n, targets: [], candidate: false }
    decisions.budget.tick()
    let writes = 0n
    let candidate = !breakers.has(n)
    const targets = new Set<number>()
    for (const t of terminals(diagram)) {
      // A step that can be blocked or that ends the execution would hide what the others do.
      if (t.outcomes.length === 0) candidate = false
      for (const o of t.outcomes) {
        if (o.stops) candidate = false
        else targets.add(o.target)
        for (const [cell] of o.writes) writes |= 1n << BigInt(cell)
      }
    }
    if (writes & visible || (atRest && [...targets].some(t => type.nodes[t]!.idle))) candidate = false
    return { touches: testedBy(decisions, [diagram]) | writes, writes, targets: [...targets], candidate }
  })
  const later = own.map(o => ({ touches: o.touches, writes: o.writes }))
  for (let changed = true; changed; ) {
    changed = false
    for (let n = own.length - 1; n >= 0; n--)
      for (const t of own[n]!.targets) {
        decisions.budget.tick()
        const touches = later[n]!.touches | later[t]!.touches
        const writes = later[n]!.writes | later[t]!.writes
        if (touches === later[n]!.touches && writes === later[n]!.writes) continue
        later[n] = { touches, writes }
        changed = true
      }
  }
  return own.map((o, n) => ({
    touches: o.touches,
    writes: o.writes,
    laterTouches: later[n]!.touches,
    laterWrites: later[n]!.writes,
    candidate: o.candidate,
  }))
}

function terminals(diagram: Diagram, out: (Diagram & { kind: 'terminal' })[] = [], seen = new Set<Diagram>()) {
  if (seen.has(diagram)) return out
  seen.add(diagram)
  if (diagram.kind === 'terminal') out.push(diagram)
  else for (const c of diagram.children) terminals(c, out, seen)
  return out
}

/**
 * Nodes without which the automaton has no cycle (the cycle proviso): at these, no step is taken alone. So every cycle of states
 * contains a state that is fully expanded, and no step of another thread is delayed for ever.
 */
function cycleBreakers(type: Automaton): Set<number> {
  const out = new Set<number>()
  for (const [n, node] of type.nodes.entries()) if (node.idle) out.add(n)
  const state = new Uint8Array(type.nodes.length)
  const next = (n: number) => {
    const d = type.nodes[n]!.diagram
    return d ? [...new Set(terminals(d).flatMap(t => t.outcomes.filter(o => !o.stops).map(o => o.target)))] : []
  }
  for (let root = 0; root < type.nodes.length; root++) {
    if (state[root]) continue
    const work = [{ n: root, to: next(root) }]
    state[root] = 1
    while (work.length > 0) {
      const top = work.at(-1)!
      const m = top.to.pop()
      if (m === undefined) {
        state[top.n] = 2
        work.pop()
      } else if (state[m] === 1) out.add(m)
      else if (state[m] === 0) {
        state[m] = 1
        work.push({ n: m, to: next(m) })
      }
    }
  }
  return out
}

function closeUnder(
  automata: Automata,
  permutations: readonly Permutation[],
  sets: readonly Set<number>[],
): readonly ReadonlySet<number>[] {
  for (let changed = true; changed; ) {
    changed = false
    for (const p of permutations)
      for (const [t, to] of p.threads.entries())
        for (const n of sets[automata.typeOf[t]!]!) {
          const target = sets[automata.typeOf[to]!]!
          const image = p.nodes[t]?.[n] ?? n
          if (target.has(image)) continue
          target.add(image)
          changed = true
        }
  }
  return sets
}

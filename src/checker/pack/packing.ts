// SPDX-License-Identifier: GPL-2.0-or-later
/** Packs the initial state into words, and reads cells and nodes from packed states. */
import type { Automata } from '../learn/automaton.ts'
import type { System } from '../model.ts'
import type { Field, Layout } from './layout.ts'

export class Packing {
  readonly words: number
  readonly initial: readonly number[]
  private readonly fields: readonly { readonly field: Field; readonly low: number }[]
  private readonly threads: readonly Field[]

  constructor(system: System, automata: Automata, layout: Layout) {
    this.words = layout.words
    this.fields = system.cells.map(c => {
      const v = automata.decisions.variableOf(c)!
      return { field: layout.cells[v.id]!, low: v.low }
    })
    this.threads = layout.threads
    const initial = new Int32Array(layout.words)
    for (const [i, c] of system.cells.entries()) {
      const { field, low } = this.fields[i]!
      initial[field.word]! |= (c.init - low) << field.shift
    }
    this.initial = [...initial]
  }

  /** Values of the system's cells, in order. */
  values(state: ArrayLike<number>): number[] {
    return this.fields.map(({ field, low }) => low + extract(state, field))
  }

  nodes(state: ArrayLike<number>): number[] {
    return this.threads.map(f => extract(state, f))
  }

  /** Splits a list of states, one after the other, into single ones. */
  split(states: Int32Array): number[][] {
    return Array.from({ length: states.length / this.words }, (_, i) => [
      ...states.subarray(i * this.words, (i + 1) * this.words),
    ])
  }

  /** Splits what {@link SearchProgram.successors} returns: a thread and a state, one after the other. */
  steps(list: Int32Array): { thread: number; state: number[] }[] {
    const n = this.words + 1
    return Array.from({ length: list.length / n }, (_, i) => ({
      thread: list[i * n]!,
      state: [...list.subarray(i * n + 1, (i + 1) * n)],
    }))
  }
}

function extract(state: ArrayLike<number>, f: Field): number {
  return f.bits === 32 ? state[f.word]! >>> 0 : (state[f.word]! >>> f.shift) & ((1 << f.bits) - 1)
}

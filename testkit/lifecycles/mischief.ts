// SPDX-License-Identifier: GPL-2.0-or-later
/** The effects of faults on pages, and their entries in the list of true faults. */
import type { Random } from '../random.ts'
import type { Fault } from './faults.ts'
import type { Code, Kernel } from './kernel.ts'
import type { Edge, Give } from './machine.ts'
import type { Memory, Plant } from './memory.ts'
import type { Site } from './names.ts'
import type { Operation, Token } from './operation.ts'
import type { Thing } from './things.ts'

export class Mischief {
  readonly #kernel: Kernel
  readonly #memory: Memory
  readonly #random: Random

  constructor(kernel: Kernel, memory: Memory, random: Random) {
    this.#kernel = kernel
    this.#memory = memory
    this.#random = random
  }

  plantOf({ cause }: Pick<Fault, 'cause'>, page: number): Omit<Plant, 'life' | 'spoilt' | 'kind' | 'functions'> {
    return { cause, page, units: 1, time: this.#kernel.now, tokens: [], operation: undefined }
  }

  /** Repeats a put. */
  *again(tokens: readonly Token[], act: Give, fault: Fault): Code {
    const { page } = tokens[0]!
    const units = act.how === 'bulk' ? tokens.reduce((sum, token) => sum + token.units, 0) : tokens[0]!.units
    const site = fault.site ?? act.site
    const note = this.notePut({ cause: fault.cause, functions: [site.function], life: tokens[0]!.life })
    const code = this.#extra(page, units, site, note)
    if (fault.cause === 'double-put') return yield* code
    const kernel = this.#kernel
    const delay = this.#random.int(1000, 3_000_000)
    kernel.at(kernel.now + delay, () => kernel.submit(this.#random.pick([...kernel.tasks, ...kernel.workers]), code))
  }

  *#extra(page: number, units: number, site: Site, note: (operation: Operation) => void): Code {
    yield* this.#memory.surplus(page, units, site, note)
  }

  /** Returns a callback that records a put as surplus in that lifetime. */
  notePut(blame: Pick<Plant, 'cause' | 'functions' | 'life'>): (operation: Operation) => void {
    return operation => {
      const { page, time, val } = operation
      this.#memory.plant({ ...blame, kind: 'surplus-put', page, units: -val, time, tokens: [], operation })
    }
  }

  /** Returns a callback that records a get as wrong if the page was free. On a page in use, the count shows no harm. */
  noteGet(cause: string, functions: string[], units: number): (operation: Operation) => void {
    return operation => {
      const { page, time, before } = operation
      if (before !== this.#memory.idle) return
      this.#memory.plant({ kind: 'get-on-free-page', cause, functions, page, units, time, tokens: [], operation })
    }
  }

  /** Puts all references without clearing the slots, so that they are put again later. */
  *giveForNothing(thing: Thing, edge: Edge): Code {
    const others = thing.kind.edges.filter(({ from }) => from === edge.from).flatMap(({ acts }) => acts)
    const puts = others.filter(act => act.act === 'give')
    const functions = [...new Set(puts.map(({ site }) => site.function))]
    for (const act of edge.acts) {
      if (act.act !== 'give' || act.part === 'one') continue
      for (const { page, units, phantom, life } of thing.slots[act.slot]!) {
        if (phantom) continue
        const note = this.notePut({ cause: 'both-paths', functions, life })
        yield* this.#memory.surplus(page, units, act.site, note)
      }
    }
  }

  /** Puts the object's references, while the object continues as if it still had them. */
  *letGo(thing: Thing, fault: Fault): Code {
    const tokens = thing.slots[0]!.splice(0)
    const give = thing.kind.edges.flatMap(({ acts }) => acts).find(act => act.act === 'give' && act.slot === 0) as Give
    const site = fault.site ?? give.site
    for (const token of tokens) yield* this.#memory.put(token.page, [token], site, thing.kind.mapped)
    thing.unheld = { cause: 'free-early', function: site.function }
  }

  leak(all: readonly Token[], fault: Fault): void {
    const tokens = all.filter(({ phantom, uncounted }) => !phantom && !uncounted)
    for (const token of all) if (token.uncounted) token.given = this.#kernel.now
    for (const name of new Set(tokens.map(token => token.function))) {
      const lost = tokens.filter(token => token.function === name)
      for (const token of lost) token.leaked = true
      const units = lost.reduce((sum, token) => sum + token.units, 0)
      const { page, life } = lost[0]!
      const plant = { ...this.plantOf(fault, page), life, functions: [name], units, tokens: lost }
      this.#memory.plant({ ...plant, kind: 'leak' })
    }
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** What faults do to pages, and how it is written down. */
import type { Random } from '../../test/support/random.ts'
import type { Fault } from './faults.ts'
import type { Code, Kernel } from './kernel.ts'
import type { Edge, Give } from './machine.ts'
import type { Memory, Plant, Token } from './memory.ts'
import type { Site } from './names.ts'
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

  /** The same put once more. */
  *again(tokens: readonly Token[], act: Give, fault: Fault): Code {
    const { page } = tokens[0]!
    const units = act.how === 'bulk' ? tokens.reduce((sum, token) => sum + token.units, 0) : tokens[0]!.units
    const code = this.#surplus(page, tokens[0]!.life, units, fault.site ?? act.site, fault)
    if (fault.cause === 'double-put') return yield* code
    const kernel = this.#kernel
    const delay = this.#random.int(1000, 3_000_000)
    kernel.at(kernel.now + delay, () => kernel.submit(this.#random.pick([...kernel.tasks, ...kernel.workers]), code))
  }

  *#surplus(page: number, life: number, units: number, site: Site, fault: Fault): Code {
    const operation = yield* this.#memory.surplus(page, units, site)
    const plant = { ...this.plantOf(fault, page), life, units, operation, time: operation.time }
    this.#memory.plant({ ...plant, kind: 'surplus-put', functions: [site.function] })
  }

  /** Gives everything back and forgets to forget it. */
  *giveForNothing(thing: Thing, edge: Edge): Code {
    const others = thing.kind.edges.filter(({ from }) => from === edge.from).flatMap(({ acts }) => acts)
    const puts = others.filter(act => act.act === 'give')
    const functions = [...new Set(puts.map(({ site }) => site.function))]
    for (const act of edge.acts) {
      if (act.act !== 'give' || act.part === 'one') continue
      for (const { page, units, phantom, life } of thing.slots[act.slot]!) {
        if (phantom) continue
        const operation = yield* this.#memory.surplus(page, units, act.site)
        const { time } = operation
        const plant = { cause: 'both-paths', page, life, functions, units, time, tokens: [], operation }
        this.#memory.plant({ ...plant, kind: 'surplus-put' })
      }
    }
  }

  /** The object gives its pages back, and goes on as if it still had them. */
  *letGo(thing: Thing, fault: Fault): Code {
    const tokens = thing.slots[0]!.splice(0)
    const give = thing.kind.edges.flatMap(({ acts }) => acts).find(act => act.act === 'give' && act.slot === 0) as Give
    const site = fault.site ?? give.site
    for (const token of tokens) yield* this.#memory.put(token.page, [token], site, thing.kind.mapped)
    thing.early = site.function
  }

  leak(tokens: readonly Token[], fault: Fault): void {
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

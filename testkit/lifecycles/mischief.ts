// SPDX-License-Identifier: GPL-2.0-or-later
/** What faults do to pages, and how it is written down. */
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

  /** The same put once more. */
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

  /** Notes a put as one too many, of references of that life. */
  notePut(blame: Pick<Plant, 'cause' | 'functions' | 'life'>): (operation: Operation) => void {
    return operation => {
      const { page, time, val } = operation
      this.#memory.plant({ ...blame, kind: 'surplus-put', page, units: -val, time, tokens: [], operation })
    }
  }

  /** Notes a get as wrong if it found a free page; on a page in use it does no harm that a count would show. */
  noteGet(cause: string, functions: string[], units: number): (operation: Operation) => void {
    return operation => {
      const { page, time, before } = operation
      if (before !== this.#memory.idle) return
      this.#memory.plant({ kind: 'get-on-free-page', cause, functions, page, units, time, tokens: [], operation })
    }
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
        const note = this.notePut({ cause: 'both-paths', functions, life })
        yield* this.#memory.surplus(page, units, act.site, note)
      }
    }
  }

  /** The object gives its pages back, and goes on as if it still had them. */
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

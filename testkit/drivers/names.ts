// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Draws the functions of a fictitious driver: realistic names, and their form in stacks after compilation. The words are drawn
 * at random, so that no name tells what the function does with references.
 */

import type { Frame } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import { weighted } from './chances.ts'
import { type Culprit, kernelStack, Site } from './stacks.ts'

const VERBS =
  'submit queue begin end kick attach detach commit flush add del start finish step handle advance drain bind unbind open close push pop do run process poll track prepare install lookup release hold map unmap post fetch consume evict shrink scan expire cancel arm fire copy fill set clear update link unlink get put grab drop done complete retire move swap visit walk mark check'.split(
    ' ',
  )
const NOUNS =
  'page buf ring cmd job req entry slot obj view ctx mem seg range chunk desc frag vm bo svm fence tx rx io sg work item msg mail lease node lru cache tbl pool migr dev chan stream batch unit block'.split(
    ' ',
  )
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const MODULE_TEXT = 0xffffffffa0000000n

export type Direction = 'take' | 'put'

export class DriverNames {
  readonly prefix: string
  readonly module: string
  readonly #random: Random
  readonly #used = new Set<string>()
  readonly #helpers = new Map<Direction, { name: string; start: bigint }>()
  readonly #functions: { name: string; start: bigint }[] = []
  readonly #puts: Site[] = []
  #next = MODULE_TEXT + 0x1000n

  constructor(random: Random) {
    this.#random = random
    const letters = Array.from({ length: random.int(2, 5) }, () => LETTERS[random.int(0, 25)]).join('')
    this.prefix = `${letters}_`
    this.module = random.chance(0.3) ? `${letters}_drv` : letters
    if (random.chance(0.4)) this.#helpers.set('take', this.#function())
    if (random.chance(0.5)) this.#helpers.set('put', this.#function())
  }

  /** Draws a function of the driver that is no call site, such as the entry point of a task. */
  entry(): Frame {
    return this.#frame(this.#function())
  }

  /** Draws a name for a kernel thread of the driver. */
  thread(): string {
    return `${this.prefix.slice(0, -1)}-${this.#random.pick(NOUNS)}${this.#random.chance(0.3) ? 'd' : ''}`.slice(0, 15)
  }

  /** Draws a call site that takes or puts references, in one of the forms that a compiler produces. */
  site(direction: Direction): Site {
    // Two subsystems may share the function that puts. Then a missing put cannot be attributed to one of them.
    if (direction === 'put' && this.#puts.length > 0 && this.#random.chance(0.04)) return this.#random.pick(this.#puts)
    const site = this.#draw(direction)
    if (direction === 'put') this.#puts.push(site)
    return site
  }

  #draw(direction: Direction): Site {
    const helper = this.#helpers.get(direction)
    const shape = weighted(this.#random, [
      [55, 'plain'],
      [15, 'called'],
      [helper ? 18 : 0, 'helper'],
      [8, 'tail-call'],
      [this.#functions.length > 0 ? 6 : 0, 'again'],
    ] as const)
    if (shape === 'again') return this.#direct(this.#random.pick(this.#functions))
    const acting = this.#function()
    if (shape === 'helper') {
      const caller = this.#frame(acting)
      return new Site([this.#frame(helper!), caller], [{ function: helper!.name, caller: caller.name }])
    }
    this.#functions.push(acting)
    // With a tail call, the acting function jumps to the helper, so that its caller is the first frame in the stack.
    if (shape === 'plain' || shape === 'tail-call') return this.#direct(acting)
    return new Site([this.#frame(acting), this.#frame(this.#function())], [{ function: acting.name }])
  }

  /** Draws another call site in the function of `site`, for example in an error path. */
  second(site: Site): Site {
    const [first, ...rest] = site.frames as [Frame, ...Frame[]]
    const offset = first.offset! + this.#random.int(0x20, 0x90)
    const frame = { ...first, offset, address: first.address + BigInt(offset - first.offset!) }
    return new Site([frame, ...rest], site.culprits)
  }

  /** A call site in the core, called by the driver. Functions of both may be accused. */
  through(core: string, accused: readonly string[]): Site {
    const caller = this.#frame(this.#function())
    const culprits: Culprit[] = [...accused, caller.name].map(name => ({ function: name }))
    return new Site([...kernelStack(core), caller], culprits)
  }

  #direct(acting: { name: string; start: bigint }): Site {
    return new Site([this.#frame(acting)], [{ function: acting.name }])
  }

  #frame({ name, start }: { name: string; start: bigint }): Frame {
    const offset = this.#random.int(0x8, 0x1f0)
    return { address: start + BigInt(offset), name, offset, module: this.module }
  }

  #function(): { name: string; start: bigint } {
    const random = this.#random
    for (;;) {
      const words = random.chance(0.6)
        ? [random.pick(NOUNS), random.pick(VERBS)]
        : random.chance(0.5)
          ? [random.pick(VERBS), random.pick(NOUNS)]
          : [random.pick(NOUNS), random.pick(NOUNS), random.pick(VERBS)]
      const plain = this.prefix + words.join('_')
      if (this.#used.has(plain)) continue
      this.#used.add(plain)
      const suffix = weighted(random, [
        [90, ''],
        [4, '.isra.0'],
        [4, '.constprop.0'],
        [2, '.part.0'],
      ])
      const start = this.#next
      this.#next += BigInt(random.int(1, 40) * 0x10 + 0x200)
      return { name: plain + suffix, start }
    }
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs a driver: performs the acts of its transitions, correctly or with a fault that strikes. */
import { Op } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import type { Fault, Faults } from './faults.ts'
import type { Code, Kernel, Thread } from './kernel.ts'
import { type Driver, type Edge, END, type Give, gives, type Kind, type Spawn, type Take } from './machine.ts'
import type { Memory } from './memory.ts'
import { Mischief } from './mischief.ts'
import type { Site } from './names.ts'
import type { Token } from './operation.ts'
import { Schedule, type Thing } from './things.ts'

export class World {
  readonly schedule: Schedule
  readonly #driver: Driver
  readonly #kernel: Kernel
  readonly #memory: Memory
  readonly #faults: Faults
  readonly #random: Random
  readonly #makers: Kind[]
  readonly #mischief: Mischief

  constructor(driver: Driver, kernel: Kernel, memory: Memory, faults: Faults, random: Random) {
    this.#driver = driver
    this.#kernel = kernel
    this.#memory = memory
    this.#faults = faults
    this.#random = random
    this.#mischief = new Mischief(kernel, memory, random)
    this.#makers = driver.kinds.filter(({ origin }) => origin === 'fresh' || origin === 'lookup')
    this.schedule = new Schedule(driver, kernel, memory.pages, random, (thing, edge) => this.#run(thing, edge))
  }

  /** Makes a random task create an object. */
  make(): void {
    const task = this.#random.pick(this.#kernel.tasks)
    let rest = this.#random() * this.#makers.reduce((sum, { weight }) => sum + weight, 0)
    const kind = this.#makers.find(({ weight }) => (rest -= weight) <= 0) ?? this.#makers.at(-1)!
    if (kind.origin === 'fresh' && this.#memory.free.size < this.#memory.pages / 6) {
      this.schedule.shrink()
      return
    }
    this.schedule.touch()
    this.#kernel.submit(task, this.#made(kind, task))
  }

  *#made(kind: Kind, task: Thread): Code {
    const thing = this.schedule.make(kind, [], task)
    if (kind.origin === 'lookup') {
      const count = Math.min(this.#random.int(...kind.pages), this.#memory.pages)
      const first = this.#random.int(0, this.#memory.pages - count)
      thing.pages = Array.from({ length: count }, (_, i) => first + i)
    }
    yield* this.#run(thing, kind.edges.find(({ from }) => from === 0)!)
  }

  *#run(thing: Thing, edge: Edge): Code {
    if (thing.holders > 0 && gives(edge)) {
      thing.deferred = edge
      return
    }
    const first = edge.acts.find(({ act }) => act === 'give')
    const twice = first && this.#faults.fires(first, 'both-paths')
    if (twice) {
      yield* this.#mischief.giveForNothing(thing, edge)
      this.schedule.enter(thing, edge.from, edge)
      return
    }
    for (const act of edge.acts) {
      if (act.act === 'take') yield* this.#take(thing, act)
      else if (act.act === 'give') yield* this.#give(thing, act)
      else if (act.act === 'spawn') yield* this.#spawn(thing, act)
      else {
        const ns = this.#random.int(Math.floor(act.low), Math.floor(act.high))
        const { way } = this.#kernel.active
        yield act.sleep && (way === 'task' || way === 'work') ? { sleep: ns } : { busy: Math.min(ns, 20_000) }
      }
    }
    // A lookup that found nothing makes no object.
    if (edge.to === END || thing.pages.length === 0) yield* this.#end(thing)
    else this.schedule.enter(thing, edge.to)
  }

  *#end(thing: Thing): Code {
    this.schedule.live.delete(thing)
    const { holds } = thing
    if (holds === undefined) return
    holds.holders--
    const { deferred } = holds
    if (holds.holders > 0 || deferred === undefined) return
    holds.deferred = undefined
    yield { busy: this.#random.int(20, 400) }
    yield* this.#run(holds, deferred)
  }

  *#take(thing: Thing, act: Take): Code {
    const slot = thing.slots[act.slot]!
    const mapped = thing.kind.mapped && act.slot === 0 && act.how !== 'pin'
    if (act.how === 'out') yield* this.#handOut(thing, act, mapped)
    else if (act.how === 'try') yield* this.#lookUp(thing, act)
    else
      for (const page of thing.pages) {
        if (act.how === 'each')
          for (let n = 0; n < act.units; n++) slot.push(...(yield* this.#get(thing, page, 1, act.site, mapped)))
        else if (act.how === 'bulk') slot.push(...(yield* this.#get(thing, page, act.units, act.site, mapped)))
        else slot.push(...(yield* this.#pin(page, act)))
      }
    const fault = this.#faults.fires(act, 'unrecorded-take')
    if (fault === undefined || thing.pages.length === 0) return
    for (const page of fault.wide ? thing.pages : [this.#random.pick(thing.pages)]) {
      const tokens = yield* this.#get(thing, page, 1, fault.site ?? act.site, false)
      this.#mischief.leak(tokens, fault)
    }
  }

  *#handOut(thing: Thing, act: Take, mapped: boolean): Code {
    for (let count = this.#random.int(...thing.kind.pages); count > 0; count--) {
      const fault = this.#faults.fires(act, 'no-init')
      const token = yield* this.#memory.handOut(act.site, fault !== undefined, mapped)
      if (token === undefined) break
      const { page } = token
      if (fault)
        this.#memory.plant({ ...this.#mischief.plantOf(fault, page), kind: 'no-init', functions: [act.site.function] })
      // A page that is on the free list twice counts only once among an object's pages.
      thing.slots[act.slot]!.push(token)
      if (!thing.pages.includes(page)) thing.pages.push(page)
      yield { busy: this.#random.int(20, 300) }
    }
  }

  *#lookUp(thing: Thing, act: Take): Code {
    const memory = this.#memory
    const found: number[] = []
    for (const page of thing.pages) {
      const token = memory.token(page, 1, act.site)
      const stale = this.#faults.fires(act, 'stale-get')
      if (stale) {
        const site = stale.site ?? act.site
        const note = this.#mischief.noteGet(stale.cause, [site.function], 1)
        yield* memory.change({ page, op: Op.MOD, val: 1, site, take: [token], note })
      } else {
        const { ret } = yield* memory.change({ page, op: Op.MOD_UNLESS, val: 1, site: act.site, take: [token] })
        const ignored = ret === 0 && this.#faults.fires(act, 'ignored-failure')
        if (ret === 0) {
          token.phantom = true
          if (!ignored) continue
          thing.unheld = { cause: 'ignored-failure', function: act.site.function }
        }
      }
      found.push(page)
      thing.slots[act.slot]!.push(token)
    }
    thing.pages = found
  }

  *#get(thing: Thing, page: number, units: number, site: Site, mapped: boolean): Code<Token[]> {
    const memory = this.#memory
    const unheld = thing.unheld ?? thing.holds?.unheld
    const take = Array.from({ length: units }, () => memory.token(page, 1, site))
    const note = unheld && this.#mischief.noteGet(unheld.cause, [site.function, unheld.function], units)
    yield* memory.change({ page, op: Op.MOD, val: units, site, take, mapped, note })
    yield { busy: this.#random.int(20, 400) }
    return take
  }

  /** As pin_user_pages() does it: one reference if there is any, and then the rest. */
  *#pin(page: number, { units, site }: Take): Code<Token[]> {
    const memory = this.#memory
    const token = memory.token(page, units, site)
    const { ret } = yield* memory.change({ page, op: Op.MOD_UNLESS, val: 1, site, take: [token] })
    if (ret === 0) {
      token.phantom = true
      return []
    }
    yield* memory.change({ page, op: Op.MOD, val: units - 1, site, take: [token] })
    return [token]
  }

  *#give(thing: Thing, act: Give): Code {
    const slot = thing.slots[act.slot]!
    const pages = [...new Set(slot.map(({ page }) => page))]
    if (pages.length === 0) return
    if (act.backwards) pages.reverse()
    const dropped = this.#faults.fires(act, 'drop-put')
    const doubled = this.#faults.fires(act, 'double-put', 'late-put')
    const one = this.#random.pick(pages)
    const hit = (fault: Fault | undefined, page: number) => fault && (fault.wide || page === one)
    const mapped = thing.kind.mapped && act.slot === 0
    for (const page of pages) {
      const own = slot.filter(token => token.page === page)
      const tokens = act.part === 'all' ? own : own.length > 1 ? own.slice(0, 1) : []
      thing.slots[act.slot] = thing.slots[act.slot]!.filter(token => !tokens.includes(token))
      if (tokens.length === 0) continue
      if (hit(dropped, page)) {
        this.#mischief.leak(tokens, dropped!)
        continue
      }
      yield* this.#putAll(tokens, act, mapped)
      if (hit(doubled, page)) yield* this.#mischief.again(tokens, act, doubled!)
    }
  }

  *#putAll(tokens: readonly Token[], act: Give, mapped: boolean): Code {
    const memory = this.#memory
    for (const token of tokens.filter(({ phantom }) => phantom)) {
      const { page } = token
      const functions = [...new Set([act.site.function, token.function])]
      const note = this.#mischief.notePut({ cause: 'ignored-failure', functions, life: token.life })
      yield* memory.surplus(page, token.units, act.site, note)
    }
    const real = tokens.filter(({ phantom }) => !phantom)
    for (let at = 0; at < real.length; ) {
      const left = real.length - at
      const count = act.how === 'each' ? 1 : act.how === 'bulk' ? left : this.#random.int(1, left)
      const give = real.slice(at, at + count)
      yield* memory.put(give[0]!.page, give, act.site, mapped && give[0]!.units === 1)
      yield { busy: this.#random.int(20, 400) }
      at += count
    }
  }

  *#spawn(thing: Thing, act: Spawn): Code {
    const fault = this.#faults.fires(act, 'free-early')
    if (fault) yield* this.#mischief.letGo(thing, fault)
    const kind = this.#driver.kinds[act.kind]!
    const carried = act.carry === undefined ? [] : thing.slots[act.carry]!.splice(0)
    for (let n = 0; n < act.times; n++) {
      if (!this.#random.chance(act.chance)) continue
      const own = carried.filter((_, i) => i % act.times === n)
      const pages = act.carry === undefined ? this.#some(thing.pages) : [...new Set(own.map(({ page }) => page))]
      if (pages.length === 0) continue
      const child = this.schedule.make(kind, pages, thing.home)
      child.slots[0]!.push(...own)
      child.unheld = thing.unheld
      if (act.hold) {
        child.holds = thing
        thing.holders++
      }
      yield* this.#run(child, kind.edges.find(({ from }) => from === 0)!)
    }
  }

  #some(pages: readonly number[]): number[] {
    if (pages.length < 2 || this.#random.chance(0.6)) return [...pages]
    const from = this.#random.int(0, pages.length - 1)
    return pages.slice(from, this.#random.int(from + 1, pages.length))
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Limits while a system is made ready: learning and merging take no states, but time and memory. */
import { giveChanceBack } from './determinism.ts'
import { ModelError } from './model.ts'
import type { SearchLimits } from './options.ts'

type Limits = Pick<SearchLimits, 'memory' | 'deadline' | 'signal' | 'onProgress' | 'progressInterval' | 'guard'>

/** Thrown where a limit is met; no error of the model. */
export class Exhausted extends Error {
  override name = 'Exhausted'
}

/** Pieces of work between looks at the clock. */
const PIECES = 64

/** Tables of this many bytes are had in any case: a limit below is meant for states. */
const FREE = 2 ** 24

export class Meter {
  private doing = 'learning'
  functions = 0
  nodes = 0
  /** Whose code runs. */
  code = ''
  private bytes = 0
  private pieces = 0
  private readonly limits: Limits
  private readonly now: () => number
  private readonly began: number
  private told: number
  private seen: number

  constructor(limits: Limits, now = () => performance.now()) {
    this.limits = limits
    this.now = now
    this.began = this.told = this.seen = now()
  }

  /** What is done from here on, as `out of time while ...` goes on. */
  begin(doing: string): void {
    this.doing = doing
    this.look()
  }

  /** One piece of work is done. @throws Exhausted when time is up, or the host says to stop. */
  tick(): void {
    if (this.pieces++ % PIECES === 0) this.look()
  }

  /** So much is kept. @throws Exhausted when it is more than there may be. */
  keep(bytes: number): void {
    this.bytes += bytes
    if (this.bytes > this.limits.memory && this.bytes > FREE) this.stop('out of memory')
    this.tick()
  }

  /** Milliseconds since the last look: much of it says that some piece does not end. */
  get silence(): number {
    return this.now() - this.seen
  }

  private look(): void {
    const now = this.now()
    this.seen = now
    if (now - this.told >= this.limits.progressInterval) {
      this.told = now
      const { bytes } = this
      const seconds = (now - this.began) / 1000
      this.limits.onProgress?.({ states: 0, transitions: 0, depth: 0, queue: 0, bytes, seconds, doing: this.text() })
    }
    if (this.limits.signal?.aborted) this.stop('stopped')
    if (now > this.limits.deadline) this.stop('out of time')
  }

  why(limit: string): string {
    return `${limit} while ${this.text()}`
  }

  private stop(limit: string): never {
    throw new Exhausted(this.why(limit))
  }

  private text(): string {
    return `${this.doing}: ${this.functions} functions, ${this.nodes} nodes`
  }
}

/** Milliseconds for the first try under a guard, and past the deadline, which the work should have noticed itself. */
const GUARDED = { first: 10_000, past: 2000 }

/**
 * What is made within the limits, or the one that was met. Work that a guard cut off is done again with more time, unless it
 * stood still for half of it.
 * @throws ModelError for code that does not come to its next step.
 */
export function within<T>(limits: Limits, make: (meter: Meter) => T, now = () => performance.now()): T | string {
  for (let most = GUARDED.first; ; most *= 4) {
    const meter = new Meter(limits, now)
    const work = () => {
      try {
        return { made: make(meter) }
      } catch (e) {
        if (e instanceof Exhausted) return { made: e.message }
        throw e
      }
    }
    const left = Math.max(0, limits.deadline - now()) + GUARDED.past
    const time = Math.min(most, left)
    const done = limits.guard ? limits.guard(work, time) : work()
    if (done) return done.made
    giveChanceBack()
    if (meter.silence >= time / 2) throw new ModelError(`${meter.code} does not come to an end: a loop without a step?`)
    if (left <= most) return meter.why('out of time')
  }
}

export const UNLIMITED = new Meter({
  memory: Number.POSITIVE_INFINITY,
  deadline: Number.POSITIVE_INFINITY,
  signal: undefined,
  onProgress: undefined,
  progressInterval: Number.POSITIVE_INFINITY,
  guard: undefined,
})

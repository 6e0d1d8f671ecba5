// SPDX-License-Identifier: GPL-2.0-or-later
/** Limits of the work before the search: learning and merging store no states, but take time and memory. */
import type { SearchLimits } from './options.ts'

type Limits = Pick<SearchLimits, 'memory' | 'deadline' | 'signal' | 'onProgress' | 'progressInterval' | 'watch'>

/** Thrown where a limit is met. It is not an error of the model, and leads to an inconclusive verdict. */
export class Exhausted extends Error {
  override name = 'Exhausted'
}

/** Calls of {@link Budget.tick} between two looks at the clock. */
const PIECES = 64

/** Bytes that tables may take whatever the limit: a user who sets a lower one means the states of the search. */
const FREE = 2 ** 24

export class Budget {
  private doing = 'learning'
  functions = 0
  nodes = 0
  /** Name of the function or step of the model that runs; empty for none. */
  private code = ''
  private bytes = 0
  private pieces = 0
  private readonly limits: Limits
  private readonly now: () => number
  private readonly began: number
  private told: number

  constructor(limits: Limits, now = () => performance.now()) {
    this.limits = limits
    this.now = now
    this.began = this.told = now()
  }

  /** Begins another kind of work. @param doing completes `out of time while ...` */
  begin(doing: string): void {
    this.doing = doing
    this.enter('')
    this.look()
  }

  /** Tells the host which function or step of the model runs next. */
  enter(code: string): void {
    this.code = code
    this.limits.watch?.(code)
  }

  /** Counts one piece of work. @throws Exhausted when time is up, or the host says to stop. */
  tick(): void {
    if (this.pieces++ % PIECES === 0) this.look()
  }

  /** Counts memory that stays in use. @throws Exhausted when the total exceeds the limit. */
  keep(bytes: number): void {
    this.bytes += bytes
    if (this.bytes > this.limits.memory && this.bytes > FREE) this.stop('out of memory')
    this.tick()
  }

  private look(): void {
    const now = this.now()
    this.limits.watch?.(this.code)
    if (now - this.told >= this.limits.progressInterval) {
      this.told = now
      const { bytes } = this
      const seconds = (now - this.began) / 1000
      this.limits.onProgress?.({ states: 0, transitions: 0, depth: 0, queue: 0, bytes, seconds, doing: this.text() })
    }
    if (this.limits.signal?.aborted) this.stop('stopped')
    if (now > this.limits.deadline) this.stop('out of time')
  }

  private stop(limit: string): never {
    throw new Exhausted(`${limit} while ${this.text()}`)
  }

  private text(): string {
    return `${this.doing}: ${this.functions} functions, ${this.nodes} nodes`
  }
}

/** Returns what `make` returns, or the message of the limit that it met. */
export function within<T>(limits: Limits, make: (budget: Budget) => T): T | string {
  try {
    return make(new Budget(limits))
  } catch (e) {
    if (e instanceof Exhausted) return e.message
    throw e
  } finally {
    limits.watch?.('')
  }
}

export const UNLIMITED = new Budget({
  memory: Number.POSITIVE_INFINITY,
  deadline: Number.POSITIVE_INFINITY,
  signal: undefined,
  onProgress: undefined,
  progressInterval: Number.POSITIVE_INFINITY,
})

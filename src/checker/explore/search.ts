// SPDX-License-Identifier: GPL-2.0-or-later
/** The breadth-first search, level by level, with one search program or with one in each worker thread. */

import { type GeneratedCode, programText } from '../codegen/program-text.ts'
import { type FoundViolation, PARTITIONS, type ProgramEnv, type SearchProgram } from '../codegen/search-program.ts'
import type { SearchLimits, Spawn } from '../options.ts'

export interface SearchResult {
  readonly end: 'complete' | 'violated' | 'memory' | 'time' | 'depth' | 'handover' | 'stopped'
  readonly states: number
  readonly transitions: number
  /** The last level that has states; of a violation, the length of its shortest execution. */
  readonly depth: number
  readonly bytes: number
  /** The first violation of each property, the shortest first. The search may have ended with the first one. */
  readonly violations: readonly LocatedViolation[]
}

export interface LocatedViolation extends FoundViolation {
  /** The level of the states that violate the property, or from which one step does. */
  readonly level: number
}

/** The number of steps of the shortest execution that ends in the violation. */
export function lengthOf({ kind, level }: LocatedViolation): number {
  return kind === 'step' ? level + 1 : level
}

type Method = Exclude<keyof SearchProgram, 'rebuffer'>

/** One or several search programs that share the work of a search. */
export interface WorkerGroup {
  readonly size: number
  readonly shared: boolean
  rebuffer(buffers: Int32Array[], positions: Int32Array[], capacity: number): void
  /** Calls a method of each program; returns the results by worker. */
  all<M extends Method>(method: M, ...args: Parameters<SearchProgram[M]>): Promise<ReturnType<SearchProgram[M]>[]>
  end(): void
}

export function localGroup(program: SearchProgram): WorkerGroup {
  return {
    size: 1,
    shared: false,
    rebuffer: (b, p, c) => program.rebuffer(b, p, c),
    all: async (method, ...args) => [(program[method] as (...a: unknown[]) => never)(...args)],
    end: () => undefined,
  }
}

/** The program text of a worker thread, which makes its search program, then answers calls. */
export function workerText(code: GeneratedCode, env: ProgramEnv): string {
  return `
const program = (function (env) {${programText(code)}
})(${JSON.stringify(env)})
receive(({ method, args }) => {
  try { send({ result: program[method](...args) }) } catch (e) { send({ error: String(e && e.message || e) }) }
})`
}

export function remoteGroup(code: GeneratedCode, size: number, spawn: Spawn): WorkerGroup {
  const threads = Array.from({ length: size }, (_, me) => spawn(workerText(code, { me, workers: size })))
  const waiting: { resolve: (value: never) => void; reject: (error: Error) => void }[][] = threads.map(() => [])
  for (const [i, t] of threads.entries()) {
    t.onMessage(m => {
      const { result, error } = m as { result: never; error?: string }
      const call = waiting[i]!.shift()
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(`worker ${i}: ${error}`))
    })
    t.onError(e => {
      for (const call of waiting[i]!.splice(0)) call.reject(e)
    })
  }
  const all = (method: string, args: unknown[]) =>
    Promise.all(
      threads.map(
        (t, i) =>
          new Promise<never>((resolve, reject) => {
            waiting[i]!.push({ resolve, reject })
            t.post({ method, args })
          }),
      ),
    )
  return {
    size,
    shared: true,
    rebuffer: (b, p, c) => void all('rebuffer', [b, p, c]).catch(() => undefined),
    all: (method, ...args) => all(method, args),
    end: () => {
      for (const t of threads) t.terminate()
    },
  }
}

/** Least and most states in a partition's buffer. It grows with the tables, so that each round inserts many states into each. */
const CAPACITY = { first: 512, most: 32_768 }

/**
 * Searches breadth first from `initial`. Afterwards the group still has its levels, so that `predecessors` can be called.
 * @param words 32-bit words of a state.
 * @param most the most successors that one state can have.
 */
export function search(
  group: WorkerGroup,
  words: number,
  most: number,
  initial: Int32Array,
  limits: SearchLimits,
): Promise<SearchResult> {
  return new Search(group, words, most, limits).run(initial)
}

class Search {
  private readonly group: WorkerGroup
  private readonly words: number
  private readonly most: number
  private readonly limits: SearchLimits
  private readonly began = performance.now()
  private lastProgress = this.began
  private capacity = 0
  private depth = 0
  /** Number of states of the frontier. */
  private queue = 0
  private now: Tally = { states: 0, transitions: 0, bytes: 0 }
  private readonly violations: LocatedViolation[] = []

  constructor(group: WorkerGroup, words: number, most: number, limits: SearchLimits) {
    this.group = group
    this.words = words
    this.most = most
    this.limits = limits
  }

  async run(initial: Int32Array): Promise<SearchResult> {
    this.grow()
    await this.group.all('seed', initial)
    this.queue = total(await this.group.all('advance'))
    this.now = await tally(this.group)
    if (await this.broken(0)) return this.result('violated')
    for (;;) {
      if (this.queue === 0) return { ...this.result('complete'), depth: Math.max(0, this.depth - 1) }
      if (this.depth >= this.limits.depth) return this.result('depth')
      if (this.now.states > this.limits.handover) return this.result('handover')
      this.grow()
      const cut = await this.level()
      if (await this.broken(this.depth + 1)) return this.result('violated')
      if (cut) return this.result(cut)
      this.queue = total(await this.group.all('advance'))
      this.depth++
    }
  }

  /** Notes what the new states, on `level`, and the steps to them violate. Returns true if that ends the search. */
  private async broken(level: number): Promise<boolean> {
    const found = (await this.group.all('violations')).flat()
    for (const kind of KINDS)
      for (const { property } of found.filter(v => v.kind === kind).sort((a, b) => a.property - b.property))
        if (!this.violations.some(known => known.property === property))
          this.violations.push({ kind, property, level: kind === 'state' ? level : this.depth })
    return !this.limits.continueAfterViolation && this.violations.length > 0
  }

  /** Expands the frontier in rounds. Returns the reason if it stops before the end. */
  private async level(): Promise<SearchResult['end'] | undefined> {
    const before = this.now.states
    for (let more = true; more; ) {
      try {
        more = (await this.group.all('expand')).includes(true)
        await this.group.all('insert')
      } catch (e) {
        if (outOfMemory(e)) return 'memory'
        throw e
      }
      this.now = await tally(this.group)
      const time = performance.now()
      if (time - this.lastProgress >= this.limits.progressInterval)
        await this.tell(time, this.queue + this.now.states - before)
      if (this.limits.signal?.aborted) return 'stopped'
      if (this.now.bytes > this.limits.memory) return 'memory'
      if (time > this.limits.deadline) return 'time'
    }
    return undefined
  }

  private async tell(time: number, queue: number): Promise<void> {
    this.lastProgress = time
    this.limits.onProgress?.({ ...this.now, depth: this.depth, queue, seconds: (time - this.began) / 1000 })
    // Let the host handle its signals and timers.
    await new Promise(resolve => setTimeout(resolve))
  }

  /** Replaces the buffers by larger ones where the number of states stored calls for it. */
  private grow(): void {
    const wanted = Math.max(CAPACITY.first, this.now.states / PARTITIONS / 2)
    const capacity = Math.ceil(Math.min(CAPACITY.most, wanted)) + this.most
    if (this.capacity > 0 && capacity < this.capacity * 2) return
    this.capacity = capacity
    const make = (n: number) =>
      new Int32Array(this.group.shared ? new SharedArrayBuffer(n * 4) : new ArrayBuffer(n * 4))
    const each = Array.from({ length: this.group.size }, (_, i) => i)
    this.group.rebuffer(
      each.map(() => make(PARTITIONS * capacity * this.words)),
      each.map(() => make(PARTITIONS)),
      capacity,
    )
  }

  private result(end: SearchResult['end']): SearchResult {
    const depth = end === 'violated' ? lengthOf(this.violations[0]!) : this.depth
    return { end, ...this.now, depth, violations: this.violations }
  }
}

/** True if an array could not be allocated: memory that the machine does not have is a limit like the one of the options. */
function outOfMemory(error: unknown): boolean {
  return error instanceof Error && /allocation failed|Invalid typed array length/.test(error.message)
}

interface Tally {
  readonly states: number
  readonly transitions: number
  readonly bytes: number
}

async function tally(group: WorkerGroup): Promise<Tally> {
  const stats = await group.all('stats')
  return {
    states: total(stats.map(s => s.states)),
    transitions: total(stats.map(s => s.transitions)),
    bytes: total(stats.map(s => s.bytes)),
  }
}

/** Of equally short violations, the one whose kind comes first is reported, so that the result does not depend on the workers. */
const KINDS = ['deadlock', 'step', 'state'] as const

function total(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Simulates a machine on which the counts of some pages are watched. It performs the kernel's operations on counts, and writes
 * what debug registers and perf would record, with the machine code at each sampled address.
 */
import { BytesSource } from '../../src/trace/common/bytes.ts'
import type { OpenOptions, Recording } from '../../src/trace/events.ts'
import { openRecording } from '../../src/trace/open.ts'
import { EM_X86_64, kcoreFile } from './kcore.ts'
import { USUAL_REGISTERS, type WatchRecord, writeWatch } from './perf-watch.ts'

const TEXT = 0xffffffff81000000n
const FUNCTION_BYTES = 64
const MEMORY_MAP = 0xffffea0000000000n
const PAGE_STRUCT = 64n
const REFCOUNT = 0x34n
/** perf's numbers. */
const [AX, DX, SI, DI, FLAGS] = [0, 3, 4, 5, 9] as const
const ZERO = 0x40n

/** Machine code of each operation on the count of the page in rdi, and the offset of the instruction after the change. */
const CODE = {
  /** lock incl 0x34(%rdi) */
  get: { bytes: [0xf0, 0xff, 0x47, 0x34, 0xc3], after: 4 },
  /** lock decl 0x34(%rdi) */
  put: { bytes: [0xf0, 0xff, 0x4f, 0x34, 0xc3], after: 4 },
  /** lock add %esi,0x34(%rdi) */
  add: { bytes: [0xf0, 0x01, 0x77, 0x34, 0xc3], after: 4 },
  /** lock sub %esi,0x34(%rdi) */
  sub: { bytes: [0xf0, 0x29, 0x77, 0x34, 0xc3], after: 4 },
  /** mov 0x34(%rdi),%eax; 1: test %eax,%eax; je 2f; lea 1(%rax),%edx; lock cmpxchg %edx,0x34(%rdi); jne 1b; 2: ret */
  tryGet: {
    bytes: [0x8b, 0x47, 0x34, 0x85, 0xc0, 0x74, 0x0a, 0x8d, 0x50, 0x01, 0xf0, 0x0f, 0xb1, 0x57, 0x34, 0x75, 0xf2, 0xc3],
    after: 15,
  },
  /** mov $-1,%eax; lock xadd %eax,0x34(%rdi) */
  putReturn: { bytes: [0xb8, 0xff, 0xff, 0xff, 0xff, 0xf0, 0x0f, 0xc1, 0x47, 0x34, 0xc3], after: 10 },
  /** pop %rax; lock xadd %eax,0x34(%rdi): the code does not show which value is added */
  putReturnBlind: { bytes: [0x58, 0xf0, 0x0f, 0xc1, 0x47, 0x34, 0xc3], after: 6 },
  /** movl $1,0x34(%rdi) */
  set: { bytes: [0xc7, 0x47, 0x34, 0x01, 0x00, 0x00, 0x00, 0xc3], after: 7 },
  /** mov %rsi,0x30(%rdi), whose upper half is the count */
  setWide: { bytes: [0x48, 0x89, 0x77, 0x30, 0xc3], after: 4 },
  /** pop %rax; xor %edx,%edx; lock cmpxchg %edx,0x34(%rdi) */
  freeze: { bytes: [0x58, 0x31, 0xd2, 0xf0, 0x0f, 0xb1, 0x57, 0x34, 0xc3], after: 8 },
  /** mov %esi,0x34(%rdi) */
  unfreeze: { bytes: [0x89, 0x77, 0x34, 0xc3], after: 3 },
  /** lock orl $4,0x34(%rdi): no amount is known of it */
  or: { bytes: [0xf0, 0x83, 0x4f, 0x34, 0x04, 0xc3], after: 5 },
} as const
export type Way = keyof typeof CODE

/** A function of the kernel, that changes a count in one way. */
export interface KernelFunction {
  name: string
  way: Way
  start: bigint
}

export interface Act {
  pid?: number
  cpu?: number
  /** Operand of add, sub and unfreeze. */
  n?: number
  /** For tryGet and freeze: cmpxchg finds that the count has changed, and stores nothing. */
  refused?: boolean
  /** True for a change that is not recorded. */
  unseen?: boolean
  /** The calling function, if it is not the usual one. */
  caller?: KernelFunction
  /** By how many ns the sample is stamped earlier (negative) or later than in order. */
  skew?: number
}

/** What happened to a count. */
export interface Happened {
  pfn: number
  name: string
  change: number
  after: number
}

export class WatchMachine {
  readonly counts: number[]
  readonly happened: Happened[] = []
  readonly records: WatchRecord[] = []
  readonly #firstPfn: number
  readonly #functions: KernelFunction[] = []
  readonly #hasFlags: boolean
  /** Nanoseconds between two changes. */
  readonly #step: number
  #now = 1_000_000

  /** @param starts counts of the pages at the start */
  constructor(starts: readonly number[], { firstPfn = 0x7fe9f, hasFlags = false, step = 1000 } = {}) {
    this.counts = [...starts]
    this.#firstPfn = firstPfn
    this.#hasFlags = hasFlags
    this.#step = step
  }

  pfn(page: number): number {
    return this.#firstPfn + page
  }

  /** A new function of the kernel. */
  fn(name: string, way: Way): KernelFunction {
    const made = { name, way, start: TEXT + BigInt(this.#functions.length * FUNCTION_BYTES) }
    this.#functions.push(made)
    return made
  }

  /** Lets a task call a function on a page. */
  run(called: KernelFunction, page: number, act: Act = {}): void {
    const before = this.counts[page]!
    const { after, registers } = effect(called.way, before, act)
    this.counts[page] = after
    this.#now += this.#step
    if (act.unseen) return
    if (after !== before || !act.refused)
      this.happened.push({ pfn: this.pfn(page), name: called.name, change: after - before, after })
    const flags = { [FLAGS]: act.refused ? 0n : ZERO }
    this.records.push({
      time: BigInt(this.#now + (act.skew ?? 0)),
      cpu: act.cpu ?? 0,
      pid: act.pid ?? 1,
      watch: page,
      ip: called.start + BigInt(CODE[called.way].after),
      registers: { ...registers, [DI]: this.#page(page), ...(this.#hasFlags ? flags : {}) },
      callers: [...(act.caller ? [act.caller.start + 4n] : []), TEXT + 0x100_0010n],
    })
  }

  /** Samples of a CPU are lost here. */
  lose(count: number, cpu = 0): void {
    this.records.push({ lost: BigInt(count), cpu, time: BigInt(this.#now) })
  }

  #page(page: number): bigint {
    return MEMORY_MAP + BigInt(this.pfn(page)) * PAGE_STRUCT
  }

  /** The files that perf would write. */
  files(): { data: Uint8Array; kcore: Uint8Array; kallsyms: string } {
    const text = new Uint8Array(this.#functions.length * FUNCTION_BYTES).fill(0xcc)
    for (const [i, { way }] of this.#functions.entries()) text.set(CODE[way].bytes, i * FUNCTION_BYTES)
    const lines = this.#functions.map(({ name, start }) => `${start.toString(16)} T ${name}`)
    return {
      data: writeWatch({
        addresses: this.counts.map((_, page) => this.#page(page) + REFCOUNT),
        registers: USUAL_REGISTERS | (this.#hasFlags ? 1n << BigInt(FLAGS) : 0n),
        records: this.records,
      }),
      kcore: kcoreFile(EM_X86_64, [{ start: TEXT, bytes: text }]),
      kallsyms: [...lines, `${(TEXT + 0x100_0000n).toString(16)} T kthread`, ''].join('\n'),
    }
  }

  /** Opens what perf would have written. */
  open(options: OpenOptions = {}): Promise<Recording> {
    const { data, kcore, kallsyms } = this.files()
    return openRecording(new BytesSource('data', data), {
      kcore: new BytesSource('kcore', kcore),
      kallsyms: [kallsyms],
      ...options,
    })
  }
}

/** The count after a change, and registers behind it. */
function effect(way: Way, before: number, { n = 1, refused = false }: Act) {
  const own = BigInt(n)
  switch (way) {
    case 'get':
      return { after: before + 1, registers: {} }
    case 'put':
      return { after: before - 1, registers: {} }
    case 'add':
      return { after: before + n, registers: { [SI]: own } }
    case 'sub':
      return { after: before - n, registers: { [SI]: own } }
    case 'tryGet':
      // Refused: the code had read one less, and would have stored what is there now.
      return {
        after: refused ? before : before + 1,
        registers: { [AX]: BigInt(before), [DX]: BigInt(refused ? before : before + 1) },
      }
    case 'putReturn':
    case 'putReturnBlind':
      return { after: before - 1, registers: { [AX]: BigInt(before) } }
    case 'set':
      return { after: 1, registers: {} }
    case 'setWide':
      return { after: n, registers: { [SI]: (own << 32n) | 0xffffffffn } }
    case 'freeze':
      return { after: refused ? before : 0, registers: { [AX]: BigInt(before), [DX]: 0n } }
    case 'unfreeze':
      return { after: n, registers: { [SI]: own } }
    case 'or':
      return { after: before | 4, registers: {} }
  }
}

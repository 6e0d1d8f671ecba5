// SPDX-License-Identifier: GPL-2.0-or-later
import type { Frame, StackTable } from '../trace/events.ts'
import { OP_NAMES } from '../trace/events.ts'
import { baseName, isHelper, StackTrait, traitsOf } from './frames.ts'

/** Frames from the acting one outwards that tell two uses of one function apart. */
const SIGNATURE_DEPTH = 4

/** Signature of references that were held before the recording began. */
export const BEFORE = OP_NAMES.length

/** Distinct signatures kept; real recordings have thousands. What comes after shares the signature of its operation. */
const MAX_SIGNATURES = 1 << 17

/**
 * Sites of gets and puts. A signature is a site with its two callers, by return address: compilers fold, inline and
 * tail-call functions, so a name alone is no identity. Recordings without stacks have one signature per operation.
 */
export class Sites {
  readonly #stacks: StackTable
  /** Per stack id, its signature + 1; 0 where not yet known. */
  #signatureOf = new Uint32Array(1024)
  #traitsOf = new Uint16Array(1024)
  #named = 0
  #nameless = 0
  readonly #ids = new Map<string, number>()
  /** Per signature: a stack that has it (0: none, an operation without stack), and its acting frame's id. */
  readonly #example: number[] = []
  readonly #acting: number[] = []
  readonly #namesOf: (readonly string[] | undefined)[] = []
  readonly #siteIds = new Map<number, number>()
  /** Per signature, the number of its site (the acting frame alone). */
  readonly #site: number[] = []
  /** Per signature, the first signature with the same first frames, by number of frames. */
  readonly #prefixes: number[][] = []
  readonly #prefixIds = new Map<string, number>()

  constructor(stacks: StackTable) {
    this.#stacks = stacks
    for (let op = 0; op <= OP_NAMES.length; op++) this.#add(`op${op}`, 0, -1 - op)
  }

  get size(): number {
    return this.#example.length
  }

  /** Signature of an event: of its stack, or of its operation where it has none. */
  signature(stack: number, op: number): number {
    if (stack === 0) return op
    if (stack >= this.#signatureOf.length) this.#grow(stack)
    const known = this.#signatureOf[stack]!
    return known !== 0 ? known - 1 : this.#learn(stack, op)
  }

  /** `StackTrait` bits of a stack. */
  traits(stack: number): number {
    if (stack === 0) return 0
    if (stack >= this.#signatureOf.length || this.#signatureOf[stack] === 0) this.signature(stack, 0)
    return this.#traitsOf[stack]!
  }

  /** Whether the functions on a stack are known: without that it tells as much as none, but for which stacks are alike. */
  isTelling(stack: number): boolean {
    return stack !== 0 && (this.traits(stack) & StackTrait.NAMELESS) === 0
  }

  /** Whether the recording has stacks, and none with a name on it. */
  get areNameless(): boolean {
    return this.#nameless > 0 && this.#named === 0
  }

  /** Frames that tell two signatures apart, the acting one included. */
  readonly depth = SIGNATURE_DEPTH

  /** Number of the call site that a signature stands for when only so many frames are looked at. */
  at(signature: number, depth: number): number {
    return depth >= SIGNATURE_DEPTH ? signature : this.#prefixes[signature]![depth - 1]!
  }

  /** Number of the acting frame that a signature stands for; signatures of one function and address share it. */
  site(signature: number): number {
    return this.#site[signature]!
  }

  /** A stack with that signature; 0 where it stands for events without stack. */
  exampleStack(signature: number): number {
    return this.#example[signature]!
  }

  /** The frame that acted: the first below the reference helpers; undefined without a stack. */
  actingFrame(signature: number): Frame | undefined {
    const id = this.#acting[signature]!
    return id < 0 ? undefined : this.#stacks.frame(id)
  }

  /** Frames of a stack, innermost first, from the acting one on. @param entered its first frame is a function just called */
  framesFromActing(stack: number, entered = false): Frame[] {
    const all = this.#stacks.frames(stack)
    const frames = entered && all.length > 1 ? all.subarray(1) : all
    return Array.from(frames.subarray(this.#actingIndex(frames)), id => this.#stacks.frame(id))
  }

  /** Whether two signatures have a function in common, be it the acting one or a caller. */
  related(a: number, b: number): boolean {
    const names = this.#names(b)
    return this.#names(a).some(name => names.includes(name))
  }

  #names(signature: number): readonly string[] {
    let names = this.#namesOf[signature]
    if (!names) {
      const stack = this.#example[signature]!
      names =
        stack === 0
          ? []
          : this.framesFromActing(stack)
              .slice(0, SIGNATURE_DEPTH)
              .map(frame => baseName(frame.name))
      this.#namesOf[signature] = names
    }
    return names
  }

  #learn(stack: number, op: number): number {
    const frames = this.#stacks.frames(stack)
    let traits = 0
    for (const id of frames) traits |= traitsOf(this.#stacks.frame(id).name)
    if (this.#isNameless(frames)) {
      traits |= StackTrait.NAMELESS
      this.#nameless++
    } else this.#named++
    this.#traitsOf[stack] = traits
    const first = this.#actingIndex(frames)
    const key = frames.subarray(first, first + SIGNATURE_DEPTH).join(' ')
    const signature = this.#ids.get(key) ?? this.#add(key, stack, frames[first] ?? -1 - op)
    this.#signatureOf[stack] = signature + 1
    return signature
  }

  #isNameless(frames: Uint32Array): boolean {
    return frames.every(id => {
      const { name, offset } = this.#stacks.frame(id)
      return offset === undefined && name.startsWith('0x')
    })
  }

  #actingIndex(frames: Uint32Array): number {
    // Where nothing has a name, the innermost frame is that of the tracepoint.
    let i = frames.length > 1 && this.#isNameless(frames) ? 1 : 0
    while (i < frames.length - 1 && isHelper(this.#stacks.frame(frames[i]!).name)) i++
    return i
  }

  #add(key: string, stack: number, acting: number): number {
    if (this.#example.length >= MAX_SIGNATURES) return 0
    const signature = this.#example.length
    this.#ids.set(key, signature)
    this.#example.push(stack)
    this.#acting.push(acting)
    const site = this.#siteIds.get(acting) ?? this.#siteIds.size
    this.#siteIds.set(acting, site)
    this.#site.push(site)
    this.#prefixes.push(this.#prefixesOf(key, signature))
    return signature
  }

  #prefixesOf(key: string, signature: number): number[] {
    const frames = key.split(' ')
    return frames.slice(0, SIGNATURE_DEPTH - 1).concat(Array(SIGNATURE_DEPTH).fill('')).slice(0, SIGNATURE_DEPTH - 1).map((_, d) => {
      const prefix = frames.slice(0, d + 1).join(' ')
      const known = this.#prefixIds.get(prefix)
      if (known === undefined) this.#prefixIds.set(prefix, signature)
      return known ?? signature
    })
  }

  #grow(stack: number): void {
    const size = Math.max(stack + 1, this.#signatureOf.length * 2)
    const signatures = new Uint32Array(size)
    signatures.set(this.#signatureOf)
    this.#signatureOf = signatures
    const traits = new Uint16Array(size)
    traits.set(this.#traitsOf)
    this.#traitsOf = traits
  }
}

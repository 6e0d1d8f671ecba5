// SPDX-License-Identifier: GPL-2.0-or-later
import type { Frame, StackTable } from '../../trace/events.ts'
import { OP_NAMES } from '../../trace/events.ts'
import { lengthFor } from '../../util/growable.ts'
import { type Arena, plainArena } from '../track/arena.ts'
import { baseName, isHelper, type ObservedType, StackTrait, traitsOf, typeByInitialiser } from './symbol-lists.ts'

/** Frames from the acting one outwards that tell two uses of one function apart. */
const KEY_DEPTH = 4

/** Key of references that were held before the recording began. */
export const BEFORE = OP_NAMES.length

/** In place of a frame's id: the recording itself has no such frame. */
const NO_FRAME = -1 - OP_NAMES.length - 1

/** Most distinct keys; real recordings have thousands. Later call sites all get the key of the first operation. */
const MAX_KEYS = 1 << 17

/**
 * Call sites of gets and puts. A call site is the frame that acted: the first below the reference helpers. A *key* (the
 * `signature` of an event) is a call site with its callers, by return address: compilers fold, inline and tail-call
 * functions, so a name alone is no identity. Recordings without stacks have one key per operation.
 */
export class CallSites {
  readonly #stacks: StackTable
  /** Per stack id, its key + 1, 0 where not yet known; and its `StackTrait` bits. */
  keyPlusOne: Uint32Array = new Uint32Array(1024)
  traitBits: Uint16Array = new Uint16Array(1024)
  #arena = plainArena()
  #named = 0
  #nameless = 0
  readonly #ids = new Map<string, number>()
  /** Per key: one stack with that key (0: events without a stack), and the id of its acting frame. */
  readonly #example: number[] = []
  readonly #acting: number[] = []
  readonly #namesOf: (readonly string[] | undefined)[] = []
  readonly #siteIds = new Map<number | string, number>()
  /** Per key, the number of its call site (the acting frame alone). */
  readonly #site: number[] = []
  /** Per key and number of frames: the first key that has the same frames, counted from the acting one. */
  readonly #prefixes: number[][] = []
  readonly #prefixIds = new Map<string, number>()
  /** True if frames are compared by name, so that they match those of other recordings, and not by address. */
  readonly #byName: boolean
  /** Frames of keys that have occurred only in other recordings so far. */
  readonly #foreign = new Map<number, readonly Frame[]>()

  /** @param byName true to compare call sites with other recordings of the same kernel, in which addresses differ */
  constructor(stacks: StackTable, byName = false) {
    this.#stacks = stacks
    this.#byName = byName
    for (let op = 0; op <= OP_NAMES.length; op++) this.#add([`op${op}`], 0, -1 - op)
  }

  /** Returns the key of a call site of another recording, by the frames that tell it from others. */
  foreignKey(frames: readonly Frame[]): number {
    const parts = frames.map((frame, i) => frameLabel(frame, i === 0))
    const known = this.#ids.get(parts.join(' '))
    if (known !== undefined) return known
    const id = this.#add(parts, 0, NO_FRAME)
    this.#foreign.set(id, frames)
    this.#namesOf[id] = frames.map(frame => baseName(frame.name))
    return id
  }

  get size(): number {
    return this.#example.length
  }

  /** Moves the columns of stacks to where those of a tracker are. */
  moveTo(arena: Arena): void {
    this.#arena = arena
    this.keyPlusOne = arena.grown(this.keyPlusOne, this.keyPlusOne.length)
    this.traitBits = arena.grown(this.traitBits, this.traitBits.length)
  }

  /** Returns the key of an event: of its stack, or of its operation where it has none. */
  keyOf(stack: number, op: number): number {
    if (stack === 0) return op
    if (stack >= this.keyPlusOne.length) this.#grow(stack)
    const known = this.keyPlusOne[stack]!
    return known !== 0 ? known - 1 : this.#learn(stack, op)
  }

  /** Returns the `StackTrait` bits of a stack. */
  traits(stack: number): number {
    if (stack === 0) return 0
    if (stack >= this.keyPlusOne.length || this.keyPlusOne[stack] === 0) this.keyOf(stack, 0)
    return this.traitBits[stack]!
  }

  /** True if functions on the stack have names. A stack without names only tells which other stacks are equal. */
  isTelling(stack: number): boolean {
    return stack !== 0 && (this.traits(stack) & StackTrait.NAMELESS) === 0
  }

  /** True if the recording has stacks, but no frame of any has a name. */
  get areNameless(): boolean {
    return this.#nameless > 0 && this.#named === 0
  }

  /** Number of frames of a key, the acting one included. */
  readonly depth = KEY_DEPTH

  /** Returns a number that is equal for keys with the same first `depth` frames, counted from the acting one outwards. */
  at(signature: number, depth: number): number {
    return depth >= KEY_DEPTH ? signature : this.#prefixes[signature]![depth - 1]!
  }

  /** Returns the number of the call site of a key; keys with one acting frame share it. */
  site(signature: number): number {
    return this.#site[signature]!
  }

  /** Returns a stack with that key; 0 if it is the key of events without a stack. */
  exampleStack(signature: number): number {
    return this.#example[signature]!
  }

  /** Returns the frame that acted: the first below the reference helpers; undefined without a stack. */
  actingFrame(signature: number): Frame | undefined {
    const id = this.#acting[signature]!
    return id < 0 ? this.#foreign.get(signature)?.[0] : this.#stacks.frame(id)
  }

  /** True if the call site has occurred only in other recordings so far. */
  isForeign(signature: number): boolean {
    return this.#foreign.has(signature)
  }

  /** Returns the frames that tell a key from others, from the acting one on; none without a stack. */
  keyFrames(signature: number): readonly Frame[] {
    const stack = this.#example[signature]!
    if (stack === 0) return this.#foreign.get(signature) ?? []
    return this.framesFromActing(stack).slice(0, KEY_DEPTH)
  }

  /** Returns the names of the functions on a stack, innermost first. */
  functions(stack: number): string[] {
    return Array.from(this.#stacks.frames(stack), id => baseName(this.#stacks.frame(id).name))
  }

  /** Returns the type of the pages that the code on a stack initialises; undefined if the stack does not tell. */
  pageType(stack: number): ObservedType | undefined {
    if (stack === 0) return undefined
    for (const id of this.#stacks.frames(stack)) {
      const type = typeByInitialiser(this.#stacks.frame(id).name)
      if (type) return type
    }
    return undefined
  }

  /**
   * Returns the frames of a stack, innermost first, from the acting one on.
   *
   * @param entered true if the innermost frame is a function that was just entered: then its caller acts
   */
  framesFromActing(stack: number, entered = false): Frame[] {
    const all = this.#stacks.frames(stack)
    const frames = entered && all.length > 1 ? all.subarray(1) : all
    return Array.from(frames.subarray(this.#actingIndex(frames)), id => this.#stacks.frame(id))
  }

  /** True if two keys have a function in common, be it the acting one or a caller. */
  related(a: number, b: number): boolean {
    const names = this.#names(b)
    return this.#names(a).some(name => names.includes(name))
  }

  #names(key: number): readonly string[] {
    let names = this.#namesOf[key]
    if (!names) {
      names = this.keyFrames(key).map(frame => baseName(frame.name))
      this.#namesOf[key] = names
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
    this.traitBits[stack] = traits
    const first = this.#actingIndex(frames)
    const parts = this.#parts(frames.subarray(first, first + KEY_DEPTH))
    const acting = frames[first] ?? -1 - op
    const id = this.#ids.get(parts.join(' ')) ?? this.#add(parts, stack, acting)
    if (this.#foreign.delete(id)) {
      this.#example[id] = stack
      this.#acting[id] = acting
    }
    this.keyPlusOne[stack] = id + 1
    return id
  }

  /** Returns, for each frame, what identifies it: its id, or its name and offset. */
  #parts(frames: Uint32Array): (number | string)[] {
    return Array.from(frames, (id, i) => (this.#byName ? frameLabel(this.#stacks.frame(id), i === 0) : id))
  }

  #isNameless(frames: Uint32Array): boolean {
    return frames.every(id => {
      const { name, offset } = this.#stacks.frame(id)
      return offset === undefined && name.startsWith('0x')
    })
  }

  #actingIndex(frames: Uint32Array): number {
    // If no frame has a name, the innermost one is taken for the tracepoint's own.
    let i = frames.length > 1 && this.#isNameless(frames) ? 1 : 0
    while (i < frames.length - 1 && isHelper(this.#stacks.frame(frames[i]!).name)) i++
    return i
  }

  #add(parts: readonly (number | string)[], stack: number, acting: number): number {
    if (this.#example.length >= MAX_KEYS) return 0
    const id = this.#example.length
    this.#ids.set(parts.join(' '), id)
    this.#example.push(stack)
    this.#acting.push(acting)
    const at = parts[0] ?? acting
    const site = this.#siteIds.get(at) ?? this.#siteIds.size
    this.#siteIds.set(at, site)
    this.#site.push(site)
    this.#prefixes.push(this.#prefixesOf(parts, id))
    return id
  }

  #prefixesOf(parts: readonly (number | string)[], id: number): number[] {
    return Array.from({ length: KEY_DEPTH - 1 }, (_, d) => {
      const prefix = parts.slice(0, d + 1).join(' ')
      const known = this.#prefixIds.get(prefix) ?? id
      this.#prefixIds.set(prefix, known)
      return known
    })
  }

  #grow(stack: number): void {
    const length = lengthFor(stack, this.keyPlusOne.length)
    this.keyPlusOne = this.#arena.grown(this.keyPlusOne, length)
    this.traitBits = this.#arena.grown(this.traitBits, length)
  }
}

/** Returns a frame without its address, which differs from boot to boot, so that recordings of one kernel can be compared. */
function frameLabel({ name, offset, module }: Frame, isActing: boolean): string {
  if (offset === undefined && name.startsWith('0x') && !isActing) return '?'
  return `${name}+${offset ?? '?'}[${module ?? ''}]`.replace(/\s/g, '_')
}

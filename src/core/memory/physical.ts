// SPDX-License-Identifier: GPL-2.0-or-later
/** Physical memory as every dump format gives it: frames that are there, and frames that are not. */

/** Bytes of a frame. arm64 and ppc64le can have larger ones; x86-64 has these. */
export const FRAME_BYTES = 4096

/** Frames [first, end). */
export interface FrameRange {
  readonly first: number
  readonly end: number
}

export interface PhysicalMemory {
  /** In words, for reports. */
  readonly format: string
  /** Frames that the dump may have, sorted; those outside are certainly not in it. */
  readonly ranges: readonly FrameRange[]
  /**
   * The bytes of a frame, undefined where the dump has none, or has it damaged. Valid until the next call of any method, and not
   * to be changed.
   */
  frame(pfn: number): Uint8Array | undefined
}

/** Notes and facts that stand beside the memory in a dump. */
export interface DumpFacts {
  /** Text of VMCOREINFO, where the dump has the note. */
  readonly vmcoreinfo: string | undefined
  /** `e_machine` of ELF, or as the utsname of a kdump header says. */
  readonly machine: string
  /**
   * What is wrong with the file that does not keep it from being read, in words. Grows while memory is read: a damaged frame is met
   * only then.
   */
  readonly damage: readonly string[]
}

export interface Dump extends DumpFacts {
  readonly memory: PhysicalMemory
}

/** Frames kept after they were unpacked, in two generations. */
const KEPT_FRAMES = 4096

/** Keeps the frames used last: a lookup in the old generation moves a frame to the young one. */
export class FrameCache {
  #young = new Map<number, Uint8Array>()
  #old = new Map<number, Uint8Array>()
  readonly #most: number

  /** @param perBlock frames of each block that is kept */
  constructor(perBlock: number) {
    this.#most = Math.floor(KEPT_FRAMES / perBlock)
  }

  get(pfn: number): Uint8Array | undefined {
    const young = this.#young.get(pfn)
    if (young) return young
    const old = this.#old.get(pfn)
    if (old) this.set(pfn, old)
    return old
  }

  set(pfn: number, frame: Uint8Array): void {
    if (this.#young.size >= this.#most) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(pfn, frame)
  }
}

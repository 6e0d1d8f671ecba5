// SPDX-License-Identifier: GPL-2.0-or-later
/** The interface to physical memory that all dump formats implement: frames are either present or absent. */

/** Size of a frame in bytes. arm64 and ppc64le kernels can have larger pages; x86-64 kernels have this size. */
export const FRAME_BYTES = 4096

/** Frames [first, end). */
export interface FrameRange {
  readonly first: number
  readonly end: number
}

export interface PhysicalMemory {
  /** Name of the format, for reports. */
  readonly format: string
  /** Ranges of frames that the dump may have, sorted. No frame outside is in the dump. */
  readonly ranges: readonly FrameRange[]
  /**
   * Returns the bytes of a frame, or undefined if the dump lacks it or has it damaged. The bytes are valid until the next call of
   * any method, and must not be changed.
   */
  frame(pfn: number): Uint8Array | undefined
}

/** Notes and facts in a dump beside its memory. */
export interface DumpFacts {
  /** Text of VMCOREINFO, if the dump has the note. */
  readonly vmcoreinfo: string | undefined
  /** Name of the machine, from ELF's `e_machine` or the utsname in a kdump header. */
  readonly machine: string
  /**
   * What is wrong with the file without preventing its use, in words. The list grows while memory is read, because a damaged
   * frame is only noticed then.
   */
  readonly damage: readonly string[]
}

export interface Dump extends DumpFacts {
  readonly memory: PhysicalMemory
}

/** Number of unpacked frames that are cached, in two generations together. */
const KEPT_FRAMES = 4096

/** A cache of the frames used last, in two generations. Looking up a frame of the old generation moves it to the young one. */
export class FrameCache {
  #young = new Map<number, Uint8Array>()
  #old = new Map<number, Uint8Array>()
  readonly #most: number

  /** @param perBlock number of frames in each cached block */
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

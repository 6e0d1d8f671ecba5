// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decompressors for two formats of kdump files for which npm has no maintained library that reads raw blocks: LZO1X
 * (Documentation/staging/lzo.rst of the kernel) and Snappy (its format_description.txt).
 */

/** The output of a decompressor. Literals are copied from the input, matches from earlier output. */
class Window {
  readonly out: Uint8Array
  at = 0
  readonly #input: Uint8Array
  /** Index of the next byte of the input. */
  from = 0

  constructor(input: Uint8Array, size: number) {
    this.#input = input
    this.out = new Uint8Array(size)
  }

  get done(): boolean {
    return this.from >= this.#input.length
  }

  byte(): number {
    if (this.from >= this.#input.length) throw new Error('the data ends too early')
    return this.#input[this.from++]!
  }

  literals(length: number): void {
    if (this.from + length > this.#input.length) throw new Error('the data ends too early')
    if (this.at + length > this.out.length) throw new Error(`more than ${this.out.length} bytes`)
    this.out.set(this.#input.subarray(this.from, this.from + length), this.at)
    this.from += length
    this.at += length
  }

  match(distance: number, length: number): void {
    if (distance <= 0 || distance > this.at) throw new Error('a match from before the beginning')
    if (this.at + length > this.out.length) throw new Error(`more than ${this.out.length} bytes`)
    // Copied byte by byte, because a match may overlap the bytes that it writes.
    for (const end = this.at + length; this.at < end; this.at++) this.out[this.at] = this.out[this.at - distance]!
  }

  /** Reads the rest of a length: each byte 0 adds 255, and the first other byte ends it. */
  longer(base: number): number {
    let length = base
    for (;;) {
      const next = this.byte()
      if (next !== 0) return length + next
      length += 255
      if (length > this.out.length) throw new Error(`more than ${this.out.length} bytes`)
    }
  }

  finish(): Uint8Array {
    if (this.at !== this.out.length) throw new Error(`${this.at} bytes instead of ${this.out.length}`)
    return this.out
  }
}

/**
 * Unpacks LZO1X to exactly `size` bytes.
 * @throws Error if the data are anything else
 */
export function unpackLzo(input: Uint8Array, size: number): Uint8Array {
  const window = new Window(input, size)
  /**
   * Number of literals copied by the previous instruction: 0, 1 to 3, or 4 for more. It determines the meaning of instructions
   * below 16.
   */
  let state = 0
  let instruction = window.byte()
  if (instruction > 17) {
    window.literals(instruction - 17)
    state = Math.min(instruction - 17, 4)
    instruction = window.byte()
  }
  for (;;) {
    if (instruction < 16 && state === 0) {
      window.literals(instruction === 0 ? window.longer(18) : instruction + 3)
      state = 4
    } else {
      const ended = lzoMatch(window, instruction, state)
      if (ended !== undefined) {
        state = ended
        window.literals(state)
      } else return window.finish()
    }
    instruction = window.byte()
  }
}

/**
 * Copies the match of an instruction.
 * @returns the number of literals that follow it; undefined at the end mark
 */
function lzoMatch(window: Window, instruction: number, state: number): number | undefined {
  if (instruction >= 64) {
    const distance = (window.byte() << 3) + ((instruction >> 2) & 7) + 1
    window.match(distance, (instruction >> 5) + 1)
    return instruction & 3
  }
  if (instruction >= 16) {
    const far = instruction < 32
    const mask = far ? 7 : 31
    const length = (instruction & mask) === 0 ? window.longer(mask + 2) : (instruction & mask) + 2
    const low = window.byte()
    const distance = (low >> 2) + (window.byte() << 6)
    if (!far) window.match(distance + 1, length)
    else {
      const farther = distance + ((instruction & 8) << 11)
      if (farther === 0) return undefined
      window.match(farther + 0x4000, length)
    }
    return low & 3
  }
  const distance = (window.byte() << 2) + (instruction >> 2)
  if (state === 4) window.match(distance + 0x801, 3)
  else window.match(distance + 1, 2)
  return instruction & 3
}

/**
 * Unpacks a raw Snappy block to exactly `size` bytes.
 * @throws Error if the data are anything else
 */
export function unpackSnappy(input: Uint8Array, size: number): Uint8Array {
  const window = new Window(input, size)
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = window.byte()
    length += (byte & 127) * 2 ** shift
    if (byte < 128) break
    if (shift > 28) throw new Error('a length of more than 32 bits')
  }
  if (length !== size) throw new Error(`${length} bytes instead of ${size}`)
  while (!window.done) snappyElement(window, window.byte())
  return window.finish()
}

function snappyElement(window: Window, tag: number): void {
  if ((tag & 3) === 0) {
    const short = tag >> 2
    window.literals(short < 60 ? short + 1 : little(window, short - 59) + 1)
  } else if ((tag & 3) === 1) {
    const distance = ((tag >> 5) << 8) + window.byte()
    window.match(distance, ((tag >> 2) & 7) + 4)
  } else window.match(little(window, (tag & 3) === 2 ? 2 : 4), (tag >> 2) + 1)
}

function little(window: Window, bytes: number): number {
  let value = 0
  for (let i = 0; i < bytes; i++) value += window.byte() * 2 ** (8 * i)
  return value
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds lines in a text that arrives in chunks. It works on bytes and creates no strings. */

import { type ByteSource, TraceError } from '../events.ts'

/** Text that is read from front to back: a file, or a pipe, which has no known size and can be read only once. */
export interface TextInput {
  readonly name: string
  /** Size in bytes; undefined for a pipe. */
  readonly size: number | undefined
  chunks(): AsyncIterable<Uint8Array>
}

const CHUNK_BYTES = 1 << 20

/** Maximum length of a line in bytes. An event has a few hundred. */
export const MAX_LINE_BYTES = 1 << 18

/** Reads a random-access source as chunks. */
export function sourceInput(source: ByteSource): TextInput {
  return {
    name: source.name,
    size: source.size,
    async *chunks() {
      for (let offset = 0; offset < source.size; offset += CHUNK_BYTES) {
        const wanted = Math.min(CHUNK_BYTES, source.size - offset)
        const bytes = await source.read(offset, wanted)
        yield bytes
        if (bytes.length < wanted)
          throw new TraceError(source.name, offset + bytes.length, 'the file shrank while it was read')
      }
    },
  }
}

const NEWLINE = 10
const CARRIAGE_RETURN = 13

/** A window over the text that moves from line to line. */
export class LineWindow {
  bytes = new Uint8Array(1 << 12)
  /** Start of the next line, and end of the loaded bytes. */
  at = 0
  end = 0
  /** Offset in the text of `bytes[0]`. */
  base = 0
  /** True if no more text follows. */
  ended = false
  /** The loaded part of `bytes`. */
  #loaded = this.bytes.subarray(0, 0)
  /** Start of a line whose end is not loaded, and the index up to which its end was searched for. */
  #openLine = -1
  #searched = 0

  /** Adds text. Indices into `bytes` from before become invalid. */
  append(chunk: Uint8Array): void {
    const left = this.end - this.at
    this.#openLine -= this.at
    this.#searched -= this.at
    this.base += this.at
    const before = this.bytes
    if (left + chunk.length > before.length) this.bytes = new Uint8Array(2 * (left + chunk.length))
    if (this.at > 0 || this.bytes !== before) this.bytes.set(before.subarray(this.at, this.end))
    this.bytes.set(chunk, left)
    this.at = 0
    this.end = left + chunk.length
    this.#loaded = this.bytes.subarray(0, this.end)
  }

  /** Moves to the next byte of this value and returns its index. If none is loaded, skips everything loaded and returns -1. */
  find(byte: number): number {
    const found = this.#loaded.indexOf(byte, this.at)
    if (found < 0) this.at = this.end
    return found
  }

  /** Returns the end of the line that starts at `start` (its newline, or the end of the text); -1 if it is not loaded yet. */
  lineEnd(start: number): number {
    const end = this.#loaded.indexOf(NEWLINE, start === this.#openLine ? this.#searched : start)
    if (end >= 0) return end
    this.#openLine = start
    this.#searched = this.end
    return this.ended && start < this.end ? this.end : -1
  }
}

/** Returns the end of a line without a carriage return before its newline. */
export function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  return end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end
}

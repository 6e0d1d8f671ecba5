// SPDX-License-Identifier: GPL-2.0-or-later
/** Lines of a text that arrives in chunks, found in the bytes: no string is made of a line. */

import { type ByteSource, TraceError } from '../events.ts'

/** Text read from front to back: a file, or a pipe, which has no size and can be read once. */
export interface TextInput {
  readonly name: string
  /** Bytes in all; undefined for a pipe. */
  readonly size: number | undefined
  chunks(): AsyncIterable<Uint8Array>
}

const CHUNK_BYTES = 1 << 20

/** A longer line is not ftrace's (an event has a few hundred bytes). */
export const MAX_LINE_BYTES = 1 << 18

/** The chunks of a source that can be read at random. */
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

/** A window over the text that slides from line to line. */
export class LineWindow {
  bytes = new Uint8Array(1 << 12)
  /** Start of the next line, and end of what is loaded. */
  at = 0
  end = 0
  /** Offset in the text of `bytes[0]`. */
  base = 0
  /** Nothing will follow. */
  ended = false
  /** What is loaded of `bytes`. */
  #loaded = this.bytes.subarray(0, 0)
  /** Where the line was looked for whose end is not loaded, and up to where. */
  #openLine = -1
  #searched = 0

  /** Adds what follows in the text. Indices into `bytes` from before are void. */
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

  /** The next such byte; -1 when none is loaded: then all that is loaded is passed. */
  find(byte: number): number {
    const found = this.#loaded.indexOf(byte, this.at)
    if (found < 0) this.at = this.end
    return found
  }

  /** End of the line that starts at `start` (its newline, or the end of the text); -1 if it is not loaded yet. */
  lineEnd(start: number): number {
    const end = this.#loaded.indexOf(NEWLINE, start === this.#openLine ? this.#searched : start)
    if (end >= 0) return end
    this.#openLine = start
    this.#searched = this.end
    return this.ended && start < this.end ? this.end : -1
  }
}

/** End of a line without the carriage return before its newline. */
export function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  return end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end
}

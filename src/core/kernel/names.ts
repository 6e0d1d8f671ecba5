// SPDX-License-Identifier: GPL-2.0-or-later
/** A set of names stored as one string, in which the string search of JavaScript finds a name without a map of all of them. */
import { decodeLatin1 } from '../../util/latin1.ts'

const NUL = '\0'

export class NamePool {
  /** All names, separated by NULs. */
  readonly #text: string

  /** @param bytes names, each followed by a NUL; the first byte must be a NUL too */
  constructor(bytes: Uint8Array) {
    this.#text = decodeLatin1(bytes)
  }

  /** Index of the first byte of a name; -1 if it does not occur. */
  find(name: string, from = 0): number {
    const at = this.#text.indexOf(`${NUL}${name}${NUL}`, Math.max(0, from - 1))
    return at < 0 ? -1 : at + 1
  }

  /** The name that begins at an index. */
  at(index: number): string {
    const end = this.#text.indexOf(NUL, index)
    return this.#text.slice(index, end < 0 ? undefined : end)
  }

  get length(): number {
    return this.#text.length
  }
}

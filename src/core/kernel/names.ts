// SPDX-License-Identifier: GPL-2.0-or-later
/** Many names as one text, in which one is found by the text search of the machine instead of a map of all. */

const NUL = '\0'

export class NamePool {
  /** Each name between NULs. */
  readonly #text: string

  /** @param bytes names, each followed by a NUL; the first byte is a NUL */
  constructor(bytes: Uint8Array) {
    this.#text = new TextDecoder('latin1').decode(bytes)
  }

  /** Index of the first byte of a name; -1 where there is none. */
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

// SPDX-License-Identifier: GPL-2.0-or-later
/** A binary heap of entries by time. Entries of equal time keep the order of insertion, so that runs are reproducible. */

interface Entry<T> {
  time: number
  sequence: number
  item: T
}

const before = (a: Entry<unknown>, b: Entry<unknown>) =>
  a.time < b.time || (a.time === b.time && a.sequence < b.sequence)

export class Heap<T> {
  readonly #entries: Entry<T>[] = []
  #sequence = 0

  get size(): number {
    return this.#entries.length
  }

  /** Time of the next entry; infinite if the heap is empty. */
  get next(): number {
    return this.#entries[0]?.time ?? Number.POSITIVE_INFINITY
  }

  push(time: number, item: T): void {
    const entries = this.#entries
    const entry = { time, sequence: this.#sequence++, item }
    let at = entries.length
    entries.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(entry, entries[parent]!)) break
      entries[at] = entries[parent]!
      at = parent
    }
    entries[at] = entry
  }

  pop(): { time: number; item: T } | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (first === undefined || last === undefined || entries.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child++
      if (!before(entries[child]!, last)) break
      entries[at] = entries[child]!
      at = child
    }
    entries[at] = last
    return first
  }
}

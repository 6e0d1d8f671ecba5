// SPDX-License-Identifier: GPL-2.0-or-later
/** Imitates /proc/kcore of a machine: the real headers, and the memory from a dump at the offsets that the headers give. */

import type { Dump } from '../../src/core/memory/physical.ts'
import { type CoreSource, size64 } from '../../src/core/memory/source.ts'

interface Segment {
  offset: bigint
  size: bigint
  physical: number
}

export class KcoreSource implements CoreSource {
  readonly name = '/proc/kcore'
  readonly size = Infinity
  readonly #head: Uint8Array
  readonly #dump: Dump
  readonly #segments: Segment[]

  /** @param head the beginning of the real file, with its headers and notes */
  constructor(head: Uint8Array, dump: Dump) {
    this.#head = head
    this.#dump = dump
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
    this.#segments = Array.from({ length: view.getUint16(56, true) }, (_, i) => {
      const at = size64(view, 32) + 56 * i
      return {
        offset: view.getBigUint64(at + 8, true),
        physical: Number(view.getBigUint64(at + 24, true)),
        size: view.getUint32(at, true) === 1 ? view.getBigUint64(at + 32, true) : 0n,
      }
    })
  }

  read(offset: number | bigint, length: number): Uint8Array {
    const at = BigInt(offset)
    if (at + BigInt(length) <= 8192n) return this.#head.subarray(Number(at), Number(at) + length)
    const segment = this.#segments.find(each => at >= each.offset && at + BigInt(length) <= each.offset + each.size)
    if (!segment) return this.#head.subarray(Number(at), Number(at) + length)
    const physical = segment.physical + Number(at - segment.offset)
    if (physical % 4096 !== 0 || length !== 4096) throw new Error('a read that is no frame')
    return this.#dump.memory.frame(physical / 4096) ?? new Uint8Array(0)
  }
}

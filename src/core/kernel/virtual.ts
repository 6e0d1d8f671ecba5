// SPDX-License-Identifier: GPL-2.0-or-later
/** The kernel's virtual memory: page-table walks on top of physical frames, and typed reads on top of these. */
import type { AddressSpace, Arch } from '../arch/arch.ts'
import { NotInDump } from '../error.ts'
import { textOf } from '../memory/notes.ts'
import { FRAME_BYTES, type PhysicalMemory } from '../memory/physical.ts'

/** Results of a walk that found no frame. They are negative, as no frame number is. */
const UNMAPPED = -1
const EXCLUDED = -2

const MOST_TRANSLATIONS = 1 << 18

export class VirtualMemory {
  readonly physical: PhysicalMemory
  readonly arch: Arch
  readonly space: AddressSpace
  /** Physical address of the root page table. */
  readonly root: number
  /** Page number of the first kernel address, counting all 64 bits. */
  readonly #firstPage: number
  readonly #translations = new Map<number, number>()

  constructor(physical: PhysicalMemory, arch: Arch, space: AddressSpace, root: number) {
    this.physical = physical
    this.arch = arch
    this.space = space
    this.root = root
    const { from, to } = arch.kernelRoot(space)
    this.#firstPage = 2 ** 52 - (to - from) * 2 ** (arch.levelBits * (space.levels - 1))
  }

  /** Page number of an address as page tables count, which leaves out the ones above the bits that they resolve. */
  pageOf(address: bigint): number {
    return Number(BigInt.asUintN(this.space.bits, address) >> 12n)
  }

  /** Kernel address of a page number as {@link pageOf} returns it. */
  addressOf(page: number): bigint {
    return BigInt.asUintN(64, (-1n << BigInt(this.space.bits)) | (BigInt(page) << 12n))
  }

  /**
   * Frame that an address is mapped to.
   * @throws NotInDump if the address is not mapped, or the dump lacks a page table
   */
  frameOf(address: bigint): number {
    const frame = this.#translate(Number(BigInt.asUintN(64, address) >> 12n))
    if (frame < 0) throw new NotInDump(address, frame === UNMAPPED ? 'unmapped' : 'excluded')
    return frame
  }

  isMapped(address: bigint): boolean {
    return this.#translate(Number(BigInt.asUintN(64, address) >> 12n)) >= 0
  }

  /**
   * Returns the bytes at an address. They must not be changed, and are valid until the next read.
   * @throws NotInDump
   */
  bytes(address: bigint, length: number): Uint8Array {
    const at = Number(address & 0xfffn)
    if (at + length <= FRAME_BYTES) return this.#page(address).subarray(at, at + length)
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const start = address + BigInt(done)
      const within = Number(start & 0xfffn)
      const part = this.#page(start).subarray(within, Math.min(FRAME_BYTES, within + length - done))
      bytes.set(part, done)
      done += part.length
    }
    return bytes
  }

  /** Returns the whole page that contains an address; undefined if it is not in the dump. */
  page(address: bigint): Uint8Array | undefined {
    const frame = this.#translate(Number(BigInt.asUintN(64, address) >> 12n))
    return frame < 0 ? undefined : this.physical.frame(frame)
  }

  u64(address: bigint): bigint {
    const bytes = this.bytes(address, 8)
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  }

  u32(address: bigint): number {
    const bytes = this.bytes(address, 4)
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
  }

  i32(address: bigint): number {
    return this.u32(address) | 0
  }

  u16(address: bigint): number {
    const bytes = this.bytes(address, 2)
    return bytes[0]! | (bytes[1]! << 8)
  }

  u8(address: bigint): number {
    return this.bytes(address, 1)[0]!
  }

  /** Reads text up to a NUL, at most `most` bytes. */
  text(address: bigint, most = 256): string {
    const room = FRAME_BYTES - Number(address & 0xfffn)
    if (room >= most) return textOf(this.bytes(address, most))
    const start = textOf(this.bytes(address, room))
    return start.length < room ? start : start + textOf(this.bytes(address + BigInt(room), most - room))
  }

  #page(address: bigint): Uint8Array {
    const page = this.physical.frame(this.frameOf(address))
    if (!page) throw new NotInDump(address, 'excluded')
    return page
  }

  #translate(page: number): number {
    const known = this.#translations.get(page)
    if (known !== undefined) return known
    if (this.#translations.size >= MOST_TRANSLATIONS) this.#translations.clear()
    const frame = this.#walk(page)
    this.#translations.set(page, frame)
    return frame
  }

  #walk(page: number): number {
    if (page < this.#firstPage) return UNMAPPED
    const { arch, physical } = this
    const fanOut = 2 ** arch.levelBits
    // The root table can have fewer entries than the others, and need not begin at a frame boundary.
    const counted = page % 2 ** (this.space.bits - 12)
    let table = Math.floor(this.root / FRAME_BYTES)
    let start = this.root % FRAME_BYTES
    for (let level = this.space.levels; level > 0; level--) {
      const below = fanOut ** (level - 1)
      const bytes = physical.frame(table)
      if (!bytes) return EXCLUDED
      const at = start + (Math.floor(counted / below) % fanOut) * 8
      if (at + 8 > FRAME_BYTES) return UNMAPPED
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8)
      const low = view.getInt32(0, true)
      const high = view.getInt32(4, true)
      const kind = arch.kind(low, high, level)
      if (kind === 'none' || kind === 'swap') return UNMAPPED
      const frame = arch.frame(low, high)
      if (kind === 'page') return Math.floor(frame / below) * below + (page % below)
      table = frame
      start = 0
    }
    return UNMAPPED
  }
}

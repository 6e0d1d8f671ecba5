// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds slab objects near a driver: those that its module's data points to, and those that these point to in turn. Small frame
 * numbers occur anywhere in memory by chance. A frame number in an object near the pagemap's own driver is evidence all the same.
 */
import type { Kernel } from '../kernel/kernel.ts'
import type { Places } from './places.ts'

const MOST_REGION = 1 << 24
const MOST_OBJECTS = 1 << 14

export class DriverReach {
  readonly #kernel: Kernel
  readonly #places: Places
  readonly #near = new Map<string, ReadonlySet<bigint>>()

  constructor(kernel: Kernel, places: Places) {
    this.#kernel = kernel
    this.#places = places
  }

  /** True if an object is near the module of that name. */
  isNear(driver: string, object: bigint): boolean {
    let near = this.#near.get(driver)
    if (!near) this.#near.set(driver, (near = this.#collect(driver)))
    return near.has(object)
  }

  #collect(driver: string): ReadonlySet<bigint> {
    const module = this.#kernel.modules.find(({ name }) => name === driver)
    const found = new Set<bigint>()
    for (const { base, size } of module?.regions ?? []) {
      if (size > 0n && size <= BigInt(MOST_REGION)) this.#follow(base, Number(size), found)
    }
    const first = [...found]
    for (const object of first) {
      const size = this.#places.objectAt(object)?.size
      if (size !== undefined) this.#follow(object, size, found)
    }
    return found
  }

  /** Adds the slab objects that words of a piece of memory point to. */
  #follow(address: bigint, size: number, found: Set<bigint>): void {
    const bytes = this.#kernel.try("a driver's data", () => this.#kernel.memory.bytes(address, size).slice())
    if (!bytes) return
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at + 8 <= bytes.length && found.size < MOST_OBJECTS; at += 8) {
      // The top bits of a kernel address are ones.
      if (view.getUint32(at + 4, true) < 0xff000000) continue
      const object = this.#places.objectAt(view.getBigUint64(at, true))
      if (object) found.add(object.object)
    }
  }
}

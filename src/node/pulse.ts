// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * How one thread sees that another stands still. The one that runs a model's code says again and again whose code it runs, in
 * shared memory, since a thread in an endless loop sends no messages; the other ends it when nothing has been said for too long.
 */

/** Bytes of a name; the rest of a longer one is not told. */
const NAME = 200
const [BEATS, LENGTH, STOP, HEAD] = [0, 1, 2, 12] as const

/** Milliseconds between looks. */
const INTERVAL = 100

/** Memory for one thread's pulse. */
export function newPulse(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD + NAME)
}

/** Asks the watched thread to come to an end by itself. */
export function stop(pulse: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(pulse, 0, 3), STOP, 1)
}

/** In the watched thread: aborted once {@link stop} was called. */
export function stopOf(pulse: SharedArrayBuffer): { readonly aborted: boolean } {
  const head = new Int32Array(pulse, 0, 3)
  return {
    get aborted() {
      return Atomics.load(head, STOP) === 1
    },
  }
}

/** Returns what the watched thread calls before it runs code of this name; `''`: code that is known to end. */
export function beater(pulse: SharedArrayBuffer): (code: string) => void {
  const head = new Int32Array(pulse, 0, 3)
  const name = new Uint8Array(pulse, HEAD)
  const encoder = new TextEncoder()
  let last = ''
  return code => {
    if (code !== last) {
      // Shared memory cannot be encoded into.
      const bytes = encoder.encode(code).subarray(0, NAME)
      name.set(bytes)
      Atomics.store(head, LENGTH, bytes.length)
      last = code
    }
    Atomics.add(head, BEATS, 1)
  }
}

/**
 * Calls `onStill`, once, with whose code has run for so long without a word.
 * @param milliseconds counted in looks, so that a process that was stopped is not taken for one that stands still
 * @returns what ends the watch
 */
export function whenStill(pulse: SharedArrayBuffer, milliseconds: number, onStill: (code: string) => void): () => void {
  const head = new Int32Array(pulse, 0, 3)
  let seen = -1
  let looks = 0
  const timer = setInterval(() => {
    const beats = Atomics.load(head, BEATS)
    const length = Atomics.load(head, LENGTH)
    looks = beats === seen && length > 0 ? looks + 1 : 0
    seen = beats
    if (looks * INTERVAL < milliseconds) return
    clearInterval(timer)
    onStill(new TextDecoder().decode(new Uint8Array(pulse, HEAD, length).slice()))
  }, INTERVAL)
  return () => clearInterval(timer)
}

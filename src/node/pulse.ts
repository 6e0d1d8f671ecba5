// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A watchdog between two threads. The thread that runs a model's code repeatedly writes to shared memory whose code it runs. It
 * cannot send messages, because a thread in an endless loop sends none. The other thread ends it if nothing was written for too
 * long.
 */

/** Maximum length of a name in bytes. Longer names are truncated. */
const NAME = 200
const [BEATS, LENGTH, STOP, HEAD] = [0, 1, 2, 12] as const

/** Milliseconds between two checks. */
const INTERVAL = 100

/** Allocates the shared memory for one watched thread. */
export function newPulse(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD + NAME)
}

/** Asks the watched thread to end by itself. */
export function stop(pulse: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(pulse, 0, 3), STOP, 1)
}

/** For the watched thread: `aborted` becomes true after {@link stop} was called. */
export function stopOf(pulse: SharedArrayBuffer): { readonly aborted: boolean } {
  const head = new Int32Array(pulse, 0, 3)
  return {
    get aborted() {
      return Atomics.load(head, STOP) === 1
    },
  }
}

/**
 * Returns a function that the watched thread calls before it runs code of the given name. `''` stands for code that is known to
 * end.
 */
export function beater(pulse: SharedArrayBuffer): (code: string) => void {
  const head = new Int32Array(pulse, 0, 3)
  const name = new Uint8Array(pulse, HEAD)
  const encoder = new TextEncoder()
  let last = ''
  return code => {
    if (code !== last) {
      // TextEncoder cannot write to shared memory.
      const bytes = encoder.encode(code).subarray(0, NAME)
      name.set(bytes)
      Atomics.store(head, LENGTH, bytes.length)
      last = code
    }
    Atomics.add(head, BEATS, 1)
  }
}

/**
 * Calls `onStill` once, with the name of the code that has run for this long without a sign.
 * @param milliseconds measured in checks, so that a process that was suspended does not count as hanging
 * @returns a function that ends the watch
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

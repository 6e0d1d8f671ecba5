// SPDX-License-Identifier: GPL-2.0-or-later
/** Lets an observer see the batches of a recording while it is read. */
import type { EventBatch, Recording } from '../events.ts'

/**
 * Wraps a recording.
 * @param see is called with each batch after the reader has finished with it
 */
export function tapped(recording: Recording, see: (batch: EventBatch) => void): Recording {
  async function* batches() {
    for await (const batch of recording.batches()) {
      yield batch
      see(batch)
    }
  }
  // Getters of the recording's class need the original object as `this`.
  return new Proxy(recording, {
    get: (of, key) => {
      if (key === 'batches') return batches
      const value = Reflect.get(of, key, of)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
}

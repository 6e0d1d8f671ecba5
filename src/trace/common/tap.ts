// SPDX-License-Identifier: GPL-2.0-or-later
/** A recording that somebody else sees, too, while it is read. */
import type { EventBatch, Recording } from '../events.ts'

/** The same recording. @param see is called with each batch once its reader is done with it */
export function tapped(recording: Recording, see: (batch: EventBatch) => void): Recording {
  async function* batches() {
    for await (const batch of recording.batches()) {
      yield batch
      see(batch)
    }
  }
  // Getters of the recording's class must see their own object.
  return new Proxy(recording, {
    get: (of, key) => {
      if (key === 'batches') return batches
      const value = Reflect.get(of, key, of)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
}

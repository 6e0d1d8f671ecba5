// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes all fields of all events of one recording, in a process of its own, and prints the number of events. */
import { openFile } from '../src/node/open.ts'

const recording = await openFile(process.argv[2]!)
let events = 0
let stacks = 0
for await (const batch of recording.batches()) {
  events += batch.length
  for (let row = 0; row < batch.length; row++) if (batch.stack[row] !== 0) stacks++
}
await recording.close()
console.log(JSON.stringify({ events, stacks, damage: recording.damage.length }))

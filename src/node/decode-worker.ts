// SPDX-License-Identifier: GPL-2.0-or-later
import { parentPort, workerData } from 'node:worker_threads'
import { type DecoderSetup, LocalDecoder, message } from '../trace/decoder.ts'
import { nodeCodecs } from './codecs.ts'
import type { PoolReply, PoolRequest } from './pool.ts'

const decoder = LocalDecoder.create(
  workerData as DecoderSetup,
  nodeCodecs,
  // Shared, not handed over: that takes longer than decoding.
  bytes => new SharedArrayBuffer(bytes),
)
// One after the other: the main thread counts on the order.
let last: Promise<void> = Promise.resolve()

async function answer({ id, job }: PoolRequest): Promise<void> {
  try {
    const { block } = await (await decoder).decode(job)
    const reply: PoolReply = { id, block }
    parentPort!.postMessage(reply, [block.stacks.words.buffer])
  } catch (error) {
    const reply: PoolReply = { id, error: message(error) }
    parentPort!.postMessage(reply)
  }
}

parentPort!.on('message', (request: PoolRequest) => {
  last = last.then(() => answer(request))
})

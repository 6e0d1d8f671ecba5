// SPDX-License-Identifier: GPL-2.0-or-later
import { parentPort } from 'node:worker_threads'
import { type DecodeJob, LocalDecoder, message } from '../trace/decoder.ts'
import { nodeCodecs } from './codecs.ts'
import type { PoolReply, PoolRequest } from './pool.ts'

// Loaded while the main thread still reads the head of the file.
const zstd = nodeCodecs.zstd()
const codecs = { ...nodeCodecs, zstd: () => zstd }

let decoder: Promise<LocalDecoder> | undefined
// One after the other: the main thread counts on the order.
let last: Promise<void> = Promise.resolve()

async function answer(id: number, job: DecodeJob): Promise<void> {
  try {
    const { block } = await (await decoder!).decode(job)
    const reply: PoolReply = { id, block }
    parentPort!.postMessage(reply, [block.buffer, block.stacks.words.buffer])
  } catch (error) {
    const reply: PoolReply = { id, error: message(error) }
    parentPort!.postMessage(reply)
  }
}

parentPort!.on('message', (request: PoolRequest) => {
  if ('setup' in request) decoder = LocalDecoder.create(request.setup, codecs)
  else last = last.then(() => answer(request.id, request.job))
})

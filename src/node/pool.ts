// SPDX-License-Identifier: GPL-2.0-or-later
/** Starts worker threads of Node that decode recordings. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { type DecodeThread, type ThreadEvents, ThreadPool, threadsFor } from '../trace/tracedat/decode-pool.ts'

/** Starts threads for a file of `bytes` bytes; undefined if the calling thread should decode it. */
export function startPool(bytes: number): ThreadPool | undefined {
  const width = threadsFor(bytes, availableParallelism())
  // When run from source, there is no compiled worker to start.
  if (width === 0 || import.meta.url.endsWith('.ts')) return undefined
  return new ThreadPool(width, { start, poll: () => new Promise(resolve => setImmediate(resolve)) })
}

function start({ reply, failed }: ThreadEvents): DecodeThread {
  const worker = new Worker(new URL('./decode-worker.js', import.meta.url))
  worker.on('message', reply)
  worker.on('error', error => failed(error as Error))
  worker.on('exit', () => failed(new Error('a decoding thread ended')))
  return {
    post: (request, memory) => worker.postMessage(request, memory),
    end: () => worker.terminate(),
  }
}

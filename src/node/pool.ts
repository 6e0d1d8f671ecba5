// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes recordings in worker threads. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Block, BlockDecoder, DecodeJob, DecoderSetup } from '../trace/decoder.ts'

/** Starting threads takes longer than decoding a recording smaller than this (bytes in the file). */
const WORTH_THREADS = 4 << 20

/** More do not help: one thread merges what they decode. */
const MAX_WORKERS = 6

/** What a worker is sent: first how to decode, then what. */
export type PoolRequest = { setup: DecoderSetup } | { id: number; job: DecodeJob }

export type PoolReply = { id: number; block: Block } | { id: number; error: string }

interface Waiting {
  resolve: (made: { block: Block; decoder: number }) => void
  reject: (error: Error) => void
}

/**
 * Starts workers for a file of `bytes` bytes, which get ready while its head is read; undefined where one thread does.
 */
export function startPool(bytes: number): WorkerPool | undefined {
  // Run from source, there is no compiled worker to start.
  if (bytes < WORTH_THREADS || import.meta.url.endsWith('.ts')) return undefined
  return new WorkerPool(Math.min(MAX_WORKERS, availableParallelism()))
}

export class WorkerPool implements BlockDecoder {
  readonly width: number
  readonly #workers: Worker[]
  /** By worker: requests on their way, oldest first. */
  readonly #waiting: Map<number, Waiting>[]
  #next = 0
  /** Why no more can be decoded. */
  #broken: Error | undefined

  constructor(width: number) {
    this.width = width
    this.#waiting = Array.from({ length: width }, () => new Map())
    this.#workers = this.#waiting.map((waiting, decoder) => {
      const worker = new Worker(new URL('./decode-worker.js', import.meta.url))
      worker.on('message', (reply: PoolReply) => {
        const { resolve, reject } = waiting.get(reply.id)!
        waiting.delete(reply.id)
        if ('block' in reply) resolve({ block: reply.block, decoder })
        else reject(new Error(reply.error))
      })
      worker.on('error', error => this.#fail(waiting, error as Error))
      worker.on('exit', () => this.#fail(waiting, new Error('a decoding thread ended')))
      return worker
    })
  }

  /** Tells the workers what the recording is like. */
  begin(setup: DecoderSetup): BlockDecoder {
    const request: PoolRequest = { setup }
    for (const worker of this.#workers) worker.postMessage(request)
    return this
  }

  #fail(waiting: Map<number, Waiting>, error: Error): void {
    this.#broken ??= error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  decode(job: DecodeJob): Promise<{ block: Block; decoder: number }> {
    if (this.#broken) return Promise.reject(this.#broken)
    const id = this.#next++
    let least = 0
    for (let i = 1; i < this.width; i++) if (this.#waiting[i]!.size < this.#waiting[least]!.size) least = i
    const request: PoolRequest = { id, job }
    const memory = job.buffer ? [job.bytes.buffer, job.buffer] : [job.bytes.buffer]
    return new Promise((resolve, reject) => {
      this.#waiting[least]!.set(id, { resolve, reject })
      this.#workers[least]!.postMessage(request, memory)
    })
  }

  poll(): Promise<void> {
    return new Promise(resolve => setImmediate(resolve))
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker.terminate()))
  }
}

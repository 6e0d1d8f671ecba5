// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes recordings in other threads, which are handed in: workers of Node, or of a browser. */
import type { Codecs } from '../common/compression.ts'
import {
  type Block,
  type BlockDecoder,
  type DecodeJob,
  type DecoderSetup,
  LocalDecoder,
  message,
} from './block-decoder.ts'

/** Starting threads takes longer than decoding a recording smaller than this (bytes in the file). */
const WORTH_THREADS = 4 << 20

/** More do not help: one thread merges what they decode. */
const MAX_THREADS = 6

/** What a thread is sent: first how to decode, then what. */
export type PoolRequest = { setup: DecoderSetup } | { id: number; job: DecodeJob }

export type PoolReply = { id: number; block: Block } | { id: number; error: string }

/** A thread that answers each request with one reply, in their order. */
export interface DecodeThread {
  /** @param memory handed over to the thread */
  post(request: PoolRequest, memory: ArrayBuffer[]): void
  end(): unknown
}

export interface ThreadEvents {
  reply(reply: PoolReply): void
  /** The thread can no longer answer. */
  failed(error: Error): void
}

export interface PoolOptions {
  start: (events: ThreadEvents) => DecodeThread
  /** Comes back after what other threads have posted meanwhile was taken in. */
  poll: () => Promise<void>
}

interface Waiting {
  resolve: (made: { block: Block; decoder: number }) => void
  reject: (error: Error) => void
}

/** Threads worth starting for a file of `bytes` bytes on so many processors; 0 where the calling one does. */
export function threadsFor(bytes: number, processors: number): number {
  return bytes < WORTH_THREADS ? 0 : Math.min(MAX_THREADS, processors)
}

export class ThreadPool implements BlockDecoder {
  readonly width: number
  readonly poll: () => Promise<void>
  readonly #threads: DecodeThread[]
  /** By thread: requests on their way, oldest first. */
  readonly #waiting: Map<number, Waiting>[]
  #next = 0
  /** Why no more can be decoded. */
  #broken: Error | undefined

  /** Starts threads, which get ready while the head of the recording is read. */
  constructor(width: number, { start, poll }: PoolOptions) {
    this.width = width
    this.poll = poll
    this.#waiting = Array.from({ length: width }, () => new Map())
    this.#threads = this.#waiting.map((waiting, decoder) =>
      start({
        reply: reply => {
          const { resolve, reject } = waiting.get(reply.id)!
          waiting.delete(reply.id)
          if ('block' in reply) resolve({ block: reply.block, decoder })
          else reject(new Error(reply.error))
        },
        failed: error => this.#fail(waiting, error),
      }),
    )
  }

  /** Tells the threads what the recording is like. */
  begin(setup: DecoderSetup): BlockDecoder {
    for (const thread of this.#threads) thread.post({ setup }, [])
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
    const memory = job.buffer ? [job.bytes.buffer, job.buffer] : [job.bytes.buffer]
    return new Promise((resolve, reject) => {
      this.#waiting[least]!.set(id, { resolve, reject })
      this.#threads[least]!.post({ id, job }, memory)
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.end()))
  }
}

/** The side of the thread: what it is to do with each request. */
export function jobAnswerer(
  reply: (reply: PoolReply, memory: ArrayBuffer[]) => void,
  codecs: Codecs,
): (request: PoolRequest) => void {
  let decoder: Promise<LocalDecoder> | undefined
  // One after the other: the pool counts on the order.
  let last: Promise<void> = Promise.resolve()

  async function answer(id: number, job: DecodeJob): Promise<void> {
    try {
      const { block } = await (await decoder!).decode(job)
      reply({ id, block }, [block.buffer, block.stacks.words.buffer])
    } catch (error) {
      reply({ id, error: message(error) }, [])
    }
  }

  return request => {
    if ('setup' in request) decoder = LocalDecoder.create(request.setup, codecs)
    else last = last.then(() => answer(request.id, request.job))
  }
}

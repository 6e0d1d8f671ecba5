// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes recordings in other threads, which the platform provides: workers of Node or of a browser. */
import type { Codecs } from '../common/compression.ts'
import {
  type Block,
  type BlockDecoder,
  type DecodeJob,
  type DecoderSetup,
  LocalDecoder,
  message,
} from './block-decoder.ts'

/** Minimum file size in bytes for threads. For smaller recordings, starting threads takes longer than decoding. */
const WORTH_THREADS = 4 << 20

/** Maximum number of threads. More do not help, because one thread merges what they decode. */
const MAX_THREADS = 6

/** A request to a thread: first the setup, then jobs. */
export type PoolRequest = { setup: DecoderSetup } | { id: number; job: DecodeJob }

export type PoolReply = { id: number; block: Block } | { id: number; error: string }

/** A thread that answers each request with one reply, in order. */
export interface DecodeThread {
  /** @param memory buffers to transfer to the thread */
  post(request: PoolRequest, memory: ArrayBuffer[]): void
  end(): unknown
}

export interface ThreadEvents {
  reply(reply: PoolReply): void
  /** Called when the thread can no longer answer. */
  failed(error: Error): void
}

export interface PoolOptions {
  start: (events: ThreadEvents) => DecodeThread
  /** Resolves after messages that other threads have posted were handled. */
  poll: () => Promise<void>
}

interface Waiting {
  resolve: (made: { block: Block; decoder: number }) => void
  reject: (error: Error) => void
}

/**
 * Returns the number of threads to start for a file of `bytes` bytes on this many processors; 0 if the calling thread should
 * decode.
 */
export function threadsFor(bytes: number, processors: number): number {
  return bytes < WORTH_THREADS ? 0 : Math.min(MAX_THREADS, processors)
}

export class ThreadPool implements BlockDecoder {
  readonly width: number
  readonly poll: () => Promise<void>
  readonly #threads: DecodeThread[]
  /** By thread, the pending requests, oldest first. */
  readonly #waiting: Map<number, Waiting>[]
  #next = 0
  /** The error after which no more can be decoded. */
  #broken: Error | undefined

  /** Starts the threads, which initialise while the head of the recording is read. */
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

  /** Sends the properties of the recording to the threads. */
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

/** The thread's side: answers requests. */
export function jobAnswerer(
  reply: (reply: PoolReply, memory: ArrayBuffer[]) => void,
  codecs: Codecs,
): (request: PoolRequest) => void {
  let decoder: Promise<LocalDecoder> | undefined
  // Requests are handled one after the other, because the pool relies on the order of replies.
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

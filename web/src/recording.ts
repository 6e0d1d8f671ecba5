// SPDX-License-Identifier: GPL-2.0-or-later
/** A recording that a worker has read. The worker keeps the events and answers questions about lifetimes. */
import { lifeAround, type Timeline } from '../../src/report/timeline.ts'
import { plural } from '../../src/report/words.ts'
import { threadsFor } from '../../src/trace/tracedat/decode-pool.ts'
import type { TraceJson } from './documents.ts'
import type { PageLife, ReadingOptions, Reply, Request } from './messages.ts'
import { Times } from './words.ts'

export interface Progress {
  /** What is being read, and how much of it has been read. */
  what: string
  done: number
  total: number | undefined
}

export interface OpenedRecording {
  trace: TraceJson
  live: LiveRecording
}

export class LiveRecording {
  readonly timeline: Timeline
  readonly times: Times
  /** Origin of the timeline's times, in the unit of the document's times. */
  readonly origin: number
  /** The same origin as an exact number of ns, or of the clock's ticks. */
  readonly timeBase: bigint
  /** End of the recording in the timeline's time. It can be later than the last event. */
  readonly end: number
  /** Wall time at which the worker had read the last event, in ms since the epoch, like `performance.timeOrigin`. */
  readonly readingEnded: number
  readonly #worker: Worker
  readonly #waiting = new Map<number, (life: PageLife) => void>()
  #next = 0

  private constructor(worker: Worker, opened: Extract<Reply, { say: 'opened' }>) {
    this.#worker = worker
    this.timeline = opened.timeline
    this.times = new Times(opened.trace)
    this.timeBase = opened.timeBase
    this.origin = Number(opened.timeBase) / this.times.scale
    const { endTime } = opened.trace.source
    this.end = Math.max(opened.timeline.lastTime, endTime === null ? -Infinity : this.since(endTime))
    this.readingEnded = opened.readingEnded
    const [start, end] = [opened.readingStarted, opened.readingEnded].map(at => at - performance.timeOrigin)
    performance.measure('lastput-reading', { start: start!, end: end! })
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if (data.say !== 'life') return
      this.#waiting.get(data.id)?.(data.life)
      this.#waiting.delete(data.id)
    }
  }

  /** Reads a recording. @throws Error with the reader's message if it cannot be used. */
  static open(
    name: string,
    blob: Blob,
    onProgress: (progress: Progress) => void,
    options: ReadingOptions = {},
  ): Promise<OpenedRecording> {
    const worker = startWorker()
    const decoders = Array.from({ length: threadsFor(blob.size, navigator.hardwareConcurrency) }, startWorker)
    const done = () => {
      for (const decoder of decoders) decoder.terminate()
    }
    return new Promise<OpenedRecording>((resolve, reject) => {
      const fail = (message: string) => {
        worker.terminate()
        reject(new Error(message))
      }
      for (const each of [worker, ...decoders])
        each.onerror = event => fail(event.message || 'the reader could not be started')
      worker.onmessage = ({ data }: MessageEvent<Reply>) => {
        if (data.say === 'progress') onProgress({ ...data, what: plural(data.events, 'event') })
        if (data.say === 'failed') fail(data.message)
        if (data.say !== 'opened') return
        resolve({ trace: data.trace, live: new LiveRecording(worker, data) })
      }
      const ports = decoders.map(channelTo)
      post(worker, { ask: 'open', name, blob, options, decoders: ports }, ports)
    }).finally(done)
  }

  /** Returns the lifetime around an event of a page. @param page and @param event are indices into the timeline */
  life(page: number, event: number): Promise<PageLife> {
    const id = this.#next++
    const { from, to } = lifeAround(this.timeline, page, event)
    post(this.#worker, { ask: 'life', id, span: { page, from, to, times: this.timeline.time.slice(from, to) } })
    return new Promise(resolve => this.#waiting.set(id, resolve))
  }

  /** Converts a time of the document to the timeline's. */
  since(time: number): number {
    return (time - this.origin) * this.times.scale
  }

  /** Converts a time of the timeline to the document's. */
  at(time: number): number {
    return this.origin + time / this.times.scale
  }

  close(): void {
    this.#worker.terminate()
  }
}

let embedded: string | undefined

/** Makes workers start from this script instead of a file, because a report consists of a single file. */
export function embedWorker(script: string): void {
  embedded = script
}

/** Starts a worker. A message then tells it what to read or to decode. */
export function startWorker(): Worker {
  if (embedded === undefined) return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const url = URL.createObjectURL(new Blob([embedded], { type: 'text/javascript' }))
  // In a page opened from disk, browsers refuse blobs as module workers; as a classic script the worker starts.
  return new Worker(url)
}

/** Makes a worker a decoder, and returns the port for the reader. */
function channelTo(decoder: Worker): MessagePort {
  const { port1, port2 } = new MessageChannel()
  post(decoder, { ask: 'decode', port: port1 }, [port1])
  return port2
}

function post(worker: Worker, request: Request, moved: Transferable[] = []): void {
  worker.postMessage(request, moved)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** A recording that a worker has read and keeps. */
import { lifeAround, type Timeline } from '../../src/report/timeline.ts'
import { plural } from '../../src/report/words.ts'
import { threadsFor } from '../../src/trace/tracedat/decode-pool.ts'
import type { TraceJson } from './documents.ts'
import type { PageLife, ReadingOptions, Reply, Request } from './messages.ts'
import { Times } from './words.ts'

export interface Progress {
  /** What is read, and how much of it has been. */
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
  /** Time of the document that the timeline's times count from. */
  readonly origin: number
  /** The same, exactly: in ns, or in ticks of the clock. */
  readonly timeBase: bigint
  /** When the recording ended, as the timeline counts: with its last event, or later. */
  readonly end: number
  /** When the worker had read the last event, as `performance.timeOrigin` counts. */
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

  /** Reads a recording. @throws Error in the words of the reader, when it cannot be used. */
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

  /** The life that an event of a page belongs to; both are places in the timeline. */
  life(page: number, event: number): Promise<PageLife> {
    const id = this.#next++
    const { from, to } = lifeAround(this.timeline, page, event)
    post(this.#worker, { ask: 'life', id, span: { page, from, to, times: this.timeline.time.slice(from, to) } })
    return new Promise(resolve => this.#waiting.set(id, resolve))
  }

  /** A time of the document as the timeline has it. */
  since(time: number): number {
    return (time - this.origin) * this.times.scale
  }

  /** A time of the timeline as the document has it. */
  at(time: number): number {
    return this.origin + time / this.times.scale
  }

  close(): void {
    this.#worker.terminate()
  }
}

let embedded: string | undefined

/** From now on workers run this script: a report has no other files. */
export function embedWorker(script: string): void {
  embedded = script
}

/** Starts the script that reads; it is told what by a message. */
export function startWorker(): Worker {
  if (embedded === undefined) return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const url = URL.createObjectURL(new Blob([embedded], { type: 'text/javascript' }))
  // From a file on disk, browsers start no modules out of blobs.
  return new Worker(url)
}

/** The other end of a channel to a worker that decodes from now on. */
function channelTo(decoder: Worker): MessagePort {
  const { port1, port2 } = new MessageChannel()
  post(decoder, { ask: 'decode', port: port1 }, [port1])
  return port2
}

function post(worker: Worker, request: Request, moved: Transferable[] = []): void {
  worker.postMessage(request, moved)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The worker that reads a recording or a dump, with the same readers and ledger as the command line. */
import { readLedger, summarise } from '../../src/ledger/account.ts'
import { isInitialisation } from '../../src/report/life.ts'
import { type LifeSpan, type PageLifeSource, pageLifeJson } from '../../src/report/page-life.ts'
import { TimelineRecorder } from '../../src/report/recorder.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { BlobSource } from '../../src/trace/common/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import type { DecoderSetup } from '../../src/trace/tracedat/block-decoder.ts'
import { examineBlob } from './core/examining.ts'
import type { TraceJson } from './documents.ts'
import type { PageLife, Reply, Request } from './messages.ts'
import { poolOf, serveDecoder } from './pool.ts'

/** Milliseconds between two progress messages. */
const PROGRESS = 100

let source: PageLifeSource | undefined

function reply(message: Reply, moved: Transferable[] = []): void {
  // The type library is that of pages, whose postMessage() takes a target origin.
  ;(postMessage as (message: Reply, moved: Transferable[]) => void)(message, moved)
}

async function open({ name, blob, options, decoders }: Extract<Request, { ask: 'open' }>): Promise<void> {
  const started = performance.now()
  const pool = poolOf(decoders)
  const decoder = pool && ((setup: DecoderSetup) => pool.begin(setup))
  const recording = await openRecording(new BlobSource(name, blob), { ...options, decoder })
  const recorder = new TimelineRecorder()
  const ledger = await readLedger(recorder.tap(recording), {
    allPages: options.allPages,
    protocol: options.protocol,
    device: options.device,
    onProgress: progressEvery(PROGRESS),
  })
  await pool?.close()
  const readingStarted = performance.timeOrigin + started
  const readingEnded = performance.timeOrigin + performance.now()
  const made = summarise(recording, ledger)
  const trace = traceJson(made, recording.damage) as TraceJson
  const timeline = recorder.timeline(ledger)
  source = { timeline, recorder, ledger, recording }
  const { time, count, high, low, begins } = timeline
  reply({ say: 'opened', trace, timeline, timeBase: recording.timeBase, readingStarted, readingEnded }, [
    time.buffer,
    count.buffer,
    high.buffer,
    low.buffer,
    begins.buffer,
  ])
  recorder.sort()
}

function progressEvery(milliseconds: number) {
  const isDue = dueEvery(milliseconds)
  return (progress: { events: number; done: number; total: number | undefined }) => {
    if (isDue()) reply({ say: 'progress', ...progress })
  }
}

function dueEvery(milliseconds: number): () => boolean {
  let told = performance.now()
  return () => {
    if (performance.now() - told < milliseconds) return false
    told = performance.now()
    return true
  }
}

async function examineDump({ name, blob }: Extract<Request, { ask: 'examine' }>): Promise<void> {
  const isDue = dueEvery(PROGRESS)
  const core = await examineBlob(name, blob, (what, done, total) => {
    if (isDue()) reply({ say: 'examining', what, done, total })
  })
  reply({ say: 'examined', core: core as Record<string, unknown> })
}

function lifeOf(source: PageLifeSource, span: LifeSpan): PageLife {
  const isSetUp = isInitialisation(source, span.from, span.to)
  return { ...(pageLifeJson(source, span) as Omit<PageLife, 'isSetUp'>), isSetUp }
}

async function answer({ data }: MessageEvent<Request>): Promise<void> {
  try {
    if (data.ask === 'open') await open(data)
    else if (data.ask === 'examine') await examineDump(data)
    else if (data.ask === 'decode') serveDecoder(data.port)
    else if (source) reply({ say: 'life', id: data.id, life: lifeOf(source, data.span) })
  } catch (error) {
    reply({ say: 'failed', message: (error as Error).message })
  }
}

addEventListener('message', event => void answer(event))

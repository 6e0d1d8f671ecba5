// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads a recording beside the page, by the readers and the ledger that the command line has. */
import { readLedger, summarise } from '../../src/ledger/account.ts'
import { type PageLifeSource, pageLifeJson } from '../../src/report/page-life.ts'
import { TimelineRecorder } from '../../src/report/timeline.ts'
import { traceJson } from '../../src/report/trace.ts'
import { BlobSource } from '../../src/trace/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import type { TraceJson } from './documents.ts'
import type { PageLife, ReadingOptions, Reply, Request } from './messages.ts'

/** Milliseconds between two words of progress. */
const PROGRESS = 100

let source: PageLifeSource | undefined

function reply(message: Reply, moved: Transferable[] = []): void {
  // The types at hand are those of a page, where this takes a target.
  ;(postMessage as (message: Reply, moved: Transferable[]) => void)(message, moved)
}

async function open(name: string, blob: Blob, options: ReadingOptions): Promise<void> {
  const started = performance.now()
  const recording = await openRecording(new BlobSource(name, blob), options)
  const recorder = new TimelineRecorder()
  let told = started
  const ledger = await readLedger(recorder.tap(recording), {
    allPages: options.allPages,
    protocol: options.protocol,
    onProgress: progress => {
      if (performance.now() - told < PROGRESS) return
      told = performance.now()
      reply({ say: 'progress', ...progress })
    },
  })
  const readingStarted = performance.timeOrigin + started
  const readingEnded = performance.timeOrigin + performance.now()
  const made = summarise(recording, ledger)
  const trace = traceJson(made, made.findings, recording.damage) as TraceJson
  const { timeline, events } = recorder.finish(ledger)
  // The page draws from columns of its own; times stay here, too, for the lives.
  source = { timeline: { ...timeline, time: timeline.time.slice() }, events, ledger, recording }
  const { time, count, high, low } = timeline
  reply({ say: 'opened', trace, timeline, origin: Number(recording.timeBase) / 1e9, readingStarted, readingEnded }, [
    time.buffer,
    count.buffer,
    high.buffer,
    low.buffer,
  ])
}

addEventListener('message', async ({ data }: MessageEvent<Request>) => {
  try {
    if (data.ask === 'open') await open(data.name, data.blob, data.options)
    else if (source) reply({ say: 'life', id: data.id, life: pageLifeJson(source, data.page, data.event) as PageLife })
  } catch (error) {
    reply({ say: 'failed', message: (error as Error).message })
  }
})

// SPDX-License-Identifier: GPL-2.0-or-later
/** The messages between the page and its worker. */
import type { AccountOptions } from '../../src/ledger/account.ts'
import type { LifeSpan } from '../../src/report/page-life.ts'
import type { Timeline } from '../../src/report/timeline.ts'
import type { OpenOptions } from '../../src/trace/events.ts'
import type { LifeJson, TraceJson } from './documents.ts'

/** Options of reading, with the meaning that they have on the command line. */
export type ReadingOptions = OpenOptions & Pick<AccountOptions, 'allPages' | 'protocol' | 'device'>

export type Request =
  | { ask: 'open'; name: string; blob: Blob; options: ReadingOptions; decoders: MessagePort[] }
  | { ask: 'decode'; port: MessagePort }
  | { ask: 'examine'; name: string; blob: Blob }
  | { ask: 'life'; id: number; span: LifeSpan }

export interface PageLife {
  pfn: string
  idle: number | null
  lifetime: Omit<LifeJson, 'pfn'>
  /** True if the events only set the page up (memremap_pages()). */
  isSetUp: boolean
}

export type Reply =
  | { say: 'progress'; events: number; done: number; total: number | undefined }
  | {
      say: 'opened'
      trace: TraceJson
      timeline: Timeline
      timeBase: bigint
      readingStarted: number
      readingEnded: number
    }
  | { say: 'life'; id: number; life: PageLife }
  | { say: 'examining'; what: string; done: number; total: number | undefined }
  /** `core` is the JSON that `lastput core --json` writes. */
  | { say: 'examined'; core: Record<string, unknown> }
  | { say: 'failed'; message: string }

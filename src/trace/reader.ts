// SPDX-License-Identifier: GPL-2.0-or-later
/** The readers of all formats. A new format needs a folder beside the others and an entry here. */
import { isTar } from './archive/tar.ts'
import type { ByteSource, Recording } from './events.ts'
import { isPerfData } from './perfdata/header.ts'
import { isTraceDat } from './tracedat/file.ts'
import { openTraceDat, type TraceDatOptions } from './tracedat/recording.ts'

export interface Reader {
  /** True if the reader needs random access. Other readers read from front to back, so that the data may come from a pipe. */
  readonly isRandom: boolean
  /** True if a file that begins with these bytes (512, or all of a shorter file) has this format. */
  sniff(start: Uint8Array): boolean
  /** Opens a recording. Rejects with a TraceError if nothing in it can be used. */
  open(source: ByteSource, options: TraceDatOptions): Promise<Recording>
}

/** Text has no signature. Any file of no other format may be text, and the reader of text rejects it if it is not. */
const TEXT: Reader = {
  isRandom: false,
  sniff: () => true,
  async open(source, options) {
    const [{ sourceInput }, { openText }] = await Promise.all([
      import('./ftracetext/lines.ts'),
      import('./ftracetext/recording.ts'),
    ])
    return openText(sourceInput(source), options)
  },
}

/**
 * The readers in the order in which they are tried. Those of text and perf.data are loaded on demand, because for a small file
 * loading them takes longer than reading it.
 */
const READERS: readonly Reader[] = [
  { isRandom: true, sniff: isTraceDat, open: openTraceDat },
  {
    isRandom: true,
    sniff: isPerfData,
    open: async (source, options) => (await import('./perfdata/recording.ts')).openPerf(source, options),
  },
  {
    isRandom: true,
    sniff: isTar,
    open: async (source, options) => (await import('./archive/recording.ts')).openTar(source, options),
  },
  TEXT,
]

/** Returns the reader for a file that begins with these bytes. */
export function readerOf(start: Uint8Array): Reader {
  return READERS.find(reader => reader.sniff(start)) ?? TEXT
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Opens recordings of any known format. */
import type { ByteSource, Recording } from './events.ts'
import { readerOf } from './reader.ts'
import type { TraceDatOptions } from './tracedat/recording.ts'

/** Number of bytes that identify the format of a recording. */
export const SNIFFED_BYTES = 512

/** Opens a recording of any known format. Rejects with a TraceError if it has none, or nothing in it can be used. */
export async function openRecording(source: ByteSource, options: TraceDatOptions = {}): Promise<Recording> {
  const reader = readerOf(await source.read(0, SNIFFED_BYTES))
  return reader.open(source, options)
}

// SPDX-License-Identifier: GPL-2.0-or-later
import type { ByteSource, Recording } from './events.ts'
import { isPerfData } from './perfdata/header.ts'
import { isTraceDat } from './tracedat/file.ts'
import { openTraceDat, type TraceDatOptions } from './tracedat/recording.ts'

/** Whether bytes start like a recording that must be read at random; others are text, which is read from front to back. */
export function isBinary(start: Uint8Array): boolean {
  return isTraceDat(start) || isPerfData(start)
}

/**
 * Opens a recording of any known format. Throws TraceError when it is none, or nothing in it can be used. Readers of other
 * formats are not loaded: with a small file that would take longer than reading it.
 */
export async function openRecording(source: ByteSource, options: TraceDatOptions = {}): Promise<Recording> {
  const start = await source.read(0, 64)
  if (isTraceDat(start)) return openTraceDat(source, options)
  if (isPerfData(start)) return (await import('./perfdata/recording.ts')).openPerf(source, options)
  const { sourceInput } = await import('./ftracetext/lines.ts')
  return (await import('./ftracetext/recording.ts')).openText(sourceInput(source), options)
}

// SPDX-License-Identifier: GPL-2.0-or-later
import type { ByteSource, Recording } from './events.ts'
import { openTraceDat, type TraceDatOptions } from './tracedat.ts'

/** Opens a recording of any known format. Throws TraceError when it is none, or nothing in it can be used. */
export async function openRecording(source: ByteSource, options: TraceDatOptions = {}): Promise<Recording> {
  return openTraceDat(source, options)
}

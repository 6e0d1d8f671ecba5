// SPDX-License-Identifier: GPL-2.0-or-later
/** Library entry: readers of recordings of page_ref events and probes. Runs in Node and in browsers. */
export { BlobSource, BytesSource } from './common/bytes.ts'
export { type StampInfo, spanOf, stampSlack } from './common/clock.ts'
export type { Codecs, Unpack } from './common/compression.ts'
export { timeText } from './common/times.ts'
export {
  type ByteSource,
  type Damage,
  type EventBatch,
  type Frame,
  isProbe,
  type LostEvents,
  OP_NAMES,
  Op,
  type OpenOptions,
  type Recording,
  type SourceInfo,
  type StackTable,
  type TaskTable,
  type TimeUnit,
  TraceError,
} from './events.ts'
export { sourceInput, type TextInput } from './ftracetext/lines.ts'
export { openText } from './ftracetext/recording.ts'
export { openRecording } from './open.ts'

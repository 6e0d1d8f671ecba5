// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The format of ftrace's ring buffer. A sub-buffer consists of a timestamp, a `commit` word and records.
 *
 * Facts of the format: include/linux/ring_buffer.h and, where the kernel does not define it, libtraceevent's reader.
 */
import { parseFields } from '../common/event-format.ts'

/** The layout of a recording's sub-buffers and records. Plain data, because it is sent to worker threads. */
export interface BufferLayout {
  littleEndian: boolean
  /** sizeof(long) of the recorded kernel. */
  longSize: number
  /** Size of a sub-buffer in bytes. */
  pageSize: number
  /** Offset and size of `commit` in a sub-buffer, and the offset of the first record. */
  commitOffset: number
  commitSize: number
  dataOffset: number
}

/** Parts of `commit`: the number of bytes used, and two flags. */
export const COMMIT_SIZE = 0x7ffffff
export const COMMIT_MISSED = 0x80000000
export const COMMIT_MISSED_STORED = 0x40000000

export const TYPE_PADDING = 29
export const TYPE_TIME_EXTEND = 30
export const TYPE_TIME_STAMP = 31
/** Unit of the high part of a time extend. */
export const TIME_EXTEND_UNIT = 2 ** 27

/** Parses the layout of a sub-buffer from tracefs `events/header_page`. Undefined if it is impossible. */
export function parseHeaderPage(
  text: string,
): Pick<BufferLayout, 'commitOffset' | 'commitSize' | 'dataOffset'> | undefined {
  const fields = parseFields(text)
  const commit = fields.find(field => field.name === 'commit')
  const data = fields.find(field => field.name === 'data')
  const time = fields.find(field => field.name === 'timestamp')
  if (!commit || !data || time?.offset !== 0 || time.size !== 8) return undefined
  if (commit.offset !== 8 || (commit.size !== 4 && commit.size !== 8)) return undefined
  if (data.offset < commit.offset + commit.size || data.offset > 64 || data.offset % 4 !== 0) return undefined
  return { commitOffset: commit.offset, commitSize: commit.size, dataOffset: data.offset }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Generates the loop over the records of a recording. The framing of records is always the same, but the code that reads events
 * must be inside the loop: finding records in one loop and reading them in another takes a third longer, because the processor
 * then cannot overlap the two. So the loop is generated with the loads in it. Whatever is not done for every event is in
 * functions (sub-buffer.ts, walk-state.ts).
 */
import { type Arrays, Loads } from '../common/columns.ts'
import type { CommonFields } from '../common/event-format.ts'
import { type BufferLayout, COMMIT_MISSED, COMMIT_SIZE } from './ring-buffer.ts'
import { SubBuffer } from './sub-buffer.ts'
import { arrived, damaged, type WalkState } from './walk-state.ts'

/** Walks the sub-buffers in [start, end) of the arrays. */
export type Walk<Target> = (arrays: Arrays, start: number, end: number, state: WalkState, target: Target) => void

/** The parts of a walk that depend on what is read. */
export interface WalkParts {
  /** Statements before the loop, in which `target` is in scope. */
  prologue: string
  /**
   * Statements for one event, with its position `p`, `length` and `time` in scope. They increment `row` for each row written, and
   * do `break page` after damage.
   */
  event: string
  /** Further names that the statements use. */
  names?: { [name: string]: unknown }
}

/** Notes an event that is shorter than the common fields, or longer than the rest of its sub-buffer. */
export function misfit(state: WalkState, p: number, minimum: number, room: number, length: number): void {
  damaged(state, p - 4, `expected a record of ${minimum} to ${room} bytes, found ${length}`)
}

/**
 * Compiles a walk. The loop's variables must not be captured by closures: a captured number is kept on the heap, and every store
 * to it allocates. They are passed to functions only if these return the new values.
 */
export function compileWalk<Target>(
  layout: BufferLayout,
  timeBase: bigint,
  { size: minimum }: CommonFields,
  { prologue, event, names = {} }: WalkParts,
): Walk<Target> {
  const { littleEndian, pageSize, commitOffset, commitSize, dataOffset } = layout
  const loads = new Loads(littleEndian)
  const word = (place: string, offset = 0) => loads.load(place, offset, 4, false)
  const [low, high] = littleEndian ? [0, 4] : [4, 0]
  const source = `'use strict'
return (arrays, start, end, state, target) => {
  const { B, H, W, I, V } = arrays
  let { row, events, lastTime } = state
  ${prologue}
  for (let page = start; page < end; page += ${pageSize}) {
    const commit = ${loads.load('page', commitOffset, commitSize, false)}
    const used = commit & ${COMMIT_SIZE}
    const usual = (commit & ${COMMIT_MISSED}) === 0 && used <= ${pageSize - dataOffset}
    const limit = usual ? page + ${dataOffset} + used : subBuffer.unusual(arrays, page, commit, state)
    // In this order all of it is floating point from the first sub-buffer on, whatever the base.
    let time = (${word('page', high)} - ${timeBase >> 32n}) * 4294967296 - ${timeBase & 0xffffffffn} + ${word('page', low)}
    let p = page + ${dataOffset}
    // The next event has something to be told of: it is the block's first, or events before it are missing.
    let ahead = state.gap !== undefined || Number.isNaN(lastTime)
    page: while (p < limit) {
      const head = ${word('p')}
      const type = ${littleEndian ? 'head & 31' : 'head >>> 27'}
      const delta = ${littleEndian ? 'head >>> 5' : 'head & 0x7ffffff'}
      p += 4
      let length = type << 2
      if (type > 28 || type === 0) {
        if (type !== 0 || p + 4 > limit) {
          subBuffer.time = time
          if (!subBuffer.skip(arrays, p, limit, type, delta, state)) break
          p = subBuffer.at
          time = subBuffer.time
          continue
        }
        length = (${word('p')} - 1) & ~3
        p += 4
      }
      time += delta
      if (length < ${minimum} || length > limit - p) {
        misfit(state, p, ${minimum}, limit - p, length)
        break
      }
      if (ahead) {
        state.row = row
        state.lastTime = lastTime
        arrived(state, time)
        ahead = false
      }
      events++
      lastTime = time
      ${event}
      p += length
    }
  }
  state.row = row
  state.events = events
  state.lastTime = lastTime
}`
  const all = { subBuffer: new SubBuffer(layout, timeBase), arrived, misfit, ...names }
  return new Function(...Object.keys(all), source)(...Object.values(all)) as Walk<Target>
}

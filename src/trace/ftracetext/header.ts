// SPDX-License-Identifier: GPL-2.0-or-later
/** Parses the lines of ftrace text other than events: header comments, and marks of lost events. */

import { decodeText } from '../common/bytes.ts'
import { MAX_CPUS } from '../common/loss-tracker.ts'
import { EventLine } from './event-line.ts'
import { LineWindow, type TextInput, trimEnd } from './lines.ts'

const HASH = 35

const EVENTS_LOST = /^CPU:(\d+) \[(?:LOST (?:(\d+) )?EVENTS|(?:(\d+) )?EVENTS DROPPED)\]/
const BUFFER_STARTED = /^#+ CPU (\d+) buffer started #+/

/** CPU of a line that reports lost events, and their number if it is given: "CPU:1 [LOST 12 EVENTS]". */
export function lostMark(line: string): { cpu: number; count: number | undefined } | undefined {
  const match = EVENTS_LOST.exec(line)
  if (!match) return undefined
  const count = match[2] ?? match[3]
  return { cpu: Number(match[1]), count: count === undefined ? undefined : Number(count) }
}

/** CPU of "##### CPU 1 buffer started ####". The line precedes the CPU's first event if older ones were overwritten. */
export function startMark(line: string): number | undefined {
  const cpu = BUFFER_STARTED.exec(line)?.[1]
  return cpu === undefined ? undefined : Number(cpu)
}

/** The header of a text. */
export class TextHeader {
  /** True if a line of a header was found. */
  recognised = false
  traceCmd = false
  cpus = 0
  kernel: string | undefined
  /** Number of events in the buffer, and number of events written to it. They are equal if none was overwritten. */
  entries = 0
  written = 0

  /** Takes over the contents of a line. Returns false if it does not belong to a header. */
  read(line: string): boolean {
    const cpus = /^cpus=(\d+)/.exec(line)?.[1] ?? /^#.*#P:(\d+)/.exec(line)?.[1]
    if (cpus !== undefined) this.cpus = Math.min(Number(cpus), MAX_CPUS)
    if (line.startsWith('cpus=')) this.traceCmd = true
    const entries = /^# entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(line)
    if (entries) {
      this.entries = Number(entries[1])
      this.written = Number(entries[2])
    }
    this.kernel ??= /^# \S+ latency trace v\S+ on (\S+)/.exec(line)?.[1]
    const known = cpus !== undefined || line.startsWith('# tracer: ') || entries !== null
    this.recognised ||= known
    return known
  }
}

/** Yields the first event of each CPU whose start is marked, and of the CPU whose events come first. */
export async function* firstEvents(input: TextInput): AsyncGenerator<EventLine> {
  const scan = new StartScan()
  for await (const chunk of input.chunks()) {
    scan.window.append(chunk)
    yield* scan.events()
  }
  scan.window.ended = true
  yield* scan.events()
}

/** Looks for start marks and the event after each, and skips everything else quickly. */
class StartScan {
  readonly window = new LineWindow()
  readonly #line = new EventLine()
  #atStart = true

  /** Moves to the next relevant line. That is any line until the first event after a mark, then the next mark. */
  #seek(): boolean {
    const { window } = this
    while (!this.#atStart) {
      const mark = window.find(HASH)
      if (mark < 0) return false
      window.at = mark
      const lineEnd = window.lineEnd(mark)
      if (lineEnd < 0) return false
      this.#atStart = startMark(decodeText(window.bytes.subarray(mark, Math.min(lineEnd, mark + 64)))) !== undefined
      if (!this.#atStart) window.at = mark + 1
    }
    return window.at < window.end
  }

  *events(): Generator<EventLine> {
    const { window } = this
    while (this.#seek()) {
      const end = window.lineEnd(window.at)
      if (end < 0) return
      const { bytes } = window
      if (bytes[window.at] !== HASH && this.#line.parseHead(bytes, window.at, trimEnd(bytes, window.at, end))) {
        this.#atStart = false
        yield this.#line
      }
      window.at = Math.min(end + 1, window.end)
    }
  }
}

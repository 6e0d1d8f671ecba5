// SPDX-License-Identifier: GPL-2.0-or-later
/** The error for a valid perf.data without tracepoints: says what it contains, and how to record what is needed. */
import { TraceError } from '../events.ts'
import { PERF_TYPE_BREAKPOINT, PERF_TYPE_TRACEPOINT, type PerfAttr } from './header.ts'

const HARDWARE = [
  'cycles',
  'instructions',
  'cache-references',
  'cache-misses',
  'branches',
  'branch-misses',
  'bus-cycles',
  'stalled-cycles-frontend',
  'stalled-cycles-backend',
  'ref-cycles',
]
const SOFTWARE = [
  'cpu-clock',
  'task-clock',
  'page-faults',
  'context-switches',
  'cpu-migrations',
  'minor-faults',
  'major-faults',
  'alignment-faults',
  'emulation-faults',
  'dummy',
  'bpf-output',
  'cgroup-switches',
]

/** Maximum number of events named in the message. */
const SHOWN = 6

const RECORD = "perf record -a -g -e 'page_ref:*' -- sleep 10"

/** The error for a file whose tracepoints cannot be read. */
export class NoTracepointsError extends TraceError {
  constructor(file: string, attrs: readonly PerfAttr[], isPipe: boolean) {
    super(file, 0, expectation(attrs, isPipe))
    this.message = `${file}: ${this.expected}`
  }
}

function expectation(attrs: readonly PerfAttr[], isPipe: boolean): string {
  if (attrs.some(({ type }) => type === PERF_TYPE_TRACEPOINT)) {
    const where = isPipe ? 'before the first sample' : 'as if perf record had not ended'
    return `expected the formats of its tracepoints; there are none, ${where}`
  }
  const names = [...new Set(attrs.map(eventName))]
  const shown = names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ', ...' : '')
  const holds = names.length === 0 ? 'no event at all' : `no tracepoint, only ${shown}`
  if (attrs.some(({ breakpoint }) => breakpoint))
    return `expected page_ref events, found ${holds}, none of a struct page's _refcount (docs/watching.md)`
  return `expected page_ref events, found ${holds}: record them with ${RECORD} (docs/recording.md)`
}

function eventName({ type, config }: PerfAttr): string {
  if (type === 0) return HARDWARE[config] ?? `hardware event ${config}`
  if (type === 1) return SOFTWARE[config] ?? `software event ${config}`
  if (type === 3) return 'events of caches'
  if (type === 4) return `raw event 0x${config.toString(16)}`
  if (type === PERF_TYPE_BREAKPOINT) return 'watched addresses (mem:...)'
  return 'events of a device'
}

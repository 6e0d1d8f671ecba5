// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput events`: prints the decoded events of a recording. */
import { once } from 'node:events'
import { Command } from 'commander'
import { nodeCodecs } from '../node/codecs.ts'
import { type FileOptions, openInput, openInputRecording } from '../node/open.ts'
import { eventJson, eventText } from '../print/event-lines.ts'
import { reportText } from '../print/trace-cmd-report.ts'
import { completenessJson, damageLine, eventsIncompleteness } from '../report/completeness.ts'
import { type Damage, type EventBatch, OP_NAMES } from '../trace/events.ts'
import { isTraceDat } from '../trace/tracedat/file.ts'
import { complain } from './complain.ts'
import { guarded, UsageError } from './errors.ts'
import { chosen, type EventChoice, EventFilter } from './event-filter.ts'
import { Exit } from './exit-codes.ts'
import {
  chosenPages,
  countsOption,
  functionOption,
  kallsymsOption,
  oneOfOption,
  openOptions,
  pagesOption,
  parsePfn,
  parseTime,
  refuseEmptyTime,
  taskOption,
  vmemmapOption,
} from './recordings.ts'

interface EventsFlags extends EventChoice {
  json?: boolean
  kallsyms: string[]
  buffer?: string
  vmemmap?: bigint
  pagemap?: number
  counts?: string
}

/** Names of the options that filter events. */
const FILTERS = ['pfn', 'pagemap', 'event', 'function', 'task', 'from', 'to'] as const

const NOTES = `
Of a trace.dat file, all events are shown as by trace-cmd report (3.1.6), with
these limits: events that trace-cmd shows by a plugin or a handler of its own
other than kernel_stack (function, funcgraph, sched_switch, kvm and others) and
trace_printk() are shown by their print format; %pI, %pM, %pU and %ph show the
pointer; __get_bitmask and __get_cpumask are not understood. A format that is
not understood gives [FAILED TO PARSE] and the fields, as there.
Of other recordings, with --json and where events are chosen, the page_ref
events and the probes are shown: lastput_free, lastput_alloc, lastput_use,
lastput_memunmap, lastput_memunmap_end, error_report_end.

--json: one object a line:
  {"time","cpu","task","pid","event","pfn","flags","count","mapcount","mapping",
   "mt","val","ret"?,"stack"?:[{"function","offset"?,"module"?,"address"?}]}
of a probe:
  {"time","cpu","task","pid","event","pfn"?,"pages"?,"detector"?,"address"?,
   "stack"?}
where events are missing:
  {"lost":{"cpu","count"?,"from"?,"to"?}}
where a watched count changed, and nothing tells by how much:
  {"unknownChange":{"cpu","time"}}
Times in seconds, as decimal text with all digits, or in ticks of a clock that
does not tell how long they are (counter, x86-tsc); pfn, flags, mapping and
addresses as hexadecimal text; "pages" is how many memunmap_pages() gives back
from "pfn" on, "detector" is "kfence", "kasan", "warning" or a number as text.

Examples:
  lastput events trace.dat                   as trace-cmd report shows it
  lastput events trace.dat --json | jq .pfn  for a program
  lastput events trace.dat --pfn 0xfcf83fc   what happened to one page
  lastput events trace.dat --task dd --function do_swap_page

at the end, where something may be missing:
  {"complete":false,"reasons":[{"reason","text"}]}

Exit codes: 0 all was shown, 2 usage or an unusable file, 3 not all could be:
the file is damaged, events were lost, changes of watched counts are not known,
or it has no event that is shown.`

export function eventsCommand(): Command {
  return new Command('events')
    .description('show the decoded events of a recording')
    .argument('<file>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .option('--json', 'JSON lines')
    .addOption(kallsymsOption())
    .option('--buffer <name>', 'the events of this trace instance only')
    .addOption(vmemmapOption())
    .addOption(countsOption())
    .addOption(pagesOption('events of these pages only, as 0x10,0x20-0x2f; repeatable'))
    .option('--pagemap <pfn>', 'events of the pagemap that this page belongs to', parsePfn)
    .addOption(oneOfOption('--event <name>', 'events of this name only, such as page_ref_mod; repeatable', OP_NAMES))
    .addOption(functionOption('events with this function in their stack; repeatable'))
    .addOption(taskOption('events of this task: a name, a pid or name-pid; repeatable'))
    .option('--from <seconds>', 'events from this time on', parseTime)
    .option('--to <seconds>', 'events up to this time', parseTime)
    .addHelpText('after', NOTES)
    .action((file: string, flags: EventsFlags) => guarded('events', () => show(file, flags)))
}

/** Counts of what was printed. */
interface Shown {
  events: number
  gaps: number
  unknownChanges: number
}

async function show(path: string, flags: EventsFlags): Promise<Exit> {
  const options: FileOptions = { ...openOptions(flags), keepRepeated: true }
  refuseEmptyTime(flags)
  const isFiltered = FILTERS.some(name => flags[name] !== undefined)
  const pages = await chosenPages(path, { ...flags })
  const input = await openInput(path)
  const damage: Damage[] = []
  const shown: Shown = { events: 0, gaps: 0, unknownChanges: 0 }
  if (!flags.json && !isFiltered && 'file' in input && isTraceDat(input.start)) {
    const { file } = input
    await writeAll(counted(reportText(file, damage, { ...options, codecs: nodeCodecs }), shown))
    damage.push(...input.damage)
    file.close()
  } else {
    const recording = await openInputRecording(input, options)
    const all = recording.batches()
    const batches = isFiltered ? chosen(all, new EventFilter(recording, flags, pages)) : all
    recording.batches = () => countedBatches(batches, shown)
    await writeAll(flags.json ? eventJson(recording) : eventText(recording))
    damage.push(...recording.damage)
    await recording.close()
  }
  if (isFiltered && shown.events === 0) throw new UsageError(`${path}: no event is one of those that are asked for`)
  const reasons = eventsIncompleteness(shown, damage)
  if (flags.json && reasons.length > 0) process.stdout.write(`${JSON.stringify(completenessJson(reasons))}\n`)
  for (const { reason, text } of reasons)
    complain('lastput events', reason === 'damaged' ? `damaged: ${damageLine(damage)}` : text)
  return reasons.length > 0 ? Exit.INCOMPLETE : Exit.CLEAN
}

/** Lines after the first are events; trace-cmd marks gaps at the line after them. */
async function* counted(texts: AsyncIterable<string>, shown: Shown): AsyncGenerator<string> {
  let isHead = true
  for await (const text of texts) {
    if (!isHead && text !== '') shown.events++
    isHead = false
    if (DROPPED.test(text)) shown.gaps++
    yield text
  }
}

const DROPPED = /^(?:\S+: +)?CPU:\d+ \[(?:\d+ )?EVENTS DROPPED\]/m

async function* countedBatches(batches: AsyncIterable<EventBatch>, shown: Shown): AsyncGenerator<EventBatch> {
  for await (const batch of batches) {
    shown.events += batch.length
    for (const { isUnknownChange, count } of batch.lost) {
      if (isUnknownChange) shown.unknownChanges += count ?? 0
      else shown.gaps++
    }
    yield batch
  }
}

async function writeAll(texts: AsyncIterable<string>): Promise<void> {
  for await (const text of texts) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }
}

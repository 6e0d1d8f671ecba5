// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput events`: what a recording holds, decoded. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { nodeCodecs } from '../node/codecs.ts'
import { openInput, openInputRecording } from '../node/open.ts'
import { eventJson, eventText } from '../print/event-lines.ts'
import { reportText } from '../print/trace-cmd-report.ts'
import { type Damage, type OpenOptions, TraceError } from '../trace/events.ts'
import { isTraceDat } from '../trace/tracedat/file.ts'

interface EventsFlags {
  json?: boolean
  kallsyms: string[]
  buffer?: string
}

const NOTES = `
Of a trace.dat file, all events are shown as by trace-cmd report (3.1.6), with
these limits: events that trace-cmd shows by a plugin or a handler of its own
other than kernel_stack (function, funcgraph, sched_switch, kvm and others) and
trace_printk() are shown by their print format; %pI, %pM, %pU and %ph show the
pointer; __get_bitmask and __get_cpumask are not understood. A format that is
not understood gives [FAILED TO PARSE] and the fields, as there.
Of other recordings, and with --json, the page_ref events and the probes
(lastput_free, lastput_alloc, lastput_use, lastput_memunmap,
lastput_memunmap_end, error_report_end) are shown.

--json: one object a line:
  {"time","cpu","task","pid","event","pfn","flags","count","mapcount","mapping",
   "mt","val","ret"?,"stack"?:[{"function","offset"?,"module"?,"address"?}]}
of a probe:
  {"time","cpu","task","pid","event","pfn"?,"pages"?,"detector"?,"address"?,
   "stack"?}
where events are missing:
  {"lost":{"cpu","count"?,"from"?,"to"?}}
Times in seconds, as decimal text with all digits, or in ticks of a clock that
does not tell how long they are (counter, x86-tsc); pfn, flags, mapping and
addresses as hexadecimal text; "pages" is how many memunmap_pages() gives back
from "pfn" on, "detector" is "kfence", "kasan", "warning" or a number as text.

Examples:
  lastput events trace.dat                   as trace-cmd report shows it
  lastput events trace.dat --json | jq .pfn  for a program

Exit codes: 0 all was read, 1 the file is damaged (what can be read is shown),
2 usage, or nothing can be read.`

export function eventsCommand(): Command {
  return new Command('events')
    .description('show the decoded events of a recording')
    .argument('<file>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .option('--json', 'JSON lines')
    .option(
      '--kallsyms <file>',
      'symbols in the form of /proc/kallsyms that the recording lacks; repeatable',
      collect,
      [],
    )
    .option('--buffer <name>', 'the events of this trace instance only')
    .addHelpText('after', NOTES)
    .action(run)
}

function collect(value: string, values: string[]): string[] {
  return [...values, value]
}

async function run(file: string, flags: EventsFlags): Promise<void> {
  try {
    process.exitCode = await show(file, flags)
  } catch (error) {
    if (!(error instanceof TraceError) && !(error instanceof Error && 'code' in error)) throw error
    process.stderr.write(`lastput events: ${(error as Error).message}\n`)
    process.exitCode = 2
  }
}

async function show(path: string, flags: EventsFlags): Promise<number> {
  const options: OpenOptions = {
    kallsyms: flags.kallsyms.map(path => readFileSync(path, 'utf8')),
    keepRepeated: true,
    ...(flags.buffer === undefined ? {} : { buffer: flags.buffer }),
  }
  const input = await openInput(path)
  const damage: Damage[] = []
  if (!flags.json && 'file' in input && isTraceDat(input.start)) {
    const { file } = input
    await writeAll(reportText(file, damage, { ...options, codecs: nodeCodecs }))
    file.close()
  } else {
    const recording = await openInputRecording(input, options)
    await writeAll(flags.json ? eventJson(recording) : eventText(recording))
    damage.push(...recording.damage)
    await recording.close()
  }
  for (const { file, offset, expected } of damage) {
    process.stderr.write(`lastput events: ${file}: offset ${offset}: ${expected}\n`)
  }
  return damage.length > 0 ? 1 : 0
}

async function writeAll(texts: AsyncIterable<string>): Promise<void> {
  for await (const text of texts) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }
}

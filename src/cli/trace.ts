// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput trace`: what became of every page reference in a recording. */
import { Command } from 'commander'
import { account } from '../ledger/account.ts'
import { KINDS } from '../ledger/findings/registry.ts'
import { damageText, hasAccusation, select, type TraceFilter, traceText } from '../report/trace.ts'
import { traceJson } from '../report/trace-json.ts'
import { givenTime } from '../trace/common/times.ts'
import type { Recording } from '../trace/events.ts'
import {
  guarded,
  openOptions,
  parseCount,
  parsePfn,
  parseTime,
  progressLine,
  type RecordingFlags,
  recordingOptions,
  withRecording,
} from './recordings.ts'
import { wholeRecording, writeReport } from './write-report.ts'

export interface TraceFlags extends RecordingFlags {
  json?: boolean
  html?: string
  full?: boolean
  allPages?: boolean
  pfn?: number
  pagemap?: number
  from?: bigint
  to?: bigint
  older?: bigint
  top: number
  each?: boolean
}

/** Kinds of findings, one a line. */
const kindLines = (accuses: boolean) =>
  KINDS.filter(kind => kind.accuses === accuses)
    .map(({ id, help, shownBy }) => `  ${id.padEnd(18)}${help}${shownBy === 'probes' ? ' (by probes)' : ''}`)
    .join('\n')

const NOTES = `
Findings that accuse:
${kindLines(true)}
Findings that only report:
${kindLines(false)}
docs/findings.md says how each is found, docs/recording.md how to set probes.

Each finding says how sure the fault is and, apart from that, who did it:
certain (so it is in every history that the recording allows), likely, possible.
Where several call sites could be it, they are listed, and none is accused.
Findings that one bug made are one cause, told by one of them. What follows
from a fault is listed under it. Reports of the kernel's own (error_report_end:
a WARN, KASAN) are shown as it told them.

Examples:
  lastput trace trace.dat                          what was found
  lastput trace trace.dat --kallsyms kallsyms.txt  with symbols of modules
  lastput trace - < trace.txt                      text of tracefs' trace file
  lastput trace trace.dat --html report.html       a report to look at or mail
  lastput trace trace.dat --pfn 0xfcf83fc --json   one page, for a program

Exit codes: 0 nothing was found, 1 findings that accuse or reports of the
kernel's own, 2 usage, or an unusable file.`

export function traceCommand(): Command {
  return recordingOptions(new Command('trace'))
    .description('account for every page reference in a recording of page_ref events')
    .argument('<file...>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .option('--json', 'JSON (schema lastput.trace/2); an array where several files are given')
    .option('--html <file>', 'write a report that any browser opens: one file, with all it needs inside')
    .option('--full', 'with --html: put the whole recording into the report, with every page over time')
    .option('--pfn <pfn>', 'findings of this page only', parsePfn)
    .option('--pagemap <pfn>', 'findings of the pagemap that this page belongs to', parsePfn)
    .option('--from <seconds>', 'findings from this time on', parseTime)
    .option('--to <seconds>', 'findings up to this time', parseTime)
    .option('--older <seconds>', 'of the pages held at the end, those held for at least that long', parseTime)
    .option('--top <n>', 'causes and held pages to show', parseCount, 20)
    .option('--each', 'show every finding in full, not only one for each cause')
    .option('--all-pages', 'account for ordinary pages too, not only for device pages')
    .addHelpText('after', NOTES)
    .action((files: string[], flags: TraceFlags) => guarded('trace', () => traceAll(files, flags)))
}

interface Result {
  text: string[]
  json: object
  accused: boolean
}

async function traceAll(files: string[], flags: TraceFlags): Promise<number> {
  if (flags.html !== undefined && files.length > 1) {
    process.stderr.write('lastput trace: --html takes one recording\n')
    return 2
  }
  const results: Result[] = []
  for (const file of files)
    results.push(await withRecording(file, flags, recording => traceRecording(recording, flags)))
  if (flags.html !== undefined) await writeHtml(flags.html, files[0]!, results[0]!, flags)
  if (flags.json) {
    const json = results.length === 1 ? results[0]!.json : results.map(result => result.json)
    process.stdout.write(`${JSON.stringify(json, undefined, 1)}\n`)
  } else {
    process.stdout.write(`${results.map(result => result.text.join('\n')).join('\n\n')}\n`)
  }
  return results.some(result => result.accused) ? 1 : 0
}

async function writeHtml(html: string, file: string, { json }: Result, flags: TraceFlags): Promise<void> {
  const { allPages, protocol } = flags
  const whole = flags.full ? await wholeRecording(file, { ...openOptions(flags), allPages, protocol }) : undefined
  await writeReport(html, json, `lastput trace ${file}`, whole)
}

/** Accounts for an opened recording as the command line wants it. */
export async function traceRecording(recording: Recording, flags: TraceFlags): Promise<Result> {
  const progress = progressLine('trace')
  const made = await account(recording, {
    allPages: flags.allPages,
    protocol: flags.protocol,
    onProgress: progress.show,
  })
  progress.clear()
  const selected = select(made, filterOf(flags, recording))
  const { damage } = recording
  if (flags.json) for (const each of damage) process.stderr.write(`lastput trace: ${damageText(each)}\n`)
  return {
    text: traceText(selected, damage, { top: flags.top, each: flags.each }),
    json: traceJson(selected, damage),
    accused: hasAccusation(selected),
  }
}

function filterOf(flags: TraceFlags, { timeBase, info }: Recording): TraceFilter {
  const given = (time: bigint | undefined, since: bigint) =>
    time === undefined ? undefined : Number(givenTime(time, info) - since)
  return {
    pfn: flags.pfn,
    pagemap: flags.pagemap,
    from: given(flags.from, timeBase),
    to: given(flags.to, timeBase),
    older: given(flags.older, 0n),
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput trace`: accounts for every page reference in a recording. */
import { Command, Option } from 'commander'
import { type Account, account, type Presence } from '../ledger/account.ts'
import { type FindingKind, KINDS } from '../ledger/findings/registry.ts'
import type { Others } from '../ledger/learn/fleet.ts'
import type { PageRange } from '../ledger/track/page-range.ts'
import { damageLine, incompleteness } from '../report/completeness.ts'
import { pagemapOf, select, type TraceFilter } from '../report/filter.ts'
import { endOf, hasAccusation, traceText } from '../report/trace.ts'
import { traceJson } from '../report/trace-json.ts'
import { rangeText } from '../report/words.ts'
import { givenTime, timeText } from '../trace/common/times.ts'
import type { Recording } from '../trace/events.ts'
import { shown } from './colour.ts'
import { complain } from './complain.ts'
import { guarded, inputError, UsageError } from './errors.ts'
import { Exit, exitFor, exitOf } from './exit-codes.ts'
import { isFleet, learnTogether } from './fleet.ts'
import {
  absentFunctions,
  absentTasks,
  functionOption,
  knownPagemaps,
  noPagemap,
  noteTasks,
  oneOfOption,
  openOptions,
  pagesOption,
  parseCount,
  parsePfn,
  parseTime,
  progressLine,
  type RecordingFlags,
  recordingOptions,
  refuseEmptyTime,
  ruleOptions,
  taskOption,
  timesOf,
  withRecording,
} from './recordings.ts'
import { outputFile } from './strict.ts'
import { wholeRecording, writeReport } from './write-report.ts'

export interface TraceFlags extends RecordingFlags {
  json?: boolean
  html?: string
  full?: boolean
  perfetto?: string
  parquet?: string
  allPages?: boolean
  pfn?: PageRange[]
  pagemap?: number
  kind?: FindingKind[]
  function?: string[]
  task?: string[]
  from?: bigint
  to?: bigint
  older?: bigint
  top?: number
  each?: boolean
  alone?: boolean
}

/** Lists kinds of findings for the help, one per line. */
const kindLines = (accuses: boolean) =>
  KINDS.filter(kind => kind.accuses === accuses)
    .map(({ id, help, shownBy }) => `  ${id.padEnd(18)}${help}${shownBy === 'probes' ? ' (by probes)' : ''}`)
    .join('\n')

const NOTES = `
Findings that accuse:
${kindLines(true)}
Findings that only report:
${kindLines(false)}
See docs/findings.md for how each is found, docs/recording.md for probes.

Each finding rates the fault and, separately, the culprit: certain (true in
every history that the recording allows), likely or possible. If several call
sites could be the culprit, they are listed and none is accused. Findings of one
bug are grouped into a cause, which shows one of them. Consequences of a fault
are listed under it. Reports of the kernel itself (error_report_end: a WARN,
KASAN) are shown as they are.

Examples:
  lastput trace trace.dat                          find leaks and other faults
  lastput trace trace.dat --kallsyms kallsyms.txt  with symbols of modules
  lastput trace - < trace.txt                      text of tracefs' trace file
  lastput trace trace.dat --html report.html       a report to look at or mail
  lastput trace trace.dat --pfn 0xfcf83fc --json   one page, for a program
  lastput trace trace.dat --device 0xfc000-0xfdfff pages of a BAR, of which the
                                                   recording does not tell
  lastput trace trace.dat --perfetto trace.pftrace for ui.perfetto.dev
  lastput trace trace.dat --parquet tables/        for DuckDB (docs/export.md)
  lastput trace host*.dat                          several, sharing their laws

Exit codes: 0 all was judged and nothing found, 1 findings that accuse or
reports of the kernel itself, 2 wrong usage or an unusable file, 3 nothing was
found, but something may have been missed: damage, lost events, no event at all.
JSON has that as "complete" and "reasons".`

export function traceCommand(): Command {
  return recordingOptions(new Command('trace'))
    .description('account for every page reference in a recording of page_ref events')
    .argument('<file...>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .addOption(
      new Option('--json', 'JSON (schema lastput.trace/3); an array if several files are given').conflicts([
        'top',
        'each',
      ]),
    )
    .option('--html <file>', 'write a self-contained report for any browser', outputFile)
    .option('--full', 'with --html: include the whole recording, to show every page over time')
    .option(
      '--perfetto <file>',
      "write pages, lifetimes, holders and findings as a trace for Perfetto's viewer",
      outputFile,
    )
    .option('--parquet <folder>', 'write events, lives, references and findings as tables for SQL', outputFile)
    .addOption(pagesOption('findings of these pages only, as 0x10,0x20-0x2f; repeatable'))
    .option('--pagemap <pfn>', 'findings of the pagemap that this page belongs to', parsePfn)
    .addOption(
      oneOfOption(
        '--kind <kind>',
        'findings of this kind only (below); repeatable',
        KINDS.map(({ id }) => id),
      ),
    )
    .addOption(functionOption('findings with this function in the stack of the culprit; repeatable'))
    .addOption(taskOption('findings by this task: a name, a pid or name-pid; repeatable'))
    .option('--from <seconds>', 'findings from this time on', parseTime)
    .option('--to <seconds>', 'findings up to this time', parseTime)
    .option('--older <seconds>', 'of the pages held at the end, those held at least that long', parseTime)
    .option('--top <n>', 'causes and held pages to show; 20 unless said', parseCount)
    .option('--each', 'show every finding in full, not only one for each cause')
    .option('--alone', 'of several recordings, learn the laws of each from itself only')
    .option('--all-pages', 'account for ordinary pages too, not only for device pages')
    .addHelpText('after', NOTES)
    .action((files: string[], flags: TraceFlags) => guarded('trace', () => traceAll(files, flags)))
}

interface Result {
  text: string[]
  json: object
  exit: Exit
  /** Messages about pages, functions, tasks and times of the filter that this recording does not have. */
  absent: string[]
}

/** Number of causes, and of held pages, that the text shows by default. */
const TOP = 20

async function traceAll(files: string[], flags: TraceFlags): Promise<Exit> {
  refuseContradictions(files, flags)
  const fleet = isFleet(files, flags) ? await learnTogether(files, flags) : undefined
  const results: (Result | undefined)[] = []
  for (const file of files) results.push(await traceOne(file, flags, files.length > 1, fleet?.others(file)))
  const judged = results.filter(result => result !== undefined)
  if (judged.length === 0) return Exit.UNUSABLE
  const [{ absent }] = judged as [Result]
  const nowhere = absent.find(what => judged.every(result => result.absent.includes(what)))
  if (nowhere !== undefined) throw new UsageError(nowhere)
  if (flags.html !== undefined) await writeHtml(flags.html, files[0]!, judged[0]!, flags)
  if (flags.json) {
    const json = files.length === 1 ? judged[0]!.json : judged.map(result => result.json)
    process.stdout.write(`${JSON.stringify(json, undefined, 1)}\n`)
  } else {
    const texts = judged.map(result => result.text.join('\n'))
    if (judged.length > 1) texts.push(await summaryOf(judged))
    process.stdout.write(`${shown(texts.join('\n\n'))}\n`)
  }
  return exitOf(results.map(result => result?.exit ?? Exit.UNUSABLE))
}

/** Summarises the findings of several recordings by cause. */
async function summaryOf(judged: readonly Result[]): Promise<string> {
  const { answersOf, fleetOf, fleetText } = await import('../report/merge.ts')
  return fleetText(fleetOf(judged.map(({ json }) => answersOf('trace', json)))).join('\n')
}

/** @throws UsageError for combinations in which an option would have no effect */
function refuseContradictions(files: readonly string[], flags: TraceFlags): void {
  const { html, full, from, to } = flags
  for (const option of ['html', 'perfetto', 'parquet'] as const)
    if (flags[option] !== undefined && files.length > 1) throw new UsageError(`--${option} takes one recording`)
  if (full && html === undefined) throw new UsageError('--full says what is put into a report: add --html FILE')
  refuseEmptyTime({ from, to })
  if (flags.alone && files.length === 1) throw new UsageError('--alone is about several recordings')
  if (files.filter(file => file === '-').length > 1) throw new UsageError('standard input can be read once')
}

/** Judges one recording. If it is unusable but one of several, prints the error and returns undefined, so that the rest go on. */
async function traceOne(
  file: string,
  flags: TraceFlags,
  isOneOfSeveral: boolean,
  others: Others | undefined,
): Promise<Result | undefined> {
  try {
    return await withRecording(file, flags, recording => traceRecording(recording, flags, others))
  } catch (error) {
    const message = inputError(error)
    if (!isOneOfSeveral || message === undefined) throw error
    complain('lastput trace', message)
    return undefined
  }
}

async function writeHtml(html: string, file: string, { json }: Result, flags: TraceFlags): Promise<void> {
  const options = { ...openOptions(flags), ...ruleOptions(flags), allPages: flags.allPages }
  const whole = flags.full ? await wholeRecording(file, options) : undefined
  await writeReport(html, json, `lastput trace ${file}`, whole)
}

/** Accounts for an opened recording according to the command's options. */
export async function traceRecording(opened: Recording, flags: TraceFlags, others?: Others): Promise<Result> {
  const { recording, pids } = noteTasks(opened, flags.task)
  const progress = progressLine('trace')
  const { allPages, pfn: ask, perfetto, parquet } = flags
  const isShared = others !== undefined
  const options = { ...ruleOptions(flags), allPages, ask, others, isShared, onProgress: progress.show }
  const isExported = perfetto !== undefined || parquet !== undefined
  const { account: made, notes } = isExported
    ? await (await import('./export.ts')).accountAndExport(recording, { perfetto, parquet }, options)
    : { account: await account(recording, options), notes: [] }
  progress.clear()
  for (const note of notes) complain('lastput trace', note)
  const filter = filterOf(flags, recording)
  const selected = select(made, filter)
  const { damage } = recording
  if (flags.json && damage.length > 0) complain('lastput trace', `damaged: ${damageLine(damage)}`)
  return {
    text: traceText(selected, damage, { top: flags.top ?? TOP, each: flags.each }),
    json: traceJson(selected, damage),
    exit: exitFor({ found: hasAccusation(selected), complete: incompleteness(made, damage).length === 0 }),
    absent: [
      ...absentOf(made, flags, filter),
      ...absentFunctions(recording, flags.function),
      ...absentTasks(recording, pids, flags.task),
    ],
  }
}

function filterOf(flags: TraceFlags, recording: Recording): TraceFilter {
  const { first, last } = timesOf(recording, flags.from, flags.to)
  return {
    pages: flags.pfn,
    pagemap: flags.pagemap,
    kinds: flags.kind,
    functions: flags.function,
    tasks: flags.task,
    from: flags.from === undefined ? undefined : first,
    to: flags.to === undefined ? undefined : last,
    older: flags.older === undefined ? undefined : Number(givenTime(flags.older, recording.info)),
  }
}

const LEFT_OUT = 'are ordinary pages, which are left out: --all-pages accounts for them'

/** Messages about pages and times of the filter that the recording does not have: that nothing was found there proves nothing. */
function absentOf(made: Account, { pfn = [], pagemap, device = [] }: TraceFlags, { from, to }: TraceFilter): string[] {
  const known = knownPagemaps(made.pagemaps)
  const pages = pfn.flatMap((range, i) => {
    const presence: Presence = made.asked[i]!
    if (presence === 'accounted') return []
    if (presence === 'left-out') return [`--pfn ${rangeText(range)}: these ${LEFT_OUT}`]
    return [`--pfn ${rangeText(range)}: no such page occurs; ${known}`]
  })
  const named = device
    .filter(({ first, last }) => !made.pagemaps.some(each => each.firstPfn <= last && each.lastPfn >= first))
    .map(range => `--device ${rangeText(range)}: no such page occurs; ${known}`)
  const map = pagemap === undefined || pagemapOf(made, pagemap) ? [] : [noPagemap(pagemap, made.pagemaps)]
  const end = endOf(made)
  const span = `the recording goes from ${timeText(made.firstTime, made)} to ${timeText(end, made)}`
  const late = from !== undefined && from > end ? [`--from is after the end: ${span}`] : []
  const early = to !== undefined && to < made.firstTime ? [`--to is before the first event: ${span}`] : []
  return [...pages, ...named, ...map, ...(Number.isFinite(made.firstTime) ? [...late, ...early] : [])]
}

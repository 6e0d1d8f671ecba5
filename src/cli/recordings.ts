// SPDX-License-Identifier: GPL-2.0-or-later
/** Shared by the commands that read recordings: options, opening, progress and errors. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type AccountOptions, account, type PagemapSummary } from '../ledger/account.ts'
import type { PageRange } from '../ledger/track/page-range.ts'
import { PROTOCOL_IDS, type ProtocolId } from '../linux/protocols/rules.ts'
import { type FileOptions, openFile } from '../node/open.ts'
import { isTask, pagemapOf } from '../report/filter.ts'
import { readPages, readPfn } from '../report/page-ranges.ts'
import { grouped, pfnText, rangeText } from '../report/words.ts'
import { tapped } from '../trace/common/tap.ts'
import { givenTime, shownStep } from '../trace/common/times.ts'
import type { EventBatch, Recording } from '../trace/events.ts'
import { CountsFile } from '../trace/perfdata/watch/counts-file.ts'
import { readText, UsageError } from './errors.ts'
import { readSymbols } from './kallsyms.ts'
import { repeatable } from './strict.ts'

export interface RecordingFlags {
  kallsyms: string[]
  buffer?: string
  vmemmap?: bigint
  counts?: string
  protocol?: ProtocolId
  device?: PageRange[]
}

/** Adds the options of every command that accounts for a recording. */
export function recordingOptions(command: Command): Command {
  return command
    .addOption(kallsymsOption())
    .option('--buffer <name>', 'the events of this trace instance only')
    .addOption(vmemmapOption())
    .addOption(countsOption())
    .addOption(
      new Option('--protocol <id>', 'judge by this protocol instead of the one recognised').choices(PROTOCOL_IDS),
    )
    .addOption(
      repeatable(
        new Option(
          '--device <pages>',
          'these are device memory, where the recording does not tell: ranges of /proc/iomem as pages; repeatable',
        ).argParser(parsePages),
      ),
    )
}

/** What a command's options say of the pages of a recording. */
export function ruleOptions({ protocol, device }: RecordingFlags): Pick<AccountOptions, 'protocol' | 'device'> {
  return { protocol, device }
}

/** `--kallsyms FILE`, which can be given several times. */
export function kallsymsOption(
  name = '--kallsyms',
  what = 'symbols in the form of /proc/kallsyms that the recording lacks; repeatable',
): Option {
  const option = new Option(`${name} <file>`, what)
  return repeatable(option.argParser((value: string, values: string[]) => [...values, value]).default([], 'none'))
}

/** `--vmemmap ADDRESS`, needed for recordings of watched counts. */
export function vmemmapOption(): Option {
  const description = 'where the memory map was, of counts watched by debug registers beyond 64 GiB'
  return new Option('--vmemmap <address>', description).argParser(parseAddress)
}

/** `--counts FILE`, used with recordings of watched counts. */
export function countsOption(): Option {
  const description = 'counts of watched pages at the start: counts.txt of record, or JSON of core --live'
  return new Option('--counts <file>', description)
}

/** @throws UsageError for a file that does not list the counts of pages */
function readCounts(path: string): CountsFile {
  const counts = new CountsFile(readText(path))
  const form =
    'expected lines "0xPFN COUNT" as in counts.txt of lastput record, or JSON of lastput core with --pages or --any-page'
  if (counts.wrongLine > 0) throw new UsageError(`${path}: line ${counts.wrongLine}: ${form}`)
  if (counts.size === 0) throw new UsageError(`${path}: ${form}, found no page`)
  return counts
}

function parseAddress(text: string): bigint {
  if (!/^(0x)?[0-9a-f]{16}$/i.test(text))
    throw new InvalidArgumentError('expected an address of the kernel, such as 0xffffea0000000000')
  return BigInt(text.startsWith('0x') ? text : `0x${text}`)
}

export function openOptions(flags: Pick<RecordingFlags, 'kallsyms' | 'buffer' | 'vmemmap' | 'counts'>): FileOptions {
  return {
    kallsyms: flags.kallsyms.map(readSymbols),
    ...(flags.buffer === undefined ? {} : { buffer: flags.buffer }),
    ...(flags.vmemmap === undefined ? {} : { vmemmap: flags.vmemmap }),
    ...(flags.counts === undefined ? {} : { counts: readCounts(flags.counts) }),
  }
}

/** Opens a recording, passes it to a function, and closes it in any case. */
export async function withRecording<T>(
  path: string,
  flags: RecordingFlags,
  use: (recording: Recording) => Promise<T>,
): Promise<T> {
  const recording = await openFile(path, openOptions(flags))
  try {
    return await use(recording)
  } finally {
    await recording.close()
  }
}

/** Shows the progress of reading, if stderr is a terminal and reading takes more than a second. */
export function progressLine(command: string): { show: NonNullable<AccountOptions['onProgress']>; clear: () => void } {
  const started = Date.now()
  let shown = 0
  return {
    show({ events, done, total }) {
      const now = Date.now()
      if (!process.stderr.isTTY || now - started < 1000 || now - shown < 200) return
      shown = now
      const part = total ? ` ${Math.floor((100 * done) / total)} %` : ''
      const rate = ((events / (now - started)) * 1e3) / 1e6
      process.stderr.write(`\r\x1b[Klastput ${command}:${part} ${grouped(events)} events, ${rate.toFixed(1)} M/s`)
    },
    clear() {
      if (shown > 0) process.stderr.write('\r\x1b[K')
    },
  }
}

/** Parses a pfn in hex, with or without 0x. */
export function parsePfn(text: string): number {
  const pfn = readPfn(text)
  if (pfn === undefined) throw new InvalidArgumentError('expected a page frame number in hex, such as 0xfcf83fc')
  return pfn
}

/** Parses pages and ranges of pages, separated by commas, and appends them to those of earlier uses of the option. */
export function parsePages(text: string, before: readonly PageRange[] = []): PageRange[] {
  const ranges = readPages(text)
  if (ranges) return [...before, ...ranges]
  for (const pfn of text.split(/[,-]/)) parsePfn(pfn)
  throw new InvalidArgumentError('expected pages or ranges of them, such as 0xfcf83fc or 0xfcf8000-0xfcf80ff')
}

/** `--pfn PAGES`, which can be given several times. */
export function pagesOption(description: string): Option {
  return repeatable(new Option('--pfn <pages>', description)).argParser(parsePages)
}

/** `--function NAME`, which can be given several times. */
export function functionOption(description: string): Option {
  return repeatable(new Option('--function <name>', description)).argParser(collect)
}

/** `--task NAME`, which can be given several times. */
export function taskOption(description: string): Option {
  return repeatable(new Option('--task <task>', description)).argParser(collect)
}

/** An option whose value is one of `values`, and which can be given several times. */
export function oneOfOption(flags: string, description: string, values: readonly string[]): Option {
  const parse = (value: string, before: readonly string[] = []) => {
    if (!values.includes(value)) throw new InvalidArgumentError(`expected one of ${values.join(', ')}`)
    return collect(value, before)
  }
  return repeatable(new Option(flags, description)).argParser(parse)
}

const collect = (value: string, before: readonly string[] = []) => [...before, value]

/** Returns an error message for each wanted function that occurs in no stack of the recording. */
export function absentFunctions({ stacks, info }: Recording, functions: readonly string[] = []): string[] {
  if (functions.length === 0) return []
  const names = new Set<string>()
  for (let stack = 1; stack < stacks.size; stack++)
    for (const frame of stacks.frames(stack)) names.add(stacks.frame(frame).name)
  return functions
    .filter(name => !names.has(name))
    .map(name => `--function ${name}: no stack of ${info.file} has it, where functions are without offset and module`)
}

/**
 * Returns the recording and the pids of its events, which fill in as the recording is read. Without wanted tasks the pids are not
 * collected.
 */
export function noteTasks(
  recording: Recording,
  wanted: readonly string[] = [],
): { recording: Recording; pids: ReadonlySet<number> } {
  const pids = new Set<number>()
  if (wanted.length === 0) return { recording, pids }
  const see = ({ pid, length }: EventBatch) => {
    for (let row = 0; row < length; row++) pids.add(pid[row]!)
  }
  return { recording: tapped(recording, see), pids }
}

/** Returns an error message for each wanted task that has no event in the recording. */
export function absentTasks(
  { tasks, info }: Recording,
  pids: ReadonlySet<number>,
  wanted: readonly string[] = [],
): string[] {
  return wanted
    .filter(task => ![...pids].some(pid => isTask(tasks.name(pid), pid, [task])))
    .map(task => `--task ${task}: no event of ${info.file} is of such a task`)
}

/**
 * Returns the pages of `--pfn` that belong to the pagemap of `--pagemap`; all of them where only one of the two is given. The
 * recording is read an additional time for the pagemap.
 */
export async function chosenPages(
  path: string,
  flags: RecordingFlags & { pfn?: PageRange[]; pagemap?: number },
): Promise<PageRange[]> {
  const { pfn, pagemap } = flags
  if (pagemap === undefined) return pfn ?? []
  if (path === '-') throw new UsageError('--pagemap has the recording read twice, and standard input can be read once')
  const { pagemaps } = await withRecording(path, flags, recording => account(recording, ruleOptions(flags)))
  const range = pagemapOf({ pagemaps }, pagemap)
  if (!range) throw new UsageError(noPagemap(pagemap, pagemaps))
  const pages = (pfn ?? [range]).map(({ first, last }) => ({
    first: Math.max(first, range.first),
    last: Math.min(last, range.last),
  }))
  const outside = pages.findIndex(({ first, last }) => first > last)
  if (outside >= 0)
    throw new UsageError(`--pfn ${rangeText(pfn![outside]!)}: not in the pagemap of --pagemap, ${rangeText(range)}`)
  return pages
}

export function noPagemap(pfn: number, pagemaps: readonly PagemapSummary[]): string {
  return `--pagemap ${pfnText(pfn)}: no pagemap has it; ${knownPagemaps(pagemaps)}`
}

/** Names the first few pagemaps of a recording, for error messages. */
export function knownPagemaps(pagemaps: readonly PagemapSummary[]): string {
  const ranges = pagemaps.map(map => rangeText({ first: map.firstPfn, last: map.lastPfn }))
  return ranges.length === 0 ? 'it has no pages' : `its pagemaps are ${ranges.slice(0, 4).join(', ')}`
}

/** @throws UsageError if `from` is later than `to` */
export function refuseEmptyTime({ from, to }: { from?: bigint | undefined; to?: bigint | undefined }): void {
  if (from !== undefined && to !== undefined && from > to)
    throw new UsageError('--from is later than --to: no time is between them')
}

/**
 * Converts the times of `--from` and `--to` to the unit of `EventBatch.time`. The bounds are widened by half of the last digit
 * that is shown, so that they include events whose time is printed as the given one.
 */
export function timesOf(
  { timeBase, info }: Pick<Recording, 'timeBase' | 'info'>,
  from: bigint | undefined,
  to: bigint | undefined,
): { first: number; last: number } {
  const half = Math.floor(shownStep(info) / 2)
  const since = (time: bigint) => Number(givenTime(time, info) - timeBase)
  return {
    first: from === undefined ? -Infinity : since(from) - half,
    last: to === undefined ? Infinity : since(to) + half,
  }
}

/**
 * Parses a time in seconds of the recording's clock, with up to nine decimals. @returns ns, which `givenTime` converts to ticks
 * for recordings whose clock counts ticks
 */
export function parseTime(text: string): bigint {
  const digits = /^(\d{1,20})(?:\.(\d{1,9}))?$/.exec(text)
  if (!digits)
    throw new InvalidArgumentError('expected seconds, or ticks, as the recording counts them, such as 5.966999')
  return BigInt(digits[1]!) * 1_000_000_000n + BigInt((digits[2] ?? '').padEnd(9, '0'))
}

export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

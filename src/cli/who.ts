// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput who`: lists every reference that is held on pages at a given time. */
import { Command } from 'commander'
import { type PagesHeld, whoHolds } from '../ledger/account.ts'
import type { PageRange } from '../ledger/track/page-range.ts'
import { damageLine, whoIncompleteness } from '../report/completeness.ts'
import { isGiven } from '../report/filter.ts'
import { isHeld, selectHolders, whoJson, whoText } from '../report/who.ts'
import { pfnText, rangeText } from '../report/words.ts'
import { givenTime, shownStep, timeText } from '../trace/common/times.ts'
import type { Recording } from '../trace/events.ts'
import { complain } from './complain.ts'
import { guarded, UsageError } from './errors.ts'
import { type Exit, exitFor } from './exit-codes.ts'
import {
  absentFunctions,
  absentTasks,
  chosenPages,
  functionOption,
  noteTasks,
  pagesOption,
  parseCount,
  parsePfn,
  parseTime,
  progressLine,
  type RecordingFlags,
  recordingOptions,
  ruleOptions,
  taskOption,
  withRecording,
} from './recordings.ts'

interface WhoFlags extends RecordingFlags {
  json?: boolean
  pfn?: PageRange[]
  pagemap?: number
  function?: string[]
  task?: string[]
  top?: number
  at?: bigint
}

const NOTES = `
Examples:
  lastput who trace.dat --pfn 0xfcf83fc                at the end
  lastput who trace.dat --pfn 0xfcf83fc --at 5.966999  after that time's events
  lastput who trace.dat --pfn 0xfcf8000-0xfcf83ff      pages of a range in use
  lastput who trace.dat --pagemap 0xfcf8000 --task dd  what dd holds of a device

Exit codes: 0 no page is held, 1 a page is held, 2 wrong usage, or a file or
page that does not exist, 3 no page is seen to be held, but something may have
been missed: damage, lost events. JSON has that as "complete" and "reasons".`

export function whoCommand(): Command {
  return recordingOptions(new Command('who'))
    .description('who holds pages at a time: every reference, by whom, since when, with stacks')
    .argument('<file>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .addOption(pagesOption('a page, or pages as 0x10,0x20-0x2f, of which those in use are shown; repeatable'))
    .option('--pagemap <pfn>', 'the pagemap that this page belongs to', parsePfn)
    .addOption(functionOption('references with this function in the stack that took them; repeatable'))
    .addOption(taskOption('references that this task took: a name, a pid or name-pid; repeatable'))
    .option('--at <seconds>', 'time, as the recording counts it (default: its end)', parseTime)
    .option('--top <n>', 'pages in use to show; 20 unless said', parseCount)
    .option('--json', 'JSON (schema lastput.who/4)')
    .addHelpText('after', NOTES)
    .action((file: string, flags: WhoFlags) => guarded('who', () => who(file, flags)))
}

async function who(file: string, flags: WhoFlags): Promise<Exit> {
  const { pfn = [], pagemap, json, top } = flags
  if (pfn.length === 0 && pagemap === undefined) throw new UsageError('of which page: add --pfn PAGES or --pagemap PFN')
  if (json && top !== undefined) throw new UsageError('--top limits the text: --json has all pages')
  const ranges = await chosenPages(file, flags)
  return await withRecording(file, flags, recording => whoIn(recording, ranges, flags))
}

async function whoIn(opened: Recording, ranges: PageRange[], flags: WhoFlags): Promise<Exit> {
  const { recording, pids } = noteTasks(opened, flags.task)
  const progress = progressLine('who')
  const { info, timeBase } = recording
  // Times are shown rounded, so that `--at 5.966999` has to include an event at 5.9669990004.
  const rounding = Math.ceil(shownStep(info) / 2) - 1
  const at = flags.at === undefined ? Infinity : Number(givenTime(flags.at, info) - timeBase) + rounding
  const all = await whoHolds(recording, ranges, at, { ...ruleOptions(flags), onProgress: progress.show })
  progress.clear()
  if (all.absent.length > 0) throw new UsageError(absentText(all, flags, at, recording))
  const [absent] = [...absentFunctions(recording, flags.function), ...absentTasks(recording, pids, flags.task)]
  if (absent !== undefined) throw new UsageError(absent)
  const found = selectHolders(all, { functions: flags.function, tasks: flags.task })
  const isFiltered = isGiven(flags.function) || isGiven(flags.task)
  const isOne = ranges.length === 1 && ranges[0]!.first === ranges[0]!.last && found.pages.length > 0
  const text = flags.json
    ? JSON.stringify(whoJson(found, at, recording), undefined, 1)
    : whoText(found, at, recording, { isOne, isFiltered, top: flags.top }).join('\n')
  process.stdout.write(`${text}\n`)
  const { damage } = recording
  if (damage.length > 0) complain('lastput who', `damaged: ${damageLine(damage)}`)
  return exitFor({ found: found.pages.some(isHeld), complete: whoIncompleteness(found, damage).length === 0 })
}

/** The error message for pages that the recording does not have; it names some that it has. */
function absentText(
  { pagemaps, lastTime, probed, absent }: PagesHeld,
  { at: given }: WhoFlags,
  at: number,
  recording: Recording,
): string {
  const [page] = probed
  if (page !== undefined)
    return `${recording.info.file}: probes tell of page ${pfnText(page)}, but no count was recorded, so that nobody can say who holds it; lastput trace says whether it came back, lastput events --pfn ${pfnText(page)} shows its probes`
  const when = given === undefined ? '' : ` up to ${timeText(at, recording)}`
  const ranges = pagemaps.map(
    map => `${rangeText({ first: map.firstPfn, last: map.lastPfn })}${map.device ? '' : ' (ordinary pages)'}`,
  )
  const pages =
    ranges.length > 0
      ? `pages that do: ${ranges.slice(0, 4).join(', ')}${ranges.length > 4 ? ', ...' : ''}`
      : 'no page does'
  const span =
    given !== undefined && Number.isFinite(lastTime) ? `; its last event is at ${timeText(lastTime, recording)}` : ''
  return `${recording.info.file}: no event of page ${absent.map(rangeText).join(', ')} occurs${when}; ${pages}${span}`
}

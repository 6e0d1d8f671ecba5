// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput who`: every reference held on a page at a time. */
import { Command } from 'commander'
import { type Absent, whoHolds } from '../ledger/account.ts'
import { damageLine, whoIncompleteness } from '../report/completeness.ts'
import { whoJson, whoText } from '../report/who.ts'
import { pfnText, rangeText } from '../report/words.ts'
import { givenTime, shownStep, timeText } from '../trace/common/times.ts'
import type { Recording } from '../trace/events.ts'
import { complain } from './complain.ts'
import { guarded, UsageError } from './errors.ts'
import { type Exit, exitFor } from './exit-codes.ts'
import {
  parsePfn,
  parseTime,
  progressLine,
  type RecordingFlags,
  recordingOptions,
  withRecording,
} from './recordings.ts'

interface WhoFlags extends RecordingFlags {
  json?: boolean
  pfn: number
  at?: bigint
}

const NOTES = `
Examples:
  lastput who trace.dat --pfn 0xfcf83fc                at the end
  lastput who trace.dat --pfn 0xfcf83fc --at 5.966999  after that time's events

Exit codes: 0 nobody holds it, 1 somebody does, 2 usage, or a file or page that
is not there, 3 nobody is seen to hold it, but something may have been missed:
damage, lost events. --json says so by "complete" and "reasons".`

export function whoCommand(): Command {
  return recordingOptions(new Command('who'))
    .description('who holds a page at a time: every reference, by whom, since when, with stacks')
    .argument('<file>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .requiredOption('--pfn <pfn>', 'the page', parsePfn)
    .option('--at <seconds>', 'time, as the recording counts it (default: its end)', parseTime)
    .option('--json', 'JSON (schema lastput.who/3)')
    .addHelpText('after', NOTES)
    .action((file: string, flags: WhoFlags) => guarded('who', () => who(file, flags)))
}

function who(file: string, flags: WhoFlags): Promise<Exit> {
  return withRecording(file, flags, async recording => {
    const progress = progressLine('who')
    const { info, timeBase } = recording
    // Times are shown rounded, so an event at 5.9669990004 is one "at 5.966999".
    const rounding = Math.ceil(shownStep(info) / 2) - 1
    const at = flags.at === undefined ? Infinity : Number(givenTime(flags.at, info) - timeBase) + rounding
    const found = await whoHolds(recording, flags.pfn, at, { protocol: flags.protocol, onProgress: progress.show })
    progress.clear()
    if (!('holders' in found)) throw new UsageError(absentText(found, flags, at, recording))
    const text = flags.json
      ? JSON.stringify(whoJson(found, at, recording), undefined, 1)
      : whoText(found, at, recording).join('\n')
    process.stdout.write(`${text}\n`)
    const { damage } = recording
    if (damage.length > 0) complain('lastput who', `damaged: ${damageLine(damage)}`)
    const complete = whoIncompleteness(found, damage).length === 0
    return exitFor({ found: found.count !== (found.idleCount ?? 0) || found.holders.length > 0, complete })
  })
}

/** Why nothing can be said of the page, and which pages there are. */
function absentText(
  { pagemaps, lastTime, isProbed }: Absent,
  { pfn, at: given }: WhoFlags,
  at: number,
  recording: Recording,
): string {
  if (isProbed)
    return `${recording.info.file}: probes tell of page ${pfnText(pfn)}, but no count was recorded, so that nobody can say who holds it; lastput trace says whether it came back, lastput events --pfn ${pfnText(pfn)} shows its probes`
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
  return `${recording.info.file}: no event of page ${pfnText(pfn)} occurs${when}; ${pages}${span}`
}

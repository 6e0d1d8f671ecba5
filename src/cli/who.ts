// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput who`: every reference held on a page at a time. */
import { Command } from 'commander'
import { whoHolds } from '../ledger/account.ts'
import { whoJson, whoText } from '../report/who.ts'
import { pfnText } from '../report/words.ts'
import { givenTime, shownStep } from '../trace/common/times.ts'
import { TraceError } from '../trace/events.ts'
import {
  guarded,
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
is not there.`

export function whoCommand(): Command {
  return recordingOptions(new Command('who'))
    .description('who holds a page at a time: every reference, by whom, since when, with stacks')
    .argument('<file>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .requiredOption('--pfn <pfn>', 'the page', parsePfn)
    .option('--at <seconds>', 'time, as the recording counts it (default: its end)', parseTime)
    .option('--json', 'JSON (schema lastput.who/2)')
    .addHelpText('after', NOTES)
    .action((file: string, flags: WhoFlags) => guarded('who', () => who(file, flags)))
}

function who(file: string, flags: WhoFlags): Promise<number> {
  return withRecording(file, flags, async recording => {
    const progress = progressLine('who')
    const { info, timeBase } = recording
    // Times are shown rounded, so an event at 5.9669990004 is one "at 5.966999".
    const rounding = Math.ceil(shownStep(info) / 2) - 1
    const at = flags.at === undefined ? Infinity : Number(givenTime(flags.at, info) - timeBase) + rounding
    const found = await whoHolds(recording, flags.pfn, at, { protocol: flags.protocol, onProgress: progress.show })
    progress.clear()
    if (!found) throw new TraceError(file, 0, `expected events of page ${pfnText(flags.pfn)} by then; there are none`)
    const text = flags.json
      ? JSON.stringify(whoJson(found, at, recording), undefined, 1)
      : whoText(found, at, recording).join('\n')
    process.stdout.write(`${text}\n`)
    return found.holders.length > 0 ? 1 : 0
  })
}

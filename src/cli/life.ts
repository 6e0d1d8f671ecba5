// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput life`: prints the lifetimes of one page, event by event. */
import { Command } from 'commander'
import { damageLine } from '../report/completeness.ts'
import { lifeJson, lifeText, pageLives } from '../report/life.ts'
import { pfnText } from '../report/words.ts'
import { complain } from './complain.ts'
import { guarded, UsageError } from './errors.ts'
import { type Exit, exitFor } from './exit-codes.ts'
import {
  parseCount,
  parsePfn,
  progressLine,
  type RecordingFlags,
  recordingOptions,
  ruleOptions,
  withRecording,
} from './recordings.ts'

interface LifeFlags extends RecordingFlags {
  json?: boolean
  pfn: number
  top: number
}

const NOTES = `
Each reference has a letter while it is held. A get shows the reference that it
takes, a put the one that it gives back, as far as the laws of the recording
tell; "?" marks a put whose reference is unknown.

Examples:
  lastput life trace.dat --pfn 0xfcf83fc
  lastput life trace.dat --pfn 0xfcf83fc --json | jq .lifetimes

Exit codes: 0 shown, 2 wrong usage, or a file or page that does not exist, 3
shown, but something may be missing: damage, lost events.`

export function lifeCommand(): Command {
  return recordingOptions(new Command('life'))
    .description("one page's lifetimes, event by event, with who holds it")
    .argument('<file>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .requiredOption('--pfn <pfn>', 'the page', parsePfn)
    .option('--top <n>', 'lifetimes to show, the last ones', parseCount, 10)
    .option('--json', 'JSON of all lifetimes (schema lastput.life/1)')
    .addHelpText('after', NOTES)
    .action((file: string, flags: LifeFlags) => guarded('life', () => life(file, flags)))
}

function life(file: string, flags: LifeFlags): Promise<Exit> {
  return withRecording(file, flags, async recording => {
    const progress = progressLine('life')
    const { pfn } = flags
    const lives = await pageLives(recording, pfn, { ...ruleOptions(flags), onProgress: progress.show })
    progress.clear()
    if (!lives)
      throw new UsageError(
        `${recording.info.file}: no page_ref event of page ${pfnText(pfn)} occurs; lastput trace says which do, lastput events --pfn ${pfnText(pfn)} shows what else there is of it`,
      )
    const text = flags.json ? JSON.stringify(lifeJson(lives), undefined, 1) : lifeText(lives, flags.top).join('\n')
    process.stdout.write(`${text}\n`)
    const { damage } = recording
    if (damage.length > 0) complain('lastput life', `damaged: ${damageLine(damage)}`)
    return exitFor({ found: false, complete: lives.reasons.length === 0 })
  })
}

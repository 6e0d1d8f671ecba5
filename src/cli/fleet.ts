// SPDX-License-Identifier: GPL-2.0-or-later
/** Several recordings that are judged together: the laws are learned from the lifetimes of all of them. */
import { type AccountOptions, readLedger } from '../ledger/account.ts'
import { Fleet } from '../ledger/learn/fleet.ts'
import { inputError } from './errors.ts'
import { progressLine, type RecordingFlags, ruleOptions, withRecording } from './recordings.ts'

interface FleetFlags extends RecordingFlags, Pick<AccountOptions, 'allPages'> {
  alone?: boolean
}

/** True if recordings are judged together. That takes two passes over each, so that standard input is excluded. */
export function isFleet(files: readonly string[], { alone }: FleetFlags): boolean {
  return new Set(files).size > 1 && !alone && !files.includes('-')
}

/** Reads the lifetimes of recordings. An unusable one adds none; its error is reported when it is judged. */
export async function learnTogether(files: readonly string[], flags: FleetFlags): Promise<Fleet> {
  const fleet = new Fleet()
  for (const file of new Set(files)) {
    try {
      await withRecording(file, flags, async recording => {
        const progress = progressLine('trace')
        const options = { ...ruleOptions(flags), allPages: flags.allPages, isShared: true, onProgress: progress.show }
        const ledger = await readLedger(recording, options)
        progress.clear()
        fleet.add(file, recording.info.kernel, ledger)
      })
    } catch (error) {
      if (inputError(error) === undefined) throw error
    }
  }
  return fleet
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Several recordings that are judged together. */
import { type AccountOptions, readLedger } from '../ledger/account.ts'
import { Fleet } from '../ledger/learn/fleet.ts'
import { inputError } from './errors.ts'
import { progressLine, type RecordingFlags, withRecording } from './recordings.ts'

interface FleetFlags extends RecordingFlags, Pick<AccountOptions, 'allPages'> {
  alone?: boolean
}

/** Whether recordings learn from each other: each is read twice for it, as standard input cannot be. */
export function isFleet(files: readonly string[], { alone }: FleetFlags): boolean {
  return new Set(files).size > 1 && !alone && !files.includes('-')
}

/** Reads recordings for their lifetimes. One that cannot be used adds none: whoever judges it says what is wrong. */
export async function learnTogether(files: readonly string[], flags: FleetFlags): Promise<Fleet> {
  const fleet = new Fleet()
  for (const file of new Set(files)) {
    try {
      await withRecording(file, flags, async recording => {
        const progress = progressLine('trace')
        const { allPages, protocol } = flags
        const ledger = await readLedger(recording, { allPages, protocol, isShared: true, onProgress: progress.show })
        progress.clear()
        fleet.add(file, recording.info.kernel, ledger)
      })
    } catch (error) {
      if (inputError(error) === undefined) throw error
    }
  }
  return fleet
}

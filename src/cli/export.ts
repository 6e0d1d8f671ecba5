// SPDX-License-Identifier: GPL-2.0-or-later
/** Files for other tools that `lastput trace` writes in addition to its report: --perfetto, --parquet. */
import { closeSync, mkdirSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileWriter } from 'hyparquet-writer'
import { KeptRecording } from '../export/kept-recording.ts'
import { ParquetTables } from '../export/parquet.ts'
import { writePerfetto } from '../export/perfetto.ts'
import type { Account, AccountOptions } from '../ledger/account.ts'
import type { Recording } from '../trace/events.ts'
import { namingFile } from './errors.ts'

export interface Exports {
  /** Path of the Perfetto trace to write. */
  perfetto?: string | undefined
  /** Folder that the Parquet tables are written to. */
  parquet?: string | undefined
}

/**
 * Accounts for a recording and writes it for other tools.
 *
 * @returns the account, and notes in sentences on what the written files lack
 * @throws an error of the file system that names the file
 */
export async function accountAndExport(
  recording: Recording,
  { perfetto, parquet }: Exports,
  options: AccountOptions,
): Promise<{ account: Account; notes: string[] }> {
  const tables = parquet === undefined ? undefined : tablesIn(parquet)
  const write = (act: (tables: ParquetTables) => void) => void (tables && namingFile(parquet!, () => act(tables)))
  const kept = await KeptRecording.read(recording, options, batch => write(to => to.addEvents(batch, recording)))
  write(to => to.finish(kept))
  const notes = perfetto === undefined ? [] : writePerfettoFile(kept, perfetto)
  return { account: kept.account, notes }
}

function tablesIn(folder: string): ParquetTables {
  return namingFile(folder, () => {
    // Parents are not created (`recursive`): below /proc, Node 20 loops for ever.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) mkdirSync(folder)
    return new ParquetTables(table => fileWriter(join(folder, `${table}.parquet`)))
  })
}

function writePerfettoFile(kept: KeptRecording, file: string): string[] {
  return namingFile(file, () => {
    const out = openSync(file, 'w')
    try {
      return writePerfetto(kept, bytes => {
        for (let done = 0; done < bytes.length; ) done += writeSync(out, bytes, done)
      })
    } finally {
      closeSync(out)
    }
  })
}

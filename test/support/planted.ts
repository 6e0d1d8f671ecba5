// SPDX-License-Identifier: GPL-2.0-or-later
/** A folder of recordings with a truth.json, in which the driver's faults stand by file. */
import { readdirSync, readFileSync } from 'node:fs'
import { ACCUSATIONS, account, type Finding } from '../../src/ledger/index.ts'
import { openFile } from '../../src/node/open.ts'

export class PlantedRecordings<Planted> {
  readonly truth: { [file: string]: Planted[] }
  readonly #folder: URL

  constructor(folder: URL) {
    this.#folder = folder
    this.truth = JSON.parse(readFileSync(new URL('truth.json', folder), 'utf8'))
  }

  /** Names of the recordings that lie in the folder. */
  get files(): string[] {
    return readdirSync(this.#folder).filter(name => name.endsWith('.dat'))
  }

  /** Returns all accusations about a recording. */
  async accusations(file: string): Promise<Finding[]> {
    const recording = await openFile(new URL(file, this.#folder).pathname)
    const { findings } = await account(recording)
    await recording.close()
    return findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  }
}

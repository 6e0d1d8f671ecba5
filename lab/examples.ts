// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Makes examples/ anew: recordings trimmed from those beside the project, and results of the model as `--json` writes them.
 * `npm run examples [-- recordings|results]`
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { data, dataPath } from '../testkit/data.ts'
import { trimTraceDat } from './trim.ts'

/** Folder below examples/, and the recording that its trace.dat is trimmed from. */
export const RECORDINGS: Readonly<Record<string, string>> = {
  'leak-6.12': '6.12/zdbug-leak',
  'ok-7.3': '7.3/zdbug-ok',
  'surplus-put-5.10': '5.10/zdbug-dput',
  'race-5.10': '5.10/zdbug-race',
  'migrate-6.12': '6.12/hmmbug-leak-migrate',
  'dax-6.12': '6.12/fsdax-ext4-truncpin-stacks',
}

/** Files below examples/results/, and what `lastput` is asked for each. */
export const RESULTS: Readonly<Record<string, string[]>> = {
  bugs: ['check', '--bugs'],
  matrix: ['check', '--matrix'],
  counterexample: ['check', 'test_hmm', '--protocol', 'D'],
  protocols: ['explain'],
}

/** A recording of the shared data, trimmed, with the symbols of its module. */
export function trimmed(from: string): Promise<Uint8Array> {
  const symbols = dataPath(`${from}/kallsyms.txt`)
  const more = existsSync(symbols) ? [readFileSync(symbols, 'latin1')] : []
  return trimTraceDat(readFileSync(dataPath(`${from}/trace.dat`)), more)
}

async function makeRecordings(examples: string): Promise<void> {
  for (const [name, from] of Object.entries(RECORDINGS)) {
    const missing = data(from)
    if (missing) {
      console.warn(`${name} is left as it is: no ${missing}`)
      continue
    }
    mkdirSync(join(examples, name), { recursive: true })
    writeFileSync(join(examples, name, 'trace.dat'), await trimmed(from))
  }
}

function makeResults(examples: string): void {
  mkdirSync(join(examples, 'results'), { recursive: true })
  for (const [name, args] of Object.entries(RESULTS)) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args, '--json'], {
      maxBuffer: 1 << 28,
    })
    // Exit 1 says that a promise is broken.
    if (status !== 0 && status !== 1) throw new Error(`lastput ${args.join(' ')}: ${stderr}`)
    writeFileSync(join(examples, 'results', `${name}.json.gz`), gzipSync(stdout, { level: 9 }))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what] = process.argv.slice(2)
  if (what !== 'results') await makeRecordings('examples')
  if (what !== 'recordings') makeResults('examples')
}

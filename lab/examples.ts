// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run examples [-- recordings|results|dumps]`: regenerates examples/, that is recordings trimmed from the shared data, and
 * results as `--json` writes them.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { examine } from '../src/core/examine.ts'
import { openDump } from '../src/core/memory/open.ts'
import { FileCoreSource, kdumpCodecs } from '../src/node/core-source.ts'
import { coreJson } from '../src/report/core-json.ts'
import { dumps, realDumps } from '../testkit/core/real-dumps.ts'
import { data, dataPath } from '../testkit/data.ts'
import { trimTraceDat } from './trim.ts'
import { trimWatch } from './trim-watch.ts'

/** By folder below examples/: the recording that its trace.dat is trimmed from. */
export const RECORDINGS: Readonly<Record<string, string>> = {
  'leak-6.12': '6.12/zdbug-leak',
  'ok-7.3': '7.3/zdbug-ok',
  'surplus-put-5.10': '5.10/zdbug-dput',
  'race-5.10': '5.10/zdbug-race',
  'migrate-6.12': '6.12/hmmbug-leak-migrate',
  'dax-6.12': '6.12/fsdax-ext4-truncpin-stacks',
}

/** The same for directories that `perf record --kcore` wrote. */
export const WATCHES: Readonly<Record<string, string>> = { 'watch-leak-6.1': '6.1-stock/watch-leak' }

/** By file below examples/results/: the arguments of lastput that produce it. */
export const RESULTS: Readonly<Record<string, string[]>> = {
  bugs: ['check', '--bugs'],
  matrix: ['check', '--matrix'],
  counterexample: ['check', 'test_hmm', '--protocol', 'D'],
  protocols: ['explain'],
}

/** By file below examples/results/: the dump of the shared data that `lastput core` reads. */
export const DUMPS: Readonly<Record<string, string>> = { 'dump-7.3': '7.3-plants' }

/** Trims a recording of the shared data, and adds the symbols of its module. */
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

async function makeWatches(examples: string): Promise<void> {
  for (const [name, from] of Object.entries(WATCHES)) {
    const missing = data(from)
    if (missing) {
      console.warn(`${name} is left as it is: no ${missing}`)
      continue
    }
    for (const [path, bytes] of await trimWatch(dataPath(`${from}/perf.data`))) {
      const file = join(examples, name, 'perf.data', path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, bytes)
    }
  }
}

function makeResults(examples: string): void {
  for (const [name, args] of Object.entries(RESULTS)) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args, '--json'], {
      maxBuffer: 1 << 28,
    })
    // Exit code 1: a promise is broken.
    if (status !== 0 && status !== 1) throw new Error(`lastput ${args.join(' ')}: ${stderr}`)
    keep(examples, name, stdout)
  }
}

async function makeDumps(examples: string): Promise<void> {
  for (const [name, folder] of Object.entries(DUMPS)) {
    const dump = realDumps().find(each => each.name === folder)
    if (!dump) {
      console.warn(`${name} is left as it is: no ${dumps() ?? folder}`)
      continue
    }
    const source = new FileCoreSource(dump.path())
    const found = examine(openDump(source, { codecs: await kdumpCodecs() }), 'vmcore')
    source.close()
    keep(examples, name, JSON.stringify(coreJson('vmcore', found), null, 2))
  }
}

function keep(examples: string, name: string, json: string | Uint8Array): void {
  mkdirSync(join(examples, 'results'), { recursive: true })
  writeFileSync(join(examples, 'results', `${name}.json.gz`), gzipSync(json, { level: 9 }))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what] = process.argv.slice(2)
  if (what === undefined || what === 'recordings') {
    await makeRecordings('examples')
    await makeWatches('examples')
  }
  if (what === undefined || what === 'results') makeResults('examples')
  if (what === undefined || what === 'dumps') await makeDumps('examples')
}

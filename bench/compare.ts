// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run compare`: compares the whole output of `lastput events` and of `trace-cmd report` for every trace.dat of the shared
 * data, including the largest ones, which the tests omit. `-- FILE...` compares other files.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dataPath } from '../testkit/data.ts'

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

async function hash({ stdout }: ChildProcess): Promise<{ hash: string; bytes: number }> {
  const sum = createHash('sha256')
  let bytes = 0
  for await (const chunk of stdout!) {
    sum.update(chunk as Uint8Array)
    bytes += (chunk as Uint8Array).length
  }
  return { hash: sum.digest('hex'), bytes }
}

const stdio = ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[]

async function same(file: string): Promise<boolean> {
  const [ours, theirs] = await Promise.all([
    hash(spawn(process.execPath, [cli, 'events', file], { stdio })),
    hash(spawn('trace-cmd', ['report', file], { stdio })),
  ])
  const equal = ours.hash === theirs.hash
  console.log(`${equal ? 'same  ' : 'DIFFER'} ${file} ${(theirs.bytes / 1e6).toFixed(1)} MB`)
  return equal
}

const given = process.argv.slice(2)
const found = () => {
  const paths = readdirSync(dataPath('.'), { recursive: true, encoding: 'utf8' })
  return paths.filter(path => path.endsWith('trace.dat')).map(dataPath)
}
let differ = 0
for (const file of given.length > 0 ? given : found().sort()) if (!(await same(file))) differ++
process.exitCode = differ > 0 ? 1 : 0

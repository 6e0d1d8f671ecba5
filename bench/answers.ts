// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Regression test of lastput's output. `npm run answers -- --save FILE` saves the JSON output for every recording it can find;
 * `-- --compare FILE` prints every difference to it, by recording and JSON path, and exits with 1 if there is one. A change that
 * only moves code has to leave all answers as they are.
 *
 * Recordings are those in the shared data, in `examples` and in `test/ledger/recordings`; a `kallsyms.txt` or `kallsyms` beside
 * a recording is used with it. `--bugs` and `--matrix` add `check --bugs` and `check --matrix`, `--only TEXT` selects the
 * recordings whose name contains TEXT, `--program FILE` runs another build than the one in `dist`.
 *
 * `--compare FILE --saved FILE` runs nothing, but compares two saved files.
 *
 * `--judgements` compares only findings (kind, page, certainties, culprit) and verdicts, which remain comparable when wording
 * or schemas change.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SHARED } from '../testkit/data.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** One run of the program. */
interface Question {
  name: string
  args: string[]
}

/** Outputs by the name of their run. */
type Answers = Record<string, Json>

/** Number of processes that run at the same time. */
const WORKERS = 2

/** Largest number of differences that are printed for one answer. */
const MAX_SHOWN = 20

/** Keys whose values differ from run to run, such as the cost of a check. */
const VOLATILE = new Set(['seconds', 'milliseconds', 'elapsed', 'statesPerSecond', 'heapBytes'])

const RECORDING = /^(data|perf\.data\.zst|.*\.(dat|data)|trace.*\.txt|ftrace.*\.txt|zd.*\.txt)$/

// The compiled file is in .tools/bench.
const root = fileURLToPath(new URL('../..', import.meta.url))

function option(name: string): string | undefined {
  const i = process.argv.indexOf(name)
  return i < 0 ? undefined : process.argv[i + 1]
}

const program = option('--program') ?? join(root, 'dist/cli/main.js')

/** Files below a folder that look like recordings. `data` is the recording in a folder that `perf record` made. */
function recordingsIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return recordingsIn(path)
    return RECORDING.test(entry.name) ? [path] : []
  })
}

function kallsymsBeside(file: string): string[] {
  const found = ['kallsyms.txt', 'kallsyms'].map(name => join(file, '..', name)).find(path => existsSync(path))
  return found ? ['--kallsyms', found] : []
}

/** All runs, in an order that does not depend on the file system. */
function questions(): Question[] {
  const only = option('--only') ?? ''
  const sources: [label: string, folder: string][] = [
    ['data', join(SHARED, 'data')],
    ['examples', join(root, 'examples')],
    ['recordings', join(root, 'test/ledger/recordings')],
  ]
  const asked = sources.flatMap(([label, folder]) =>
    recordingsIn(folder).map(file => ({
      name: `${label}${file.slice(folder.length)}`,
      args: ['trace', '--json', ...kallsymsBeside(file), file],
    })),
  )
  const recordings = asked.filter(({ name }) => name.includes(only)).sort((a, b) => (a.name < b.name ? -1 : 1))
  const checks = ['bugs', 'matrix'].filter(check => process.argv.includes(`--${check}`))
  return [
    ...recordings,
    ...checks.map(check => ({ name: `check --${check}`, args: ['check', `--${check}`, '--json'] })),
  ]
}

/** Runs the program. @returns its JSON, or its exit code and message if it refuses the input */
function ask({ args }: Question): Promise<Json> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => {
      const text = Buffer.concat(out).toString()
      if (text !== '') resolve({ exit: code, json: normalise(JSON.parse(text) as Json) })
      else resolve({ exit: code, error: withoutFolders(Buffer.concat(err).toString()) })
    })
  })
}

/** Removes values that depend on the machine or on the run. */
function normalise(value: Json): Json {
  if (typeof value === 'string') return withoutFolders(value)
  if (Array.isArray(value)) return value.map(normalise)
  if (value === null || typeof value !== 'object') return value
  const kept = Object.entries(value).filter(([key]) => !VOLATILE.has(key))
  return Object.fromEntries(kept.map(([key, inner]) => [key, normalise(inner)]))
}

function withoutFolders(text: string): string {
  return text.replaceAll(SHARED, 'SHARED').replaceAll(root, 'ROOT/')
}

async function askAll(asked: Question[]): Promise<Answers> {
  const answers: Answers = {}
  const queue = [...asked]
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) answers[next.name] = await ask(next)
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  return Object.fromEntries(asked.map(({ name }) => [name, answers[name]!]))
}

/** Yields the paths at which two answers differ, with both values. */
function* differences(before: Json | undefined, now: Json | undefined, path: string): Generator<string> {
  const isParent = (value: Json | undefined) => value !== null && typeof value === 'object'
  if (!isParent(before) || !isParent(now) || Array.isArray(before) !== Array.isArray(now)) {
    if (before !== now) yield `${path}: ${JSON.stringify(before)} -> ${JSON.stringify(now)}`
    return
  }
  const [old, young] = [before as Record<string, Json>, now as Record<string, Json>]
  for (const key of new Set([...Object.keys(old), ...Object.keys(young)]))
    yield* differences(old[key], young[key], Array.isArray(now) ? `${path}[${key}]` : `${path}.${key}`)
}

const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  value !== null && typeof value === 'object' && !Array.isArray(value)

const objects = (value: Json | undefined) => (Array.isArray(value) ? value.filter(isObject) : [])

function finding({ kind, pfn, certainty, references, ...rest }: { [key: string]: Json }): string {
  const { culprit, culpritCertainty, candidates } = rest
  const names = objects(candidates).map(candidate => candidate.function)
  const who = isObject(culprit) ? `${culprit.function} (${culpritCertainty})` : names.join(' or ') || 'nobody'
  return `${kind} of ${pfn} (${certainty}), ${references ?? 1} by ${who}`
}

const verdict = ({ system, scenario, property, verdict }: { [key: string]: Json }) =>
  `${system}, ${scenario ?? ''} ${property ?? ''}: ${verdict}`

/** Reduces an answer to its findings or verdicts, each with its number of occurrences. */
function judgements(answer: Json | undefined): Json {
  const json = isObject(answer) ? answer.json : undefined
  if (json === undefined) return answer ?? null
  const counts: { [key: string]: Json } = {}
  const count = (judgement: string) => {
    counts[judgement] = ((counts[judgement] as number | undefined) ?? 0) + 1
  }
  for (const part of isObject(json) ? [json] : objects(json)) {
    if ('findings' in part) for (const found of objects(part.findings)) count(finding(found))
    else count(verdict(part))
  }
  return counts
}

/** Prints the differences. @returns the number of answers that have one */
function compare(before: Answers, now: Answers): number {
  const view = process.argv.includes('--judgements') ? judgements : (answer: Json | undefined) => answer
  let changed = 0
  for (const name of Object.keys(now)) {
    const found = [...differences(view(before[name]), view(now[name]), '$')]
    if (found.length === 0) continue
    changed++
    console.log(name)
    for (const line of found.slice(0, MAX_SHOWN)) console.log(`  ${line}`)
    if (found.length > MAX_SHOWN) console.log(`  and ${found.length - MAX_SHOWN} more`)
  }
  return changed
}

const [save, against, saved] = [option('--save'), option('--compare'), option('--saved')]
if (!save && !against) throw new Error('usage: npm run answers -- (--save FILE | --compare FILE) [--bugs] [--matrix]')
const load = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Answers
const answers = saved ? load(saved) : await askAll(questions())
const count = Object.keys(answers).length
if (count === 0) throw new Error('no recordings: LASTPUT_SHARED names the folder of the shared data')
if (save) {
  writeFileSync(save, JSON.stringify(answers))
  console.log(`${count} answers saved`)
}
if (against) {
  const changed = compare(load(against), answers)
  console.log(`${changed} of ${count} answers differ`)
  process.exitCode = changed > 0 ? 1 : 0
}

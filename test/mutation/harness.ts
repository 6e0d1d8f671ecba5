// SPDX-License-Identifier: GPL-2.0-or-later
/** Bundles the suite with one file mutated, runs it in a process of its own, and says what became of the mutant. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import { type Mutant, mutantsOf } from './mutants.ts'

export interface Outcome {
  readonly mutant: Mutant
  /** What changed; undefined if nothing did. */
  readonly caught: string | undefined
}

/** Parts of src/linux that say how the kernel behaves; the rest puts systems together. */
const MUTATED = ['mm', 'kernel', 'protocols', 'lib', 'fs', 'drivers', 'arch', 'device_private.ts', 'page_list.ts']
const UNMUTATED = /(index|rules|page_count)\.ts$/
const SECONDS = 240

export function allMutants(root: string): Mutant[] {
  const files = MUTATED.flatMap(p => filesUnder(join(root, 'src/linux', p))).filter(f => !UNMUTATED.test(f))
  return files.flatMap(f => mutantsOf(f.slice(root.length + 1), readFileSync(f, 'utf8')))
}

function filesUnder(path: string): string[] {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path)
    .sort()
    .flatMap(name => filesUnder(join(path, name)))
}

/** Verdicts of the model as it is, by name. */
export async function baseline(root: string): Promise<Record<string, string>> {
  return JSON.parse(await run(root, undefined, undefined))
}

export async function tryMutant(root: string, mutant: Mutant, expected: Record<string, string>): Promise<Outcome> {
  const told = await run(root, mutant, expected).catch(e => JSON.stringify({ caught: (e as Error).message }))
  return { mutant, caught: (JSON.parse(told) as { caught?: string }).caught }
}

async function run(
  root: string,
  mutant: Mutant | undefined,
  expected: Record<string, string> | undefined,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-mutant-'))
  try {
    const file = join(folder, 'suite.mjs')
    const text = `import { runSuite } from './test/mutation/suite.ts'
      process.stdout.write(JSON.stringify(await runSuite(${JSON.stringify(expected)}, ${JSON.stringify(mutant?.file)})))`
    await build({
      stdin: { contents: text, resolveDir: root, loader: 'ts' },
      outfile: file,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      logLevel: 'silent',
      keepNames: true,
      // The search's runtime is taken as text and run elsewhere, without the bundler's own helper for names.
      banner: { js: 'globalThis.__name = f => f' },
      plugins: mutant
        ? [
            {
              name: 'mutant',
              setup: b =>
                b.onLoad({ filter: new RegExp(`${mutant.file.replaceAll('.', '\\.')}$`) }, args =>
                  args.path === resolve(root, mutant.file) ? { contents: mutant.source, loader: 'ts' } : undefined,
                ),
            },
          ]
        : [],
    })
    return await output(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What the bundle prints. @throws Error when it fails or takes longer than {@link SECONDS}. */
function output(file: string): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, ['--max-old-space-size=3000', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), SECONDS * 1000)
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', d => out.push(d))
    child.stderr.on('data', d => err.push(d))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) done(Buffer.concat(out).toString())
      else failed(new Error(signal ? 'does not end' : `fails: ${Buffer.concat(err).toString().slice(-300)}`))
    })
  })
}

/** What a run knows when it stops, so that a later one goes on from there. */
export interface Report {
  /** Of the sources that the verdicts are of. */
  readonly sources: string
  readonly expected: Readonly<Record<string, string>>
  readonly outcomes: readonly ToldOutcome[]
}

export interface ToldOutcome extends Omit<Mutant, 'source'> {
  readonly caught?: string
}

/** The report of an earlier run on the same sources, or one of a run that has yet to try its first mutant. */
export async function openReport(root: string, path: string | undefined): Promise<Report> {
  const sources = fingerprint(root)
  if (path && existsSync(path)) {
    const known = JSON.parse(readFileSync(path, 'utf8')) as Report
    if (known.sources === sources) return known
  }
  return { sources, expected: await baseline(root), outcomes: [] }
}

function fingerprint(root: string): string {
  const hash = createHash('sha256')
  for (const folder of ['src/linux', 'src/checker', 'src/promises', 'test/mutation/suite.ts'])
    for (const file of filesUnder(join(root, folder))) hash.update(readFileSync(file))
  return hash.digest('hex')
}

/** What became of the mutant in an earlier run. */
export function knownOutcome(report: Report, { file, line, kind, after }: Mutant): ToldOutcome | undefined {
  return report.outcomes.find(o => o.file === file && o.line === line && o.kind === kind && o.after === after)
}

export function toldOutcome({ mutant: { source: _, ...mutant }, caught }: Outcome): ToldOutcome {
  return { ...mutant, ...(caught === undefined ? {} : { caught }) }
}

export function writeReport(path: string, report: Report): void {
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`)
}

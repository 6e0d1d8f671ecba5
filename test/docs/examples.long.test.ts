// SPDX-License-Identifier: GPL-2.0-or-later
// The console examples of README.md and docs are run, and print what they show.
//
// A block marked `console` is one session of a shell in the project's folder (one that looks like it: examples write files). Lines that begin with `$ ` are typed (a
// backslash at the end goes on in the next line), the lines up to the next one are what it prints. A line `...` stands
// for any lines. Blocks marked `sh` are not run: they need a kernel to record from.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'

const root = join(import.meta.dirname, '../..')
const cli = join(root, 'dist/cli/main.js')
/** What installs or downloads, and would do so under the feet of the other tests; what follows after && is run. */
const INSTALLS = /^(npm (ci|install)|npx|git clone)\b[^&]*(&& )?/

interface Step {
  command: string
  shown: string[]
}
interface Example {
  where: string
  steps: Step[]
}

function parseSteps(lines: string[]): Step[] {
  const steps: Step[] = []
  let typing = false
  for (const line of lines) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), shown: [] })
    else if (typing) steps.at(-1)!.command += `\n${line}`
    else steps.at(-1)?.shown.push(line)
    typing = line.endsWith('\\') && (typing || line.startsWith('$ '))
  }
  return steps
}

function examplesOf(file: string): Example[] {
  const lines = readFileSync(join(root, file), 'utf8').split('\n')
  const examples: Example[] = []
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] !== '```console') continue
    const end = lines.indexOf('```', i + 1)
    examples.push({ where: `${file}:${i + 1}`, steps: parseSteps(lines.slice(i + 1, end)) })
    i = end
  }
  return examples
}

/** The commands of a block, run one after the other in one shell; what each printed. */
function run(steps: Step[]): string[] {
  const mark = '=====lastput-example====='
  const script = steps
    .map(({ command }) => `${command.replace(INSTALLS, '') || ':'}\nlast=$?; printf '\\n%s\\n' '${mark}'; (exit $last)`)
    .join('\n')
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, NO_COLOR: '1', COLUMNS: '120' }
  const { stdout } = spawnSync('bash', ['-c', `exec 2>&1\n${script}`], { cwd: project, env, encoding: 'utf8' })
  return stdout.split(`\n${mark}\n`).slice(0, -1)
}

const tidy = (lines: string[]) =>
  lines
    .map(line => line.trimEnd())
    .join('\n')
    .trim()

/** The printed text, with each run of lines that the example leaves out replaced by `...` where the rest agrees. */
function elide(printed: string, shown: string[]): string {
  const parts = tidy(shown)
    .split(/^\.\.\.$/m)
    .map(part => part.trim())
  if (parts.length === 1) return tidy(printed.split('\n'))
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const pattern = parts.map(literal).join('[^]*?')
  return new RegExp(`^${pattern}$`).test(tidy(printed.split('\n'))) ? tidy(shown) : tidy(printed.split('\n'))
}

const files = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map(name => `docs/${name}`),
]
const examples = files.filter(file => file.endsWith('.md') && existsSync(join(root, file))).flatMap(examplesOf)
let bin: string
let project: string

beforeAll(() => {
  expect(existsSync(cli), `${cli}: run npm run build first`).toBe(true)
  bin = mkdtempSync(join(tmpdir(), 'lastput-examples-'))
  writeFileSync(join(bin, 'lastput'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`)
  chmodSync(join(bin, 'lastput'), 0o755)
  project = mkdtempSync(join(tmpdir(), 'lastput-project-'))
  for (const name of readdirSync(root)) symlinkSync(join(root, name), join(project, name))
})
afterAll(() => {
  for (const folder of [bin, project]) rmSync(folder, { recursive: true, force: true })
})

test('README.md has examples', () => {
  expect(examples.filter(example => example.where.startsWith('README.md')).length).toBeGreaterThan(0)
})

for (const { where, steps } of examples) {
  needs(program('bash')).test(where, () => {
    const printed = run(steps)
    expect(printed.length).toBe(steps.length)
    steps.forEach(({ command, shown }, i) => {
      if (command.replace(INSTALLS, '') === '') return
      expect(`$ ${command}\n${elide(printed[i]!, shown)}`).toBe(`$ ${command}\n${tidy(shown)}`)
    })
  })
}

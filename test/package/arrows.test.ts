// SPDX-License-Identifier: GPL-2.0-or-later
// The rules of .dependency-cruiser.cjs are worth nothing if the tool cannot parse our files: it then finds no
// dependency and reports success. So each kind of import is planted once, in a copy of the layout.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
let dir: string

const FOLDERS = ['src', 'web', 'lab', 'bench', 'testkit', 'test']

/** The rules that these files break, by the file. */
function violations(files: Record<string, string>): string[] {
  for (const folder of FOLDERS) rmSync(join(dir, folder), { recursive: true, force: true })
  const all = { 'src/linux/page.ts': 'export const idle = 1\nexport type Page = number\n', ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
  const cli = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const folders = FOLDERS.filter(folder => existsSync(join(dir, folder)))
  const args = [cli, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...folders]
  const run = spawnSync(process.execPath, args, { cwd: dir, encoding: 'utf8' })
  const summary = JSON.parse(run.stdout).summary as {
    totalCruised: number
    violations: { from: string; rule: { name: string } }[]
  }
  expect(summary.totalCruised).toBeGreaterThanOrEqual(Object.keys(all).length)
  return summary.violations.map(v => `${v.from}: ${v.rule.name}`).sort()
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lastput-arrows-'))
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    cpSync(join(root, file), join(dir, file))
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('imports along the arrows pass', () => {
  expect(
    violations({
      'src/ledger/a.ts': "import { idle } from '../linux/page.ts'\nconsole.log(idle)\n",
      'src/trace/z.ts': "import { ZSTDDecoder } from 'zstddec'\nconsole.log(ZSTDDecoder)\n",
      'src/cli/c.ts': "import { Command } from 'commander'\nimport '../ledger/a.ts'\nconsole.log(Command)\n",
      'src/cli/f.ts': "import { readFileSync } from 'node:fs'\nconsole.log(readFileSync)\n",
    }),
  ).toEqual([])
})

// One run of the tool for all of them: it takes half a second to start.
test('an import against the arrows is caught, of whatever kind it is', () => {
  const kinds = {
    value: "import { idle } from '../linux/page.ts'\nconsole.log(idle)\n",
    type: "import type { Page } from '../linux/page.ts'\nexport type P = Page\n",
    'inline-type': "import { type Page } from '../linux/page.ts'\nexport type P = Page\n",
    're-export': "export { idle } from '../linux/page.ts'\n",
    're-exported-type': "export type { Page } from '../linux/page.ts'\n",
    'dynamic-import': "export const later = () => import('../linux/page.ts')\n",
    'side-effect': "import '../linux/page.ts'\n",
  }
  const files = Object.entries(kinds).map(([kind, text]) => [`src/trace/${kind}.ts`, text])
  expect(violations(Object.fromEntries(files))).toEqual(files.map(([file]) => `${file}: trace-imports`).sort())
})

test('every folder imports only what stands below it', () => {
  const forbidden: [from: string, to: string][] = [
    ['src/util', 'src/trace'],
    ['src/trace', 'src/ledger'],
    ['src/trace', 'src/print'],
    ['src/print', 'src/ledger'],
    ['src/checker', 'src/linux'],
    ['src/linux', 'src/trace'],
    ['src/ledger', 'src/report'],
    ['src/core', 'src/trace'],
    ['src/report', 'src/cli'],
    ['src/report', 'src/node'],
    ['src/report', 'src/print'],
    ['src/node', 'src/ledger'],
    ['src/node', 'src/cli'],
    ['src/cli', 'testkit'],
    ['lab', 'test'],
    ['lab', 'bench'],
    ['bench', 'test'],
    ['bench', 'lab'],
    ['testkit', 'test'],
    ['testkit', 'bench'],
    ['web', 'testkit'],
    ['web', 'src/cli'],
    ['web', 'src/node'],
  ]
  const bad = (from: string, to: string) => `${from}/to-${to.replace('/', '-')}.ts`
  const files = forbidden.flatMap(([from, to]) => [
    [`${to}/x.ts`, 'export const x = 1\n'],
    [bad(from, to), `import '${posix.relative(from, to)}/x.ts'\n`],
  ])
  const rule = (from: string) => `${from.replace('src/', '')}-imports`
  const caught = forbidden.map(([from, to]) => `${bad(from, to)}: ${rule(from)}`)
  expect(violations(Object.fromEntries(files))).toEqual(caught.sort())
})

test('a stage of the checker imports no later stage, and the reference checker none', () => {
  const files = {
    'src/checker/codegen/x.ts': 'export const x = 1\n',
    'src/checker/prepare.ts': "import './codegen/x.ts'\n",
    'src/checker/learn/late.ts': "import '../codegen/x.ts'\n",
    'src/checker/learn/runs.ts': "import '../prepare.ts'\n",
    'src/checker/reference/helped.ts': "import '../learn/late.ts'\n",
  }
  expect(violations(files)).toEqual([
    'src/checker/learn/late.ts: checker-learn-imports',
    'src/checker/learn/runs.ts: checker-learn-imports',
    'src/checker/reference/helped.ts: checker-reference-imports',
  ])
})

test('readers of different formats meet only in what they share', () => {
  expect(
    violations({
      'src/trace/tracedat/x.ts': "import '../common/y.ts'\nimport '../events.ts'\n",
      'src/trace/common/y.ts': "import '../events.ts'\n",
      'src/trace/events.ts': 'export const events = 1\n',
      'src/trace/open.ts': "import './tracedat/x.ts'\n",
      'src/trace/perfdata/bad.ts': "import '../tracedat/x.ts'\n",
      'src/trace/ftracetext/bad.ts': "import '../open.ts'\n",
      'src/trace/common/bad.ts': "import '../tracedat/x.ts'\n",
    }),
  ).toEqual([
    'src/trace/common/bad.ts: common-to-readers',
    'src/trace/ftracetext/bad.ts: reader-of-one-format',
    'src/trace/perfdata/bad.ts: reader-of-one-format',
  ])
})

test('what must run in a browser does not import from node, packages of the tests stay in the tests', () => {
  expect(
    violations({
      'src/ledger/fs.ts': "import type { Stats } from 'node:fs'\nexport type S = Stats\n",
      'src/report/os.ts': "import { cpus } from 'os'\nconsole.log(cpus)\n",
      'src/cli/dev.ts': "import { test } from 'vitest'\nconsole.log(test)\n",
      'src/cli/gone.ts': "import './no-such-file.ts'\n",
    }),
  ).toEqual([
    'src/cli/dev.ts: no-dev-dependency',
    'src/cli/gone.ts: resolvable',
    'src/ledger/fs.ts: runs-in-a-browser',
    'src/report/os.ts: runs-in-a-browser',
  ])
})

test('a cycle is caught', () => {
  expect(
    violations({
      'src/cli/a.ts': "import type { B } from './b.ts'\nexport type A = B\n",
      'src/cli/b.ts': "import type { A } from './a.ts'\nexport type B = A | 1\n",
    }),
  ).toEqual(['src/cli/a.ts: no-circular'])
})

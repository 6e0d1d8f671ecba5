// SPDX-License-Identifier: GPL-2.0-or-later
// A model of the user's own runs in a thread of its own: steps and errors name its file and lines, and what does not end is ended.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-user-'))
  writeFileSync(
    join(folder, 'helper.ts'),
    [
      "import { step, type Cell, type Shared, type Steps } from 'lastput/engine'",
      '',
      'interface Options {',
      '  readonly why: string',
      '}',
      '',
      'export function* take(cell: Cell, { why }: Options): Steps<void> {',
      "  yield* step('take', (s: Shared) => s.warn(s.get(cell) === 1, 'mine', why))",
      "  yield* step('keep', (s: Shared) => s.set(cell, 1))",
      '}',
    ].join('\n'),
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A driver with one thread; `first` is its line 9, `second` its line 11. */
function model({ top = '', setup = '', first = '', second = '' }): string {
  const name = 'mine.ts'
  writeFileSync(
    join(folder, name),
    [
      "import { driver } from 'lastput/linux'",
      "import { cell, step, type Shared } from 'lastput/engine'",
      "import { take } from './helper.ts'",
      'enum Unstripped { A }',
      `${top}`,
      "export default driver({ name: 'mine', type: 'PRIVATE', protocols: ['G'], setup(kernel) {",
      `  ${setup}`,
      "  const c = cell('c', { max: 1 }); kernel.cells.push(c)",
      `  const inner = (s: Shared) => { ${first} }`,
      "  function* body() { yield* take(c, { why: 'taken twice' })",
      `    ${second}`,
      "    yield* step('inner', inner)",
      '  }',
      '  return { ops: {}, roles: { r: { body } }, threads: { r: 1 } }',
      '} })',
    ].join('\n'),
  )
  return name
}

function lastput(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { status, stdout, said: stderr.replace(/\s+/g, ' ').trim() }
}

describe('a counterexample', () => {
  test('names the file and the line of each step, also of one that the file imports, in text and JSON', () => {
    const name = model({})
    const text = lastput('check', name)
    expect(text).toMatchObject({ status: 1, said: '' })
    expect(text.stdout).toContain('take (helper.ts:8)')
    expect(text.stdout).toContain('take: keep (helper.ts:9)')
    expect(text.stdout).toContain('body: inner (mine.ts:12)')
    const json = JSON.parse(lastput('check', name, '--json').stdout) as { counterexample: { source: string }[] }
    expect(json.counterexample.map(s => s.source.replace(/:\d+$/, ''))).toEqual([
      'helper.ts:8',
      'helper.ts:9',
      'mine.ts:12',
      'helper.ts:8',
    ])
    const run = JSON.parse(lastput('run', name, '--steps', '2', '--json').stdout) as { steps: { source: string }[] }
    expect(run.steps[0]!.source).toMatch(/^helper\.ts:8:\d+$/)
  })

  test('of our own drivers says no more than before', () => {
    const { stdout } = lastput('check', 'test_hmm', '--protocol', 'D', '--pages', '1', '--threads', 'migrate:2,exit')
    expect(stdout).toContain('VIOLATED')
    expect(stdout).not.toMatch(/\.[jt]s:\d/)
  })
})

describe('an error', () => {
  test.each([
    [{ first: 'null!.x' }, /^lastput check: step "inner" throws TypeError: .* \(mine\.ts:9:\d+\)$/],
    [{ second: "throw new Error('no')" }, /^lastput check: body throws Error: no \(mine\.ts:11:\d+\)$/],
    [{ setup: "throw new Error('no')" }, /mine\.ts: setup\(\) throws Error: no \(mine\.ts:7:\d+\)$/],
    [{ setup: "cell('d', { max: -1 })" }, /setup\(\): cell d: max -1 is below min 0 \(mine\.ts:7:\d+\)$/],
    [{ top: "throw new Error('no')" }, /mine\.ts throws Error: no \(mine\.ts:5:\d+\)$/],
    [{ first: 'Math.random()' }, /step "inner" is not deterministic: it uses Math\.random\(\); .* \(mine\.ts:9:\d+\)$/],
    [{ setup: 'Date.now()' }, /setup\(\) is not deterministic: it uses Date\.now\(\); .* \(mine\.ts:7:\d+\)$/],
  ])('%j names the line', (parts, said) => {
    const found = lastput('check', model(parts))
    expect(found).toMatchObject({ status: 2, stdout: '' })
    expect(found.said).toMatch(said)
  })
})

describe('code that does not come to an end', () => {
  test.each([
    [{ first: 'for (;;);' }, 'step "inner"'],
    [{ second: 'for (;;);' }, 'thread r'],
    [{ setup: 'for (;;);' }, 'mine.ts: setup()'],
    [{ top: 'for (;;);' }, 'mine.ts'],
  ])('%j is ended', (parts, whose) => {
    const said = `lastput check: ${whose} does not come to an end: a loop without a step?`
    expect(lastput('check', model(parts), '--time', '1')).toMatchObject({ status: 2, said })
  })

  test('is ended in a thread of the matrix, too', () => {
    const name = model({ first: 'for (;;);' })
    const text = lastput('check', name, '--matrix', '--time', '1', '--workers', '2')
    expect(text).toMatchObject({ status: 2, said: expect.stringMatching(/step "inner" does not come to an end/) })
  })

  test('is not what a timer is that the model leaves behind', () => {
    expect(lastput('check', model({ top: 'setInterval(() => undefined, 1000)' })).status).toBe(1)
  })
})

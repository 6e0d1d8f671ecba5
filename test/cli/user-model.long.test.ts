// SPDX-License-Identifier: GPL-2.0-or-later
// A model of the user's own runs in a thread of its own: steps and errors name its file and lines, and what does not end is ended.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
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
    const found = lastput('check', name)
    expect(found).toMatchObject({ status: 1, said: '' })
    expect(found.stdout).toContain('take (helper.ts:8)')
    expect(found.stdout).toContain('take: keep (helper.ts:9)')
    expect(found.stdout).toContain('body: inner (mine.ts:12)')
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
    const found = lastput('check', name, '--matrix', '--time', '1', '--workers', '2')
    expect(found).toMatchObject({ status: 2, said: expect.stringMatching(/step "inner" does not come to an end/) })
  })

  test('is not what a timer is that the model leaves behind', () => {
    expect(lastput('check', model({ top: 'setInterval(() => undefined, 1000)' })).status).toBe(1)
  })
})

describe('Ctrl-C', () => {
  /** More states than anybody waits for: seven counters, each with a thread of its own. */
  const counters = `import { driver } from 'lastput/linux'
import { cell, step } from 'lastput/engine'
export default driver({ name: 'counters', type: 'PRIVATE', protocols: ['F', 'G'], setup(kernel) {
  console.log('set up')
  const all = [1, 2, 3, 4, 5, 6, 7].map(n => cell('c' + n, { max: 30 }))
  kernel.cells.push(...all)
  const roles = Object.fromEntries(all.map((c, i) => ['count' + i, { *body() { yield* step('up', s => s.set(c, (s.get(c) + 1) % 31)) } }]))
  return { ops: {}, roles, threads: Object.fromEntries(Object.keys(roles).map(r => [r, 1])) }
} })`

  test.each([
    [
      ['--no-por', '--protocol', 'G'],
      /^counters under G: inconclusive \(stopped after \d+ states: every interleaving of up to \d+ steps holds\)/,
    ],
    [['--no-por'], /^counters under F: inconclusive \(stopped/],
  ])('ends the search with what it has covered: %j', async (args, said) => {
    writeFileSync(join(folder, 'counters.ts'), counters)
    const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), 'check', 'counters.ts', ...args], {
      cwd: folder,
    })
    const out = text(child.stdout)
    const err = text(child.stderr)
    // Learning takes a moment from here; whoever is slower than that is told so, and no wrong claim is made.
    child.stderr.once('data', () => setTimeout(() => child.kill('SIGINT'), 3000))
    const [status] = (await once(child, 'close')) as [number]
    const answer = (await out).replace(/\s+/g, ' ')
    expect([status, answer]).toEqual([3, expect.stringMatching(/^counters under [FG]: inconclusive \(stopped/)])
    if (!answer.includes('while')) expect(answer).toMatch(said)
    expect((await err).includes('stopped: nothing is known of G')).toBe(args.length === 1)
  })

  test('what a model prints is not in the answer', () => {
    const printing = "console.log('from body'); process.stdout.write('raw')"
    writeFileSync(
      join(folder, 'prints.ts'),
      printing.concat(
        '\n',
        counters
          .replace('max: 30', 'max: 1')
          .replace(/31/, '2')
          .replace('[1, 2, 3, 4, 5, 6, 7]', '[1]')
          .replace('{ yield*', `{ ${printing}; yield*`),
      ),
    )
    const { status, stdout, said } = lastput('check', 'prints.ts', '--protocol', 'G', '--json')
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { verdict: 'holds' }])
    expect(said).toMatch(/from body.*raw|raw.*from body/)
  })
})

describe('--list', () => {
  test('tells the names that options take', () => {
    const { status, stdout } = lastput('check', join(root, 'examples/drivers/toygpu.ts'), '--list')
    expect(status).toBe(0)
    for (const line of [
      /^protocols \(--protocol\)\n {2}E {2}zero-based-private/m,
      /^ {2}unbind {13}removes the driver once nobody has it open/m,
      /^ {2}unguarded unplug {2}fault, migrate-unguarded, exit, unplug$/m,
      /^ {2}touch-after-free {2}nothing touches a page/m,
      /^ {2}toygpu-owner {6}the driver's own$/m,
      /^ {2}2 pages, 2 addresses, 4 threads \(fault, migrate, exit, unbind\)$/m,
      /^ {2}owner\[0\] +0 to 1$/m,
    ])
      expect(stdout).toMatch(line)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('of our own drivers, and not beside a verdict', () => {
    expect(lastput('check', 'fsdax', '--protocol', 'G', '--list').stdout).toMatch(/^ {2}truncate {3}once, must end/m)
    expect(lastput('check', 'fsdax', '--list', '--json')).toMatchObject({
      status: 2,
      said: expect.stringMatching(/'--list' cannot be used with option '--json'/),
    })
  })
})

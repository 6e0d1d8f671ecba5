// SPDX-License-Identifier: GPL-2.0-or-later
// What users get wrong ends in one line that says what to do, and exit code 2: no stack trace, no verdict, no hang.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-hostile-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What is said on stderr, as one line. */
function refused(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), 'check', ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).not.toMatch(/^\s+at /m)
  return stderr.replace(/\s+/g, ' ').trim()
}

function file(text: string): string {
  const imports = [
    "import { driver } from 'lastput/linux'",
    "import { call, cell, read, step, wait_until } from 'lastput/engine'",
  ]
  writeFileSync(join(folder, 'model.ts'), [...imports, text].join('\n'))
  return './model.ts'
}

const model = (setup: string, of = "type: 'PRIVATE', protocols: ['G']") =>
  file(`export default driver({ name: 'toy', ${of}, setup(kernel) { ${setup} } })`)

const role = (body: string, before = '') =>
  model(`${before}; return { ops: {}, roles: { r: { body: ${body} } }, threads: { r: 1 } }`)

describe('options', () => {
  test.each([
    [['--pages', '0'], /a positive integer is expected/],
    [['--pages', '1e9'], /at most 100: states grow with a power of it/],
    [['--vas', '9'], /has more than 100000 cases: .* \(fewer --pages, --vas or --threads make less of it\)$/],
    [['--threads', 'nonsense=3'], /no role "nonsense=3": this driver has fault, migrate, /],
    [['--threads', 'fault:99999999999'], /at most 100/],
    [['--threads', 'fault:99,fault:99'], /at most 100/],
    [['--property', 'toString'], /there are free-once, /],
    [['--memory', 'much'], /a number of bytes is expected/],
    [['--add', 'svm_serializes'], /there are split_failure_puts, /],
  ] as const)('%s', (args, said) => {
    expect(refused('test_hmm', '--protocol', 'G', ...args)).toMatch(said)
  })
})

describe('files', () => {
  test.each([
    ['throw new Error("boom")', /^lastput check: \.\/model\.ts throws Error: boom$/],
    ['throw null', /model\.ts throws null$/],
    ['await new Promise(() => {})', /Top-level await is currently not supported/],
    ['import x from "nowhere"; export default x', /Could not resolve "nowhere"/],
    ['export const x = 1', /the default export is not a driver\(/],
  ])('%s', (text, said) => expect(refused(file(text))).toMatch(said))

  test('drivers that are none', () => {
    expect(refused(model('', "type: 'PRIVATE', protocols: ['Q']"))).toMatch(/protocols are \[Q\]; there are A, B, /)
    expect(refused(model('', "type: 'PRIVATE', protocols: []"))).toMatch(/protocols are \[\]; there are/)
    expect(refused(model('', "type: 'PUBLIC', protocols: ['G']"))).toMatch(/type is PUBLIC, not one of PRIVATE, /)
    expect(refused(model('return undefined'))).toMatch(/setup\(\) does not return \{ ops, roles, threads \}$/)
    expect(refused(role('42'))).toMatch(/role r: its body is no function$/)
  })
})

describe('code', () => {
  test.each([
    ['function* r() { while (true) yield* step("x", s => {}) }', /more than 400 steps in one run: an unbounded loop\?/],
    [
      'function* r() { if (Math.random() < 0.5) yield* step("a", s => {}); yield* step("b", s => {}) }',
      /thread r is not deterministic: it uses Math.random\(\); a step that may go either way says choose\(\)$/,
    ],
    [
      'function* r() { yield* step("a", s => { if (Date.now() % 2) s.fail("odd") }) }',
      /step "a" is not deterministic: it uses Date.now\(\); time is no part of a model$/,
    ],
    [
      '(() => { let n = 0; return function* r() { if (n++ % 2) yield* step("a", s => {}); yield* step("b", s => {}) } })()',
      /thread r is not deterministic: /,
    ],
    ['() => 5', /thread r is no generator: is the \* of its function\* missing\?$/],
    ['function* r() { yield* step("a", s => { null.x }) }', /step "a" throws TypeError: /],
    ['function* r() { yield* step("a", s => {}); throw 7 }', /thread r throws 7$/],
    ['function* r() { yield* step("a", s => s.get(undefined)) }', /undefined, which is no cell, is used/],
  ])('%s', (body, said) => expect(refused(role(body))).toMatch(said))

  test('cells without an end, too large, or of one name', () => {
    const uses = 'function* r() { yield* step("a", s => s.set(c, (s.get(c) + 1) % 5)) }'
    const of = (spec: string) => `const c = cell('c', ${spec}); kernel.cells.push(c)`
    expect(refused(role(uses, of('{ max: Infinity }')))).toMatch(/cell c: max is Infinity, not an integer$/)
    expect(refused(role(uses, of('{ max: 5e6 }')))).toMatch(
      /step "a" reads c, which has 5000001 values: more than 100000/,
    )
    expect(refused(role(uses, `${of('{ max: 5 }')}; kernel.cells.push(cell('c', { max: 1 }))`))).toMatch(
      /two cells or two threads are named c$/,
    )
  })

  test('loops without a step', () => {
    const loops = 'function* r() { yield* step("x", s => {}); for (;;); }'
    expect(refused(role(loops), '--time', '1')).toMatch(
      /^lastput check: thread r does not come to an end: a loop without a/,
    )
  })
})

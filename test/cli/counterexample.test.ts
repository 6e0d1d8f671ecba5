// SPDX-License-Identifier: GPL-2.0-or-later
// lastput check --ftrace as a user types it: what is written, what is said about it, and lastput trace on that file.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-ftrace-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function lastput(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, stdout, stderr: stderr.replaceAll(/\s+/g, ' ') }
}

test('a row of the corpus: its broken form, and lastput trace condemns it as was said', () => {
  const file = join(folder, 'row.txt')
  const { status, stderr } = lastput('check', '--bugs', 'new-5', '--ftrace', file)
  expect(status).toBe(0)
  expect(stderr).toMatch(/^lastput check: \S+row\.txt written; lastput trace says: touch-after-free, /)
  const trace = lastput('trace', file)
  expect([trace.status, trace.stdout]).toEqual([1, expect.stringContaining('touch-after-free')])
})

test('what no event can show is said to be so', () => {
  const file = join(folder, 'eventless.txt')
  const { stderr } = lastput('check', '--bugs', '8', '--ftrace', file)
  expect(stderr).toContain('lastput trace cannot tell: what goes on for ever (folio_trylock) is no event')
  expect(lastput('trace', file).status).toBe(0)
})

test('a driver by its path', () => {
  const file = join(folder, 'driver.txt')
  lastput('check', 'examples/drivers/toygpu-racy.ts', '--protocol', 'G', '--pages', '1', '--ftrace', file)
  expect(readFileSync(file, 'utf8')).toMatch(/ lastput_free: \(toygpu_page_free\) pfn=0x100000\n/)
})

test.each([
  [['check', '--bugs', '1,2'], '--ftrace writes one counterexample: say one row'],
  [['check', '--bugs'], '--ftrace writes one counterexample: say one row'],
  [['check', 'test_hmm', '--matrix'], '--ftrace writes one counterexample: leave out --matrix'],
])('%j writes nothing', (args, told) => {
  const file = join(folder, 'nothing.txt')
  const { status, stderr } = lastput(...args, '--ftrace', file)
  expect([status, stderr]).toEqual([2, expect.stringContaining(told)])
  expect(existsSync(file)).toBe(false)
})

test('a system that holds has no counterexample', () => {
  const file = join(folder, 'holds.txt')
  const { status, stderr } = lastput('check', 'test_hmm', '--protocol', 'G', '--pages', '1', '--ftrace', file)
  expect([status, stderr]).toEqual([0, expect.stringContaining('nothing is violated')])
  expect(existsSync(file)).toBe(false)
})

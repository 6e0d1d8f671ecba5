// SPDX-License-Identifier: GPL-2.0-or-later
// The tests can be collected where there are no recordings of real kernels and no programs but Node.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { root, sources } from './sources.ts'

const nothing = mkdtempSync(join(tmpdir(), 'lastput-nothing-'))
afterAll(() => rmSync(nothing, { recursive: true }))

/**
 * Collects the tests whose text has that, in that environment, and runs none of them: what Vitest says against their files.
 * A suite without tests is an error, as is whatever goes wrong outside of tests.
 */
function collect(what: RegExp, env: NodeJS.ProcessEnv): string[] {
  const files = sources.filter(({ text }) => what.test(text)).map(({ file }) => file)
  expect(files.length).toBeGreaterThan(10)
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'))
  const args = ['run', '--reporter=json', '--testNamePattern=^no test has this name$', ...files]
  const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    // Tests that do not run do not remove the folders either that their files make.
    env: { ...Object.fromEntries(own), TMPDIR: nothing, ...env },
    encoding: 'utf8',
  })
  const start = stdout.indexOf('{"numTotalTestSuites"')
  expect(start, stdout + stderr).toBeGreaterThanOrEqual(0)
  const { success, testResults } = JSON.parse(stdout.slice(start)) as {
    success: boolean
    testResults: { name: string; status: string; message: string }[]
  }
  expect(testResults).toHaveLength(files.length)
  const failed = testResults.filter(({ status }) => status === 'failed')
  expect(success).toBe(failed.length === 0)
  return failed.map(({ name, message }) => `${name}: ${message}`)
}

describe('nothing goes wrong outside of tests', { timeout: 300_000 }, () => {
  test('without recordings', () => {
    expect(collect(/testkit\/(data(-recordings)?|core\/real-dumps)\.ts/, { LASTPUT_SHARED: nothing })).toEqual([])
  })

  test('without programs', () => {
    expect(
      collect(/child_process|\b(program|chromium|spinMissing)\(/, { PATH: nothing, LASTPUT_CHROMIUM: undefined }),
    ).toEqual([])
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The shards of a whole matrix, searched one after the other.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const cli = join(import.meta.dirname, '../../dist/cli/main.js')
const MATRIX = ['check', 'book3s_hv_uvmem', '--matrix', '--json', '--workers', '1']

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-shards-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function lastput(...args: string[]): { status: number | null; stdout: string } {
  return spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 })
}

/** Runs a command and keeps what it prints in a file. */
function keep(file: string, ...args: string[]): string {
  const { stdout, status } = lastput(...args)
  expect(status).toBe(0)
  writeFileSync(join(folder, file), stdout)
  return file
}

const untimed = (json: string): unknown => JSON.parse(json, (key, value) => (key === 'seconds' ? undefined : value))

test('the shards of a matrix are together the whole, in its order', () => {
  const parts = [1, 2, 3].map(part => keep(`${part}.json`, ...MATRIX, '--shard', `${part}/3`))
  const whole = lastput(...MATRIX).stdout
  const sizes = parts.map(file => JSON.parse(readFileSync(join(folder, file), 'utf8')).length)
  expect(Math.min(...sizes)).toBeGreaterThan(0)
  expect(untimed(lastput('merge', '--json', ...parts).stdout)).toEqual(untimed(whole))
  const { stdout, status } = lastput('merge', ...parts)
  expect([status, stdout]).toEqual([0, expect.stringMatching(/\n\d+ systems, \d+ promises kept/)])
})

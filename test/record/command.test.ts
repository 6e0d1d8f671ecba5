// SPDX-License-Identifier: GPL-2.0-or-later
// `lastput record` runs the script that --dry-run prints, hands signals on to it, and refuses what makes no sense.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeTracefs } from '../../testkit/fake-tracefs.ts'
import { root } from '../web/built.ts'

const cli = join(root, 'dist/cli/main.js')
const body = readFileSync(join(root, 'src/record/record.sh'), 'utf8')
let kernel: FakeTracefs

beforeEach(() => {
  kernel = new FakeTracefs()
})
afterEach(() => kernel.remove())

function lastput(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [cli, 'record', ...args], { encoding: 'utf8', env: kernel.env })
}

test('--dry-run prints the whole script, with the settings that were given', () => {
  const { status, stdout } = lastput('--watch', '0x7fea1,0x7fea2', '--seconds', '60', '--size', '2', '--dry-run')
  expect(status).toBe(0)
  expect(stdout.endsWith(body)).toBe(true)
  expect(stdout).toMatch(/^#!\/bin\/sh\n/)
  for (const setting of ["pages='0x7fea1-0x7fea1 0x7fea2-0x7fea2'", 'means=watch', 'seconds=60', 'kib=2048'])
    expect(stdout).toContain(`\n${setting} #`)
})

test('it records until a signal comes, and removes what it made', async () => {
  const out = join(kernel.folder, 'out')
  const child = spawn(process.execPath, [cli, 'record', '--means', 'probes', '-o', out], {
    env: kernel.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', text => {
    said += text
    if (said.includes('Ctrl-C')) child.kill('SIGINT')
  })
  const [code] = await once(child, 'close')
  expect({ code, said }).toMatchObject({ code: 0, said: expect.stringContaining('stopped by a signal') })
  expect(kernel.instances).toEqual([])
  expect(kernel.probes).toEqual([])
  expect(existsSync(join(out, 'trace.txt'))).toBe(true)
})

test('a command that runs meanwhile ends it', () => {
  const out = join(kernel.folder, 'out')
  const { status, stderr } = lastput('--means', 'probes', '-o', out, '--', 'sleep', '1')
  expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('the command has ended') })
})

test.each([
  [['--pfn', '0x10', '--driver', 'x'], 'give only one'],
  [['--watch', '0x10', '--means', 'probes'], 'give only one'],
  [['--check', '--', 'true'], 'record nothing'],
  [['--sample', '4'], 'name them by'],
  [['--sample', '4', '--driver', 'x', '--means', 'probes'], 'records all of them'],
  [['--seconds', '0'], 'above 0'],
  [['--vmemmap', '12'], 'expected an address'],
  [['--driver', 'a*'], 'expected a name'],
  [['--pfn', Array.from({ length: 40 }, (_, i) => (2 * i).toString(16)).join(',')], 'choose fewer'],
])('%j is refused', (args, why) => {
  const { status, stderr } = lastput(...args)
  expect({ status, stderr: stderr.replace(/\s+/g, ' ') }).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(why),
  })
})

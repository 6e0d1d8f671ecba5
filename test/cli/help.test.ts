// SPDX-License-Identifier: GPL-2.0-or-later
// Help fits a terminal of 80 columns, and its examples are lines that the commands take.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { drivers, properties, protocols } from '../../src/linux/index.ts'
import { root } from '../web/built.ts'

const COMMANDS = [
  'trace',
  'who',
  'life',
  'diff',
  'merge',
  'events',
  'check',
  'explain',
  'run',
  'open',
  'record',
  'core',
  'completion',
]

function help(...args: string[]): string {
  const command = [join(root, 'dist/cli/main.js'), ...args, '--help']
  const { status, stdout } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  expect(status).toBe(0)
  return stdout
}

test.each([[], ...COMMANDS.map(c => [c])])('lastput %s', (...args) => {
  const text = help(...args)
  expect(text.split('\n').filter(line => line.length > 80)).toEqual([])
  expect(text).toMatch(/^Examples:\n {2}lastput \w+/m)
  expect(text).toMatch(/^Exit codes: 0 /m)
  for (const [, command] of text.matchAll(/^ {2}lastput (\w+) .*$/gm)) expect(COMMANDS).toContain(command)
})

test('lastput check names all that it takes', () => {
  const text = help('check').replace(/\s+/g, ' ')
  for (const name of [...drivers.map(d => d.name), ...Object.keys(properties), protocols.map(p => p.id).join(', ')])
    expect(text).toContain(name)
})

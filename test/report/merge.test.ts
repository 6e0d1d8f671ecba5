// SPDX-License-Identifier: GPL-2.0-or-later
// Answers of many runs as one: what shards say together is what the whole says, and causes are told over all recordings.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const cli = join(root, 'dist/cli/main.js')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-merge-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function lastput(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 })
}

/** Runs a command and keeps what it prints in a file. */
function keep(file: string, ...args: string[]): string {
  const { stdout, status } = lastput(...args)
  expect([0, 1]).toContain(status)
  writeFileSync(join(folder, file), stdout)
  return file
}

describe('the shards of a matrix', () => {
  const MATRIX = ['check', 'book3s_hv_uvmem', '--matrix', '--json', '--workers', '1']

  it.each([['0/3'], ['4/3'], ['1'], ['1/0'], ['1/99999'], ['x/y'], ['1/3/5']])('%s is no part', shard => {
    expect(lastput(...MATRIX, '--shard', shard).status).toBe(2)
  })

  it('are of a matrix', () => {
    expect(lastput('check', 'book3s_hv_uvmem', '--shard', '1/2').status).toBe(2)
  })
})

describe('the answers of a fleet', () => {
  const recording = (name: string) => join(root, 'examples', name, 'trace.dat')

  it('are told by cause over all recordings', () => {
    const leak = readFileSync(
      keep('a.json', 'trace', '--json', recording('leak-6.12')) && join(folder, 'a.json'),
      'utf8',
    )
    writeFileSync(join(folder, 'b.json'), leak.replace(recording('leak-6.12'), '/another/trace.dat'))
    keep('c.json', 'trace', '--json', recording('ok-7.3'), recording('surplus-put-5.10'))
    const { stdout, status } = lastput('merge', 'a.json', 'b.json', 'c.json')
    expect(status).toBe(1)
    // Long names of recordings break their line.
    const told = stdout.replace(/\n {5}/g, ' ')
    expect(told).toMatch(/^4 recordings: findings in 3; 0 without/)
    expect(told).toMatch(/\n1\. leak \(fault likely\): zdbug_bug_leak_get\n {3}2 findings in 2 recordings: /)
    expect(told).toMatch(
      /\n2\. put-on-free-page \(fault certain\): zdbug_bug_second_put\n {3}1 finding in 1 recording: /,
    )
    expect(JSON.parse(lastput('merge', '--json', 'a.json', 'b.json', 'c.json').stdout)).toHaveLength(4)
  })

  it('may come through a pipe, once', () => {
    const answer = lastput('trace', '--json', recording('leak-6.12')).stdout
    const merge = (...args: string[]) =>
      spawnSync(process.execPath, [cli, 'merge', ...args], { cwd: folder, encoding: 'utf8', input: answer })
    expect(merge('-')).toMatchObject({ status: 1, stdout: expect.stringMatching(/^1 recording: findings in 1/) })
    expect(merge('-', '-').status).toBe(2)
  })

  it('that found nothing are clean only if all was judged', () => {
    const ok = JSON.parse(lastput('trace', '--json', recording('ok-7.3')).stdout)
    writeFileSync(join(folder, 'ok.json'), JSON.stringify(ok))
    writeFileSync(
      join(folder, 'cut.json'),
      JSON.stringify({ ...ok, complete: false, reasons: [{ reason: 'damaged', text: 'x' }] }),
    )
    expect(lastput('merge', 'ok.json').status).toBe(0)
    expect(lastput('merge', 'ok.json', 'cut.json').status).toBe(3)
  })
})

describe('what is no answer', () => {
  it.each([
    ['no JSON', 'hello', /expected JSON/],
    ['nothing', '', /expected JSON/],
    ['another schema', '{"schema":"lastput.who/4"}', /found lastput\.who\/4/],
    ['a number', '7', /JSON of another kind/],
    ['an empty list, which is no clean fleet', '[]', /found an empty list/],
    ['a verdict that is no cell', '{"schema":"lastput.check/2","scenario":"x"}', /found lastput\.check\/2/],
    ['null in a list', '[null]', /JSON of another kind/],
    ['causes that are no list', '{"schema":"lastput.trace/3","source":{"file":"x"},"causes":7}', /a list in "causes"/],
    ['no source', '{"schema":"lastput.trace/3","causes":[]}', /"source"/],
    [
      'functions that are none',
      '{"schema":"lastput.trace/3","source":{"file":"x"},"causes":[{"functions":[1]}]}',
      /"functions"/,
    ],
  ])('%s is refused', (_, text, message) => {
    writeFileSync(join(folder, 'bad.json'), text)
    const { status, stderr } = lastput('merge', 'bad.json')
    expect([status, stderr.replace(/\s+/g, ' ')]).toEqual([2, expect.stringMatching(message)])
  })

  it.each([
    ['no-such-file.json', 'no-such-file.json: no such file or directory'],
    ['.', '.: is a directory, where a file is expected'],
  ])('%s is named', (file, message) => {
    const { status, stderr } = lastput('merge', file)
    expect([status, stderr]).toEqual([2, `lastput merge: ${message}\n`])
  })
})

// What Slurm does of them: the script once for each task, with its number in the environment.
describe('the array jobs of docs/fleet.md', () => {
  const scripts = [...readFileSync(join(root, 'docs/fleet.md'), 'utf8').matchAll(/```sh\n(#!\/bin\/sh\n.*?)```/gs)].map(
    m => m[1]!,
  )

  it('of recordings take each of them once', () => {
    const script = scripts.find(text => text.includes('lastput trace'))!
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'lastput'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`)
    chmodSync(join(bin, 'lastput'), 0o755)
    mkdirSync(join(folder, 'recordings'))
    for (const name of ['leak-6.12', 'ok-7.3', 'surplus-put-5.10'])
      cpSync(join(root, 'examples', name, 'trace.dat'), join(folder, `recordings/${name}.dat`))
    for (const task of ['1', '2']) {
      const env = {
        ...process.env,
        PATH: `${bin}:${process.env.PATH}`,
        SLURM_ARRAY_TASK_ID: task,
        SLURM_ARRAY_TASK_COUNT: '2',
      }
      const run = spawnSync('sh', ['-c', script], { cwd: folder, env, encoding: 'utf8' })
      expect([run.status, run.stderr]).toEqual([0, ''])
    }
    const { stdout } = lastput('merge', 'trace-1.json', 'trace-2.json')
    expect(stdout).toMatch(/^3 recordings: findings in 2; /)
  })
})

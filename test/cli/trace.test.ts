// SPDX-License-Identifier: GPL-2.0-or-later
// `lastput trace` and `lastput who` as a user calls them.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const leak = 'examples/leak-6.12/trace.dat'
const folder = mkdtempSync(join(tmpdir(), 'lastput-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

function lastput(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args], {
    cwd: root,
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
  })
  return { status, stdout, stderr }
}

/** ftrace text of one page: handed out, used by two, and put as often as `puts` says. */
function text(task: string, puts: number): string {
  const event = (us: number, name: string, count: number, rest: string) =>
    `${task.padStart(16)}-77      [000] .....     1.${String(us).padStart(6, '0')}: page_ref_${name}: pfn=0x1000 flags=reserved count=${count} mapcount=-1 mapping=0000000000000000 mt=1 ${rest}`
  const lines = [
    `${task.padStart(16)}-77      [000] .....     0.900000: page_ref_set: pfn=0x1000 flags=none count=1 mapcount=0 mapping=0000000000000000 mt=0 val=1`,
    `${task.padStart(16)}-77      [000] .....     0.900010: page_ref_set: pfn=0x1000 flags=reserved count=0 mapcount=-1 mapping=0000000000000000 mt=0 val=0`,
  ]
  for (let life = 0; life < 5; life++) {
    lines.push(event(life * 100, 'set', 1, 'val=1'))
    const last = life === 4 ? puts : 1
    for (let put = 0; put < last; put++) {
      const count = -put
      lines.push(event(life * 100 + 10 + put, 'mod_and_test', count, `val=-1 ret=${count === 0 ? 1 : 0}`))
    }
  }
  return `# tracer: nop\n#\n${lines.join('\n')}\n`
}

describe('lastput trace', () => {
  test('a leak is a finding, and exit code 1', () => {
    const { status, stdout, stderr } = lastput(['trace', leak])
    expect(status).toBe(1)
    expect(stderr).toBe('')
    expect(stdout.replace(/\s+/g, ' ')).toContain(
      '1. leak (fault likely, culprit likely): zdbug_bug_leak_get took a reference to page 0xfcf83fc that never came back.',
    )
    expect(Math.max(...stdout.split('\n').map(line => line.length))).toBeLessThanOrEqual(80)
    expect(stdout).not.toContain('\x1b')
  })

  test('filters leave out what they name', () => {
    expect(lastput(['trace', leak, '--pfn', '0xfcf83fc']).status).toBe(1)
    expect(lastput(['trace', leak, '--pfn', 'fcf83fd']).status).toBe(0)
    expect(lastput(['trace', leak, '--pagemap', '0xfcf8000']).status).toBe(1)
    expect(lastput(['trace', leak, '--pagemap', '0x1']).status).toBe(2)
    expect(lastput(['trace', leak, '--to', '5.966']).status).toBe(0)
    expect(lastput(['trace', leak, '--from', '5.966', '--to', '5.967']).status).toBe(1)
  })

  test('several files, in text and as an array of JSON', () => {
    const { status, stdout } = lastput(['trace', leak, leak, '--json'])
    expect(status).toBe(1)
    expect(JSON.parse(stdout).map((each: { schema: string }) => each.schema)).toEqual([
      'lastput.trace/3',
      'lastput.trace/3',
    ])
    expect(lastput(['trace', leak, leak]).stdout.match(/1 finding:/g)).toHaveLength(2)
  })

  test('text on standard input', () => {
    const good = lastput(['trace', '-'], text('worker', 1))
    expect(good.status).toBe(0)
    expect(good.stdout).toContain('5 lifetimes complete, 0 open at the end.')
    const bad = lastput(['trace', '-', '--json'], text('worker', 2))
    expect(bad.status).toBe(1)
    expect(JSON.parse(bad.stdout).findings).toMatchObject([
      { kind: 'put-on-free-page', pfn: '0x1000', culprit: { task: 'worker', pid: 77 } },
    ])
  })

  test('a page still held is no accusation', () => {
    const { status, stdout } = lastput(['trace', '-'], text('worker', 0))
    expect(status).toBe(0)
    expect(stdout).toContain('1 page held at the end, which is no accusation.')
  })

  test('names from a recording reach the terminal harmless', () => {
    const { stdout } = lastput(['trace', '-'], text('e\x1b[31mv\u202el', 2))
    expect(stdout).toContain('e\\x1b[31mv\\u202el-77')
    expect(stdout).not.toContain('\x1b')
    expect(stdout).not.toContain('\u202e')
  })

  test('what cannot be used is said, with exit code 2', () => {
    const junk = join(folder, 'junk')
    writeFileSync(junk, 'nothing of the kind\n')
    for (const [args, said] of [
      [['trace', 'not-there'], 'not-there: no such file or directory'],
      [['trace', junk], 'found text that begins "nothing of the kind"'],
      [['trace', leak, '--pfn', 'x'], 'expected a page frame number in hex'],
      [['trace', leak, '--protocol', 'Z'], 'Allowed choices are A, B, C'],
      [['trace', leak, '--from', 'noon'], 'expected seconds'],
      [['trace'], "missing required argument 'file'"],
    ] as const) {
      const { status, stdout, stderr } = lastput([...args])
      expect(status).toBe(2)
      expect(stdout).toBe('')
      expect(stderr.replace(/\s+/g, ' ')).toContain(said)
      expect(stderr).not.toMatch(/^\s+at /m)
    }
  })

  test('a recording that was cut off tells what came before', () => {
    const cut = join(folder, 'cut.dat')
    const whole = readFileSync(join(root, leak))
    writeFileSync(cut, whole.subarray(0, whole.length - 5000))
    const { status, stdout } = lastput(['trace', cut])
    expect(status).toBe(3)
    expect(stdout).toMatch(/\d+ page_ref events/)
    expect(stdout).toContain('damaged: ')
  })
})

describe('lastput who', () => {
  test('at the end, and at a time', () => {
    const end = lastput(['who', leak, '--pfn', '0xfcf83fc'])
    expect(end.status).toBe(1)
    expect(end.stdout).toContain('count 1 (0 while idle)')
    expect(end.stdout).toContain('zdbug_bug_leak_get')
    const then = JSON.parse(lastput(['who', leak, '--pfn', '0xfcf83fc', '--at', '5.966999', '--json']).stdout)
    expect(then).toMatchObject({ schema: 'lastput.who/4', pages: [{ count: 4, idleCount: 0, lossy: false }] })
    expect(then.pages[0].holders.map((each: { taken: { function: string } }) => each.taken.function)).toEqual([
      'zdbug_alloc',
      'zdbug_user_get',
      'zdbug_user_get',
      'zdbug_bug_leak_get',
    ])
  })

  test('nobody, and a page that is not there', () => {
    const idle = lastput(['who', leak, '--pfn', '0xfcf8000'])
    expect(idle.status).toBe(0)
    expect(idle.stdout).toContain('nobody holds it')
    expect(lastput(['who', leak, '--pfn', '0x1']).status).toBe(2)
  })
})

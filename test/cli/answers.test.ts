// SPDX-License-Identifier: GPL-2.0-or-later
// Answers that a script can trust: one rule of exit codes, nothing that is taken silently, errors that say what to do.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Exit, exitFor, exitOf } from '../../src/cli/exit-codes.ts'
import { lastput } from '../support/in-process.ts'
import { root } from '../web/built.ts'

const leak = join(root, 'examples/leak-6.12/trace.dat')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-answers-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

/** ftrace text of a page that is handed out, used and put. */
function text(events: readonly string[]): string {
  const head = '          worker-77      [000] .....     '
  return `# tracer: nop\n#\n${events.map(each => `${head}${each}\n`).join('')}`
}
const rest = 'flags=reserved mapcount=-1 mapping=0000000000000000 mt=1'
const CLEAN = [
  `1.000000: page_ref_set: pfn=0x1000 count=1 ${rest} val=1`,
  `1.000010: page_ref_set: pfn=0x1000 count=0 ${rest} val=0`,
  `1.000100: page_ref_set: pfn=0x1000 count=1 ${rest} val=1`,
  `1.000200: page_ref_mod_and_test: pfn=0x1000 count=0 ${rest} val=-1 ret=1`,
]

describe('exit codes', () => {
  test('what was found outweighs what may be missed, and that what is clean', async () => {
    expect(exitFor({ found: true, complete: false })).toBe(1)
    expect(exitFor({ found: false, complete: false })).toBe(3)
    expect(exitFor({ found: false, complete: true })).toBe(0)
    expect(exitOf([Exit.CLEAN, Exit.INCOMPLETE])).toBe(3)
    expect(exitOf([Exit.INCOMPLETE, Exit.UNUSABLE])).toBe(2)
    expect(exitOf([Exit.UNUSABLE, Exit.FOUND])).toBe(1)
    expect(exitOf([])).toBe(0)
  })

  test('0 only where all was judged', async () => {
    const clean = file('clean.txt', text(CLEAN))
    expect((await lastput('trace', clean)).status).toBe(0)
    expect(JSON.parse((await lastput('trace', clean, '--json')).stdout)).toMatchObject({ complete: true, reasons: [] })
    expect((await lastput('who', clean, '--pfn', '0x1000')).status).toBe(0)
    expect((await lastput('events', clean)).status).toBe(0)
  })

  const whole = () => readFileSync(leak)
  test.each([
    ['a recording that is cut off', 'cut.dat', () => whole().subarray(0, 36_000), ['damaged', 'lost-events'], 3],
    ['a packed text that is cut off', 'cut.gz', () => gzipSync(text(CLEAN)).subarray(0, -12), ['damaged'], 3],
    ['a text without an event', 'none.txt', () => text([]), ['no-events'], 3],
    [
      'lost events',
      'lost.txt',
      () => text(CLEAN).replace(/^(?=.*1\.000100)/m, 'CPU:0 [LOST 3 EVENTS]\n'),
      ['lost-events'],
      3,
    ],
    [
      'a count that changed without an event',
      'jump.txt',
      () =>
        text(
          [...CLEAN, `1.1: page_ref_mod: pfn=0x1000 count=7 ${rest} val=1`].map(each =>
            each.replace('1.1:', '1.100000:'),
          ),
        ),
      ['unrecorded'],
      3,
    ],
  ] as const)('3 and why, for %s', async (_, name, content, reasons, status) => {
    const path = file(name, content())
    const shown = await lastput('trace', path)
    expect([shown.status, shown.stdout]).toEqual([status, expect.stringContaining('something may have been')])
    const json = JSON.parse((await lastput('trace', path, '--json')).stdout)
    expect(json.complete).toBe(false)
    expect(json.reasons.map((each: { reason: string }) => each.reason)).toEqual(reasons)
  })

  test('events says so too, at the end of its lines', async () => {
    const path = file('cut-events.dat', whole().subarray(0, 36_000))
    const { status, stdout, stderr } = await lastput('events', path, '--json')
    expect(status).toBe(3)
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ complete: false })
    expect(stderr).toMatch(/^lastput events: damaged: /)
    expect((await lastput('events', path)).status).toBe(3)
    expect((await lastput('events', leak)).status).toBe(0)
  })

  test('of several files, one that cannot be used does not hide the others', async () => {
    const junk = file('junk', 'nothing of the kind\n')
    const { status, stdout, stderr } = await lastput('trace', junk, leak)
    expect([status, stdout]).toEqual([1, expect.stringContaining('zdbug_bug_leak_get')])
    expect(stderr).toContain('junk: expected trace.dat')
    expect((await lastput('trace', junk, file('clean.txt', text(CLEAN)))).status).toBe(2)
  })
})

describe('what is packed', () => {
  test('by gzip is unpacked, a binary recording and a text', async () => {
    const packed = await lastput('trace', file('leak.dat.gz', gzipSync(readFileSync(leak))))
    expect([packed.status, packed.stdout]).toEqual([1, expect.stringContaining('zdbug_bug_leak_get took a reference')])
    expect((await lastput('trace', file('clean.txt.gz', gzipSync(text(CLEAN))))).status).toBe(0)
  })

  test.each([
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ['bzip2', [0x42, 0x5a, 0x68, 0x39]],
  ])('by %s is refused with the command that unpacks it', async (name, magic) => {
    const { status, stderr } = await lastput(
      'trace',
      file(`x.${name}`, Uint8Array.from([...magic, ...new Array(99).fill(1)])),
    )
    expect([status, stderr]).toEqual([2, expect.stringContaining(`found ${name}: unpack it: ${name} -dc FILE`)])
  })
})

describe('pages and times', () => {
  test('several pages, and ranges of them', async () => {
    const findings = async (...pfn: string[]) =>
      (await lastput('trace', leak, ...pfn.flatMap(each => ['--pfn', each]))).status
    expect(await findings('0xfcf8000', '0xfcf83fc')).toBe(1)
    expect(await findings('fcf8000,fcf83fc')).toBe(1)
    expect(await findings('0xfcf8300-0xfcf83ff')).toBe(1)
    expect(await findings('0xfcf8000-0xfcf80ff')).toBe(0)
  })

  test.each([
    [['--pfn', '0x1'], '--pfn 0x1: no such page occurs; its pagemaps are 0xfcf8000-0xfcf83ff'],
    [['--pagemap', '0x1'], '--pagemap 0x1: no pagemap has it'],
    [['--from', '10', '--to', '5'], '--from is later than --to'],
    [['--from', '99'], '--from is after the end: the recording goes from 5.935054 to 13.420693'],
    [['--to', '1'], '--to is before the first event'],
  ])('%j is no clean answer', async (args, said) => {
    const { status, stdout, stderr } = await lastput('trace', leak, ...args)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
  })

  test('narrow trace and events alike, to a time as it is shown', async () => {
    const at = ['--from', '5.966999', '--to', '5.966999']
    const { status, stdout } = await lastput('events', leak, '--pfn', '0xfcf83fc', ...at)
    expect([status, stdout.match(/page_ref_/g)?.length]).toEqual([0, 3])
    expect(stdout).toMatch(/^cpus=2\n +insmod-105 +\[000\] +5\.966999: page_ref_mod: +pfn=0xfcf83fc /)
    expect((await lastput('trace', leak, ...at)).status).toBe(1)
    const json = await lastput('events', leak, '--json', '--pfn', '0xfcf83f0-0xfcf83ff')
    const pages = new Set(
      json.stdout
        .trimEnd()
        .split('\n')
        .map(line => Number(JSON.parse(line).pfn)),
    )
    expect([...pages].sort()).toEqual(Array.from({ length: 16 }, (_, i) => 0xfcf83f0 + i))
    expect((await lastput('events', leak, '--pfn', '0x1')).stderr).toContain(
      'no event is one of those that are asked for',
    )
  })

  test('who is told which pages there are', async () => {
    const { status, stderr } = await lastput('who', leak, '--pfn', '0x1')
    expect(status).toBe(2)
    expect(stderr).toMatch(/no event of page 0x1 occurs; pages that do: 0xfcf8000-0xfcf83ff$/)
  })

  test('the end of the recording is told, since what is held is held until then', async () => {
    const { stdout } = await lastput('trace', leak)
    expect(stdout).toContain('from 5.935054 to 5.971305, recorded until 13.420693')
    expect(JSON.parse((await lastput('trace', leak, '--json')).stdout).source.endTime).toBeCloseTo(13.420693, 6)
  })
})

/** Options with a value, by command, with one that is taken. */
const VALUES: Record<string, Record<string, string>> = {
  [`trace ${leak}`]: {
    buffer: 'x',
    protocol: 'A',
    html: 'x.html',
    pagemap: '1',
    from: '1',
    to: '2',
    older: '1',
    top: '3',
  },
  [`who ${leak}`]: { pagemap: '1', at: '6', top: '3', buffer: 'x', protocol: 'A' },
  [`life ${leak}`]: { pfn: '1', top: '3', buffer: 'x', protocol: 'A' },
  [`events ${leak}`]: { buffer: 'x', pagemap: '1', from: '1', to: '2' },
  'check test_hmm': {
    protocol: 'G',
    pages: '1',
    vas: '1',
    threads: 'fault',
    workers: '2',
    memory: '1G',
    time: '1',
    ftrace: 'f',
    html: 'h',
  },
  'run test_hmm': { protocol: 'G', pages: '1', vas: '1', threads: 'fault', seed: '1', steps: '9', html: 'h' },
  'explain G': { html: 'h' },
  'core vmcore': {
    html: 'h',
    pfn: '1',
    pagemap: '1',
    'any-page': '1',
    'system-map': 'x',
    vmlinux: 'x',
    top: '3',
  },
}
const OPTIONS = Object.entries(VALUES).flatMap(([command, options]) =>
  Object.entries(options).map(([name, value]) => [command.split(' '), `--${name}`, value] as const),
)

describe('options', () => {
  test.each(OPTIONS)('%j refuses %s twice, empty, and with an option as its value', async (command, name, value) => {
    const args =
      (command[0] === 'who' || command[0] === 'life') && name !== '--pfn' ? [...command, '--pfn', '1'] : command
    for (const [given, said] of [
      [[name, value, name, value], `${name} is given twice`],
      [[`${name}=`], 'expected a value, found nothing'],
      [[name, ' '], 'expected a value, found nothing'],
      [[name, '--json'], 'expected a value, found an option'],
    ] as const) {
      const { status, stdout, stderr } = await lastput(...(args as [string, ...string[]]), ...given)
      expect([status, stdout]).toEqual([2, ''])
      expect(stderr).toContain(said)
    }
  })

  test.each([
    [['trace', leak, '--full'], '--full says what is put into a report: add --html FILE'],
    [['trace', leak, '--html', '-'], 'standard output has the answer'],
    [['trace', leak, '--json', '--top', '3'], "'--json' cannot be used with option '--top <n>'"],
    [['trace', leak, '--json', '--each'], "'--json' cannot be used with option '--each'"],
    [['trace', leak, leak, '--html', 'x.html'], '--html takes one recording'],
    [['trace', '-', '-'], 'standard input can be read once'],
    [['trace', leak, '--buffer', 'none'], 'expected a buffer "none"'],
    [['trace', leak, '--pfn', '5-1'], 'expected pages or ranges of them'],
    [['trace', leak, '--pfn', '1,,2'], 'expected a page frame number'],
    [['check', 'test_hmm', '--memory', '999T'], 'this machine has'],
    [['check', 'test_hmm', '--memory', '0'], 'a number of bytes is expected'],
    [['check', 'test_hmm', '--workers', '100000'], 'at most 64'],
    [['run', 'test_hmm', '--steps', '99999999999999'], 'at most 1000000'],
    [['core', 'vmcore', '--json', '--top', '3'], "'--json' cannot be used with option '--top <n>'"],
    [['core', 'vmcore', '--html', '-'], 'standard output has the answer'],
    [['core', 'vmcore', '--pages', '--html', 'h'], "'--pages' cannot be used with option '--html <file>'"],
    [['core', 'vmcore', '--pages', '--no-search'], "'--pages' cannot be used with option '--no-search'"],
    [['core', 'vmcore', '--pages', '--pagemap', '1'], "'--pages' cannot be used with option '--pagemap <pfn>'"],
    [
      ['core', 'vmcore', '--pfn', '1', '--any-page', '1'],
      "'--pfn <pfn>' cannot be used with option '--any-page <pfn>'",
    ],
    [['core', 'vmcore', '--pfn', '1', '--pagemap', '1'], "'--pfn <pfn>' cannot be used with option '--pagemap <pfn>'"],
    [
      ['core', 'vmcore', '--any-page', '1', '--html', 'h'],
      "'--any-page <pfn>' cannot be used with option '--html <file>'",
    ],
    [['core', 'vmcore', '--pfn', '1', '--html', 'h'], "'--pfn <pfn>' cannot be used with option '--html <file>'"],
    [
      ['core', 'vmcore', '--pagemap', '1', '--html', 'h'],
      "'--pagemap <pfn>' cannot be used with option '--html <file>'",
    ],
    [['core', 'vmcore', '--pfn', 'x'], 'expected a page frame number in hex'],
    [['core', 'vmcore', '--live'], 'expected either the path of a dump or --live'],
    [['core'], 'expected either the path of a dump or --live'],
    [['run', 'test_hmm', '--seed', '99999999999999999999'], 'a positive integer is expected'],
  ])('%j is refused', async (args, said) => {
    const [name, ...more] = args as [string, ...string[]]
    const { status, stdout, stderr } = await lastput(name, ...more)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
  })

  test.each([
    ['garbage', 'a\nb c\n', 'expected lines of the form "ffffffffc0006000 t function [module]"'],
    ['empty', '', 'expected lines of the form'],
    ['hidden', '0000000000000000 T _text\n0000000000000000 t x [zdbug]\n', 'all addresses are 0'],
  ])('symbols of a file that is %s are refused', async (name, content, said) => {
    for (const args of [
      ['trace', leak],
      ['events', leak],
      ['who', leak, '--pfn', '0xfcf83fc'],
    ]) {
      const { status, stderr } = await lastput(
        ...(args as [string, ...string[]]),
        '--kallsyms',
        file(`kallsyms-${name}`, content),
      )
      expect([status, stderr]).toEqual([2, expect.stringContaining(said)])
    }
  })
})

describe('errors say what was found, what can be read and what to do', () => {
  test.each([
    ['nothing', 'empty', '', 'found nothing: docs/recording.md says how to record'],
    ['text', 'text', 'hello\n', 'found text that begins "hello": its events look like'],
    ['JSON', 'x.json', '{"a":1}', 'found JSON: lastput open shows the JSON'],
    ['a page', 'x.html', '<!DOCTYPE html><p>', 'found a web page: lastput open shows reports'],
    ['ELF', 'x.elf', '\x7fELF\x02\x01', 'found an ELF file'],
    ['other bytes', 'x.bin', '\x01\x00\x02', 'found other binary data'],
  ])('of %s', async (_, name, content, said) => {
    for (const command of ['trace', 'events', 'open']) {
      if (command === 'open' && /json|html|elf/.test(name)) continue
      const { status, stderr } = await lastput(command, file(name, content))
      expect(status).toBe(2)
      expect(stderr).toContain(
        `lastput ${command}: ${join(folder, name)}: expected trace.dat, perf.data or ftrace text`,
      )
      expect(stderr).toContain(said)
    }
  })

  test('of what is no file at all', async () => {
    mkdirSync(join(folder, 'folder'), { recursive: true })
    const commands = ['trace X', 'events X', 'who X --pfn 1', 'open X', `trace ${leak} --kallsyms X`]
    for (const command of commands) {
      const on = async (path: string) => {
        const [name, ...args] = command.split(' ').map(each => (each === 'X' ? path : each))
        return (await lastput(name!, ...args)).stderr
      }
      expect(await on(join(folder, 'folder'))).toContain('folder: is a directory, where a file is expected')
      if (!command.includes('--html'))
        expect(await on(join(folder, 'nowhere'))).toContain('nowhere: no such file or directory')
    }
  })

  test('open refuses what it cannot show before a browser starts', async () => {
    const refused = (name: string, content: string) => lastput('open', file(name, content), '--no-browser')
    expect(await refused('o.json', '{"a":1}')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('found other JSON'),
    })
    expect(await refused('o.html', '<html><p>')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('found another page'),
    })
    expect((await lastput('open', '-')).stderr).toContain('expected a file: standard input can be read once')
  })
})

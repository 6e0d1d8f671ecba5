// SPDX-License-Identifier: GPL-2.0-or-later
// What users get wrong ends in one line that says what to do, and exit code 2: no stack trace, no verdict, no hang.
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { guardedModel } from '../../src/cli/model-file.ts'
import { bytes, duration } from '../../src/cli/model-flags.ts'
import { program } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'

const root = join(import.meta.dirname, '../..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-hostile-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function lastput(...args: string[]) {
  return spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { cwd: folder, encoding: 'utf8' })
}

/** What is said on stderr, as one line. */
function refused(...args: string[]): string {
  const { status, stdout, stderr } = lastput('check', ...args)
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
    [['--threads', 'fault:1:2'], /roles are expected, as fault:2,migrate,unbind/],
    [['--property', 'toString'], /there are free-twice, /],
    [['--memory', 'much'], /a number of bytes is expected/],
    [['--time', '0'], /a time is expected, as 0.5, 90s, 5m or 1h/],
    [['--time', '1d'], /a time is expected/],
    [['--no'], /unknown option '--no'/],
    [['--add', 'svm_serializes'], /there are split_failure_puts, /],
  ] as const)('%s', (args, said) => {
    expect(refused('test_hmm', '--protocol', 'G', ...args)).toMatch(said)
  })

  test('a system whose search is more code than JavaScript takes', async () => {
    const { exitCode } = process
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      await guardedModel('check', () => Promise.reject(new RangeError('Maximum call stack size exceeded')))
      expect(String(said.mock.calls)).toMatch(
        /^lastput check: the system is too large: .*\(fewer\s+--pages, --vas or --threads/,
      )
      expect(process.exitCode).toBe(2)
    } finally {
      process.exitCode = exitCode
      said.mockRestore()
    }
  })

  test('times and sizes with their units', () => {
    expect(['0.5', '90s', '5m', '1.5h'].map(duration)).toEqual([0.5, 90, 300, 5400])
    expect(['7', '4k', '1.5G'].map(bytes)).toEqual([7, 4096, 1.5 * 2 ** 30])
  })
})

describe('files', () => {
  test.each([
    ['throw new Error("boom")', /^lastput check: \.\/model\.ts throws Error: boom \(model\.ts:\d+:\d+\)$/],
    ['throw null', /model\.ts throws null$/],
    [
      'process.exit(0)',
      /model\.ts throws Error: process\.exit\(\) would end the command without a verdict: leave it out \(model\.ts:\d+:\d+\)$/,
    ],
    ['export default {', /model\.ts: model\.ts:3:17: Expected identifier but found end of file$/],
    ['await new Promise(() => {})', /Top-level await is currently not supported/],
    ['import x from "nowhere"; export default x', /Could not resolve "nowhere"/],
    ['export const x = 1', /the default export is not a driver\(/],
  ])('%s', (text, said) => expect(refused(file(text))).toMatch(said))

  test('that are none', () => {
    expect(refused('/dev/zero')).toBe('lastput check: /dev/zero is no file')
    expect(refused('./')).toBe('lastput check: ./ is no file')
    expect(refused('./no-such.ts')).toBe('lastput check: ./no-such.ts: no such file')
  })

  test('protocols that lack something', () => {
    const of = (what: string) => {
      writeFileSync(join(folder, 'protocol.ts'), `import { G } from 'lastput/linux'\nexport default { ...G, ${what} }`)
      return refused('test_hmm', '--protocol', './protocol.ts')
    }
    expect(of("id: 'H'")).toMatch(
      /protocol\.ts: id is H, not one of A, B, .* a file begins best with \{ \.\.\.G, name: 'mine' \}$/,
    )
    expect(of('memunmap_pages: undefined')).toMatch(/protocol\.ts: memunmap_pages is no function; /)
  })

  test('drivers that are none', () => {
    expect(refused(model('', "type: 'PRIVATE', protocols: ['Q']"))).toMatch(/protocols are \[Q\]; there are A, B, /)
    expect(refused(model('', "type: 'PRIVATE', protocols: []"))).toMatch(/protocols are \[\]; there are/)
    expect(refused(model('', "type: 'PUBLIC', protocols: ['G']"))).toMatch(/type is PUBLIC, not one of PRIVATE, /)
    expect(refused(model('return undefined'))).toMatch(/setup\(\) does not return \{ ops, roles, threads \}$/)
    expect(refused(model('return { ops: {}, roles: { r: null }, threads: { r: 1 } }'))).toMatch(
      /its body is no function$/,
    )
    expect(refused(model('null.x'))).toMatch(/model\.ts: setup\(\) throws TypeError: /)
    expect(refused(model('process.exit(0)'))).toMatch(/setup\(\) throws Error: process\.exit\(\) would end /)
    expect(refused(role('42'))).toMatch(/role r: its body is no function$/)
  })
})

/** The tutorial's driver with a text in the place of another, as a file of the user's. */
function toygpu(text: string, instead: string): string {
  const whole = readFileSync(join(root, 'examples/drivers/toygpu-racy.ts'), 'utf8')
  expect(whole).toContain(text)
  writeFileSync(join(folder, 'toygpu.ts'), whole.replace(text, instead))
  return './toygpu.ts'
}

describe('a driver that forgets a yield*', () => {
  test.each([
    [
      "yield* touch_freed_page(page, 'page",
      "touch_freed_page(page, 'page",
      /toygpu_page_free drops touch_freed_page\(\): nothing runs it without a yield\* in front \(toygpu\.ts:37:\d+\)$/,
    ],
    [
      "yield* step('clear",
      "step('clear",
      /toygpu_page_free drops step "clear owner": nothing runs it without a yield\* in front \(toygpu\.ts:38:\d+\)$/,
    ],
    [
      'if (page) yield* zone',
      'if (page) zone',
      /toygpu_alloc_page drops zone_device_page_init\(\): .* \(toygpu\.ts:31:\d+\)$/,
    ],
    [
      'free_pages.push(s, page))',
      'free_pages.push(s, null!))',
      /step "toygpu_page_free" throws TypeError: .* \(toygpu\.ts:36:\d+\)$/,
    ],
    [
      "yield* step('clear",
      "null!.x; yield* step('clear",
      /toygpu_page_free throws TypeError: .* \(toygpu\.ts:38:\d+\)$/,
    ],
  ])('%s: %s', (text, instead, said) => {
    expect(refused(toygpu(text, instead), '--protocol', 'G', '--pages', '1')).toMatch(said)
  })

  test('is refused by lastput run and by threads of the matrix, too', () => {
    const name = toygpu("yield* step('clear", "step('clear")
    const matrix = lastput('check', name, '--matrix', '--workers', '2')
    expect(matrix.status).toBe(2)
    expect(matrix.stderr.replace(/\s+/g, ' ').trim()).toMatch(
      /drops step "clear owner": nothing runs it without a yield\* in front \(toygpu\.ts:38:\d+\)$/,
    )
    const { status, stderr } = lastput('run', name, '--threads', 'migrate,exit', '--steps', '60', '--pages', '1')
    expect([status, stderr]).toEqual([2, expect.stringMatching(/drops step "clear owner"/)])
  })
})

describe('code', () => {
  test.each([
    ['function* r() { while (true) yield* step("x", s => {}) }', /more than 400 steps in one run: an unbounded loop\?/],
    [
      'function* r() { if (Math.random() < 0.5) yield* step("a", s => {}); yield* step("b", s => {}) }',
      /check: r is not deterministic: it uses Math.random\(\); a step that may go either way says choose\(\) \(model\.ts:\d+:\d+\)$/,
    ],
    [
      'function* r() { yield* step("a", s => { if (Date.now() % 2) s.fail("odd") }) }',
      /step "a" is not deterministic: it uses Date.now\(\); time is no part of a model \(model\.ts:\d+:\d+\)$/,
    ],
    [
      '(() => { let n = 0; return function* r() { if (n++ % 2) yield* step("a", s => {}); yield* step("b", s => {}) } })()',
      /check: n is changed, which other runs share: what outlives a run is kept in cells \(model\.ts:3:\d+\)$/,
    ],
    ['() => 5', /thread r is no generator: is the \* of its function\* missing\?$/],
    ['function* r() { yield* step("a", s => { null.x }) }', /step "a" throws TypeError: /],
    ['function* r() { yield* step("a", s => {}); throw 7 }', /thread r throws 7$/],
    ['function* r() { yield* step("a", s => process.exit(0)) }', /step "a" throws Error: process\.exit\(\) would end /],
    ['function* r() { yield* step("a", s => s.get(undefined)) }', /undefined, which is no cell, is used/],
  ])('%s', (body, said) => expect(refused(role(body))).toMatch(said))

  test('cells without an end, too large, or of one name', () => {
    const uses = 'function* r() { yield* step("a", s => s.set(c, (s.get(c) + 1) % 5)) }'
    const of = (spec: string) => `const c = cell('c', ${spec}); kernel.cells.push(c)`
    expect(refused(role(uses, of('{ max: Infinity }')))).toMatch(
      /cell c: max is Infinity, not an integer \(model\.ts:\d+:\d+\)$/,
    )
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

describe('a model that would end the process', () => {
  const exits = () => role('function* r() { yield* step("a", s => process.exit(0)) }')
  test.each([
    ['run', []],
    ['check', ['--matrix', '--workers', '1']],
    ['check', ['--matrix', '--workers', '2']],
  ] as const)('does not, in %s %j', (command, args) => {
    writeFileSync(join(folder, 'two.ts'), readFileSync(join(folder, exits()), 'utf8').replace("['G']", "['F', 'G']"))
    const { status, stderr } = lastput(command, './two.ts', ...args)
    expect(stderr.replace(/\s+/g, ' ')).toMatch(
      /^lastput \w+: .* throws Error: process\.exit\(\) would end the command/,
    )
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(status).toBe(2)
  })
})

test('an error that comes later is not taken for a verdict', () => {
  const { status, stderr } = lastput(
    'check',
    role('function* r() { yield* step("a", s => {}) }', 'setTimeout(() => null.x)'),
  )
  expect([status, stderr]).toEqual([2, expect.stringContaining('TypeError')])
})

describe('names of a model', () => {
  const evil = String.raw`\x1b[31m\u202e\x07\n`
  const names = () =>
    file(`export default driver({ name: '${evil}d', type: 'PRIVATE', protocols: ['G'], setup(kernel) {
      const c = cell('${evil}c', { max: 1, show: v => '${evil}' + v })
      kernel.cells.push(c)
      function* body() { yield* step('${evil}s', s => s.set(c, 1)); yield* step('t', s => s.fail('${evil}p', '${evil}m')) }
      Object.defineProperty(body, 'name', { value: '${evil}f' })
      return { ops: {}, roles: { '${evil}r': { body } }, threads: { '${evil}r': 1 } }
    } })`)
  test.each([
    ['check'],
    ['check', '--ftrace', 'evil.txt'],
    ['check', '--matrix', '--property', 'count-mismatch'],
    ['check', '--matrix'],
    ['check', '--threads', 'nobody'],
    ['run'],
  ])('are shown with their control characters told: %s %s %s', (command, ...args) => {
    const { stdout, stderr } = lastput(command, names(), ...args)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    expect(stdout + stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/)
    expect(stdout + stderr).toContain(String.raw`\x1b[31m`)
  })
})

describe("a driver's own property", () => {
  const own = () =>
    role(
      'function* r() { yield* step("a", s => s.warn(s.get(c) === 1, "my-rule", "c is taken")); yield* step("b", s => s.set(c, 1)) }',
      "const c = cell('c', { max: 1 }); kernel.cells.push(c)",
    )

  test('is checked with the others, and alone', () => {
    for (const args of [[], ['--property', 'my-rule'], ['--property', 'count-mismatch,my-rule', '--workers', '2']]) {
      const { status, stdout } = lastput('check', own(), ...args)
      expect([status, stdout.split('\n')[0]]).toEqual([1, 'toy under G: VIOLATED my-rule: c is taken'])
    }
    expect(lastput('check', own(), '--property', 'count-mismatch,finishes').status).toBe(0)
    const json = JSON.parse(lastput('check', own(), '--json').stdout)
    expect(json).toMatchObject({ verdict: 'violated', property: 'my-rule', message: 'c is taken' })
  })

  test('is told below the matrix, and in its JSON', () => {
    const text = lastput('check', own(), '--matrix')
    expect([text.status, text.stdout]).toEqual([
      0,
      expect.stringContaining("\n  G, my-rule: the driver's own, broken in 3 steps\n"),
    ])
    expect(text.stdout).toMatch(/\d+ promises? kept, \d+ that nothing there can break,\s1 broken/)
    const cells = JSON.parse(
      lastput('check', own(), '--matrix', '--json', '--property', 'my-rule,count-mismatch').stdout,
    )
    expect(cells.map((c: { property: string; verdict: string }) => [c.property, c.verdict])).toEqual([
      ['my-rule', 'violated'],
      ['count-mismatch', 'holds'],
    ])
  })

  test('that there is not is refused, with those that there are', () => {
    expect(refused(own(), '--property', 'my-rul')).toMatch(
      /no property "my-rul": there are free-twice, .*, finishes, my-rule$/,
    )
    expect(refused(own(), '--matrix', '--property', 'my-rul')).toMatch(/no property "my-rul": there are .*, my-rule$/)
  })
})

needs(existsSync('/dev/full') ? undefined : '/dev/full').describe('where output cannot be written', () => {
  const trace = join(root, 'examples/leak-6.12/trace.dat')

  test.each([
    ['check', 'test_hmm', '--protocol', 'D', '--pages', '1'],
    ['check', '--help'],
    ['run', 'test_hmm'],
    ['explain'],
    ['trace', trace],
    ['events', trace],
  ])('a full disk is no verdict: %s %s', (...args) => {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    })
    closeSync(full)
    expect([status, stderr]).toEqual([2, 'lastput: standard output: ENOSPC: no space left on device, write\n'])
  })

  test('a file on a full disk is named', () => {
    expect(lastput('check', 'p2pdma', '--protocol', 'G', '--pages', '1', '--ftrace', '/dev/full')).toMatchObject({
      status: 2,
      stderr: 'lastput check: /dev/full: no space left on the disk\n',
    })
    expect(lastput('explain', 'G', '--html', '/dev/full')).toMatchObject({
      status: 2,
      stderr: 'lastput explain: /dev/full: no space left on the disk\n',
    })
  })

  needs(program('bash')).test(
    'a pipe that breaks before the end is no 0, and stderr that is full changes nothing',
    () => {
      const bash = (script: string) => spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim()
      const command = `'${process.execPath}' '${join(root, 'dist/cli/main.js')}'`
      expect(bash(`${command} events '${trace}' | head -n 1 > /dev/null; echo \${PIPESTATUS[0]}`)).toBe('141')
      expect(bash(`${command} check nothing 2> /dev/full; echo $?`)).toBe('2')
    },
  )
})

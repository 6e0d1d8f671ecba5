// SPDX-License-Identifier: GPL-2.0-or-later
// lastput check, explain and run as a user types them: exit codes, JSON, files by path, errors.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MatrixCell } from '../../src/report/matrix.ts'
import { program } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'

const root = join(import.meta.dirname, '../..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function lastput(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return { status, stdout, stderr }
}

const SMALL = ['--pages', '1', '--vas', '1']

describe('check', () => {
  test('exit code 0 and what was covered, when it holds', () => {
    const { status, stdout } = lastput('check', 'test_hmm', '--protocol', 'G', ...SMALL)
    expect(status).toBe(0)
    expect(stdout).toMatch(
      /^test_hmm under G: holds\n {2}1 page, 1 address, 4 threads .*, and then 4\n {2}threads \(migrate:2, exit, unbind\)\n {2}[\d,]+ states/,
    )
  })

  test('exit code 1 and the counterexample, when it does not', () => {
    const { status, stdout } = lastput('check', 'test_hmm', '--protocol', 'D', '--threads', 'migrate:2,exit', ...SMALL)
    expect(status).toBe(1)
    expect(stdout).toContain('VIOLATED touch-after-free')
    expect(stdout).toMatch(/step +thread +function: operation, changes, who holds what\n +1 +migrate/)
  })

  test('exit code 3 when memory runs out', () => {
    const { status, stdout } = lastput('check', 'test_hmm', '--protocol', 'G', '--memory', '1K')
    expect(status).toBe(3)
    expect(stdout).toContain('inconclusive (out of memory')
  })

  test('exit code 3 when time runs out, in parts of a second', () => {
    const { status, stdout } = lastput('check', 'test_hmm', '--protocol', 'G', '--time', '0.001s')
    expect(status).toBe(3)
    expect(stdout).toContain('inconclusive (out of time')
  })

  test('counterexamples stand apart, and say which entry maps the page that is freed', () => {
    const { stdout } = lastput('check', 'nouveau_dmem', '--property', 'freed-in-use', ...SMALL)
    expect(stdout).toMatch(/\n\s+page 0: free, in pte\[0\]\n.*\S\n\nnouveau_dmem under B: /s)
  })

  test('what was found is printed though a report of it cannot be written', () => {
    const { status, stdout, stderr } = lastput(
      'check',
      'p2pdma',
      '--protocol',
      'G',
      '--json',
      '--html',
      '/no/x',
      ...SMALL,
    )
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'violated' })
    expect([status, stderr]).toEqual([2, 'lastput check: /no/x: no such file or directory\n'])
  })

  test('JSON of schema lastput.check/2', () => {
    const { stdout } = lastput('check', 'p2pdma', '--protocol', 'G', '--json', ...SMALL)
    const json = JSON.parse(stdout)
    expect(json).toMatchObject({
      schema: 'lastput.check/2',
      system: 'p2pdma under G',
      verdict: 'violated',
      property: 'touch-after-free',
      bounds: expect.stringContaining('1 page,'),
      reductions: expect.any(Array),
    })
    for (const key of ['states', 'transitions', 'depth', 'seconds']) expect(json[key]).toBeGreaterThan(0)
    expect(json.counterexample.at(-1)).toMatchObject({ thread: 'mmap[0]', operation: 'set_page_count', changes: [] })
    expect(json.counterexample[0]).toEqual(
      expect.objectContaining({ step: 1, thread: expect.any(String), function: expect.any(String) }),
    )
  })

  test('workers come to the same verdict, states and length', () => {
    const of = (...more: string[]) => {
      const {
        seconds: _,
        reductions: __,
        ...rest
      } = JSON.parse(lastput('check', 'nouveau_dmem', '--protocol', 'G', '--json', ...more).stdout)
      return [rest.verdict, rest.property, rest.counterexample.length]
    }
    expect(of('--workers', '2')).toEqual(of())
  })

  test('a driver in TypeScript by its path', () => {
    expect(lastput('check', 'examples/drivers/toygpu.ts', '--protocol', 'G', ...SMALL).status).toBe(0)
    const racy = lastput('check', 'examples/drivers/toygpu-racy.ts', '--protocol', 'G', ...SMALL)
    expect([racy.status, racy.stdout.split(':')[1]]).toEqual([1, ' VIOLATED touch-after-free'])
  })

  test('a protocol by its path', () => {
    const file = join(folder, 'mine.ts')
    writeFileSync(
      file,
      `import { G, page_free, page_ref_dec_and_test, type Page } from 'lastput/linux'
       export default { ...G, name: 'mine', *put_page(page: Page) {
         if (yield* page_ref_dec_and_test(page)) yield* page_free(page) // forgets the pagemap's reference
       } }`,
    )
    const { status, stdout } = lastput('check', 'test_hmm', '--protocol', file, '--property', 'finishes', ...SMALL)
    expect([status, stdout.split('\n')[0]]).toEqual([
      1,
      'test_hmm under G (mine): VIOLATED finishes: unbind never ends',
    ])
    const matrix = lastput('check', 'test_hmm', '--matrix', '--protocol', file, '--property', 'finishes', ...SMALL)
    expect(matrix.stdout).toMatch(/test_hmm, teardown\n.*\n.*\n {2}G +\d+ /)
  })

  test('the counterexample as ftrace text', () => {
    const file = join(folder, 'x.ftrace')
    lastput('check', 'p2pdma', '--protocol', 'G', '--ftrace', file, ...SMALL)
    expect(readFileSync(file, 'utf8')).toMatch(/^# tracer: nop\n.* page_ref_set: pfn=0x100000 [^\n]* val=0\n/s)
    expect(lastput('trace', file).status).toBeLessThan(2)
  })

  test.each([
    [['check'], 'say a driver'],
    [['check', 'no_such'], 'no driver "no_such": book3s_hv_uvmem'],
    [['check', './no_such.ts'], 'no_such.ts'],
    [['check', 'package.json'], 'package.json: expected a TypeScript or JavaScript file'],
    [['check', 'test_hmm', '--protocol', 'Z'], 'no protocol "Z": A (extra-ref)'],
    [['check', 'test_hmm', '--threads', 'nobody'], 'no role "nobody"'],
    [['check', 'test_hmm', '--threads', 'fault:x'], 'positive integer'],
    [['check', 'test_hmm', '--pages', '0'], 'positive integer'],
    [['check', 'test_hmm', '--memory', 'much'], 'number of bytes'],
    [['check', 'test_hmm', '--property', 'beauty'], 'no property "beauty": there are free-twice'],
    [['check', '--matrix', '--property', 'beauty'], 'no property "beauty": there are free-twice'],
    [['check', '--bugs', '99'], 'no row 99'],
    [['check', '--matrix', '--threads', 'fault'], 'leave out --threads'],
    [['check', 'kfd_migrate', '--protocol', 'B'], 'kfd_migrate has no code for B, only for A, D, E, F, G'],
    [['run', 'drm_pagemap', '--protocol', 'A'], 'drm_pagemap has no code for A'],
    [['check', 'drm_pagemap', '--matrix', '--protocol', 'A'], 'drm_pagemap has no code for A'],
    [['run', 'no_such'], 'no driver'],
    [['explain', 'Z'], 'no protocol'],
  ])('%j is a usage error', (args, message) => {
    const { status, stderr } = lastput(...(args as string[]))
    expect(status).toBe(2)
    expect(stderr.replace(/\s+/g, ' ')).toContain(message)
    expect(stderr).not.toContain('    at ')
  })
})

test('check --bugs with rows', () => {
  const { status, stdout } = lastput('check', '--bugs', '2,8,20')
  expect(status).toBe(0)
  expect(stdout).not.toContain('does not hold')
  expect(stdout).toContain('3 of 3 bugs found')
})

test('check --bugs that has too little memory is no success, and no miss', () => {
  const { status, stdout } = lastput('check', '--bugs', '6', '--memory', '1K')
  expect(stdout).toContain('inconclusive')
  expect(status).toBe(3)
})

test.each([['--matrix'], ['--pages', '3'], ['--protocol', 'A'], ['--property', 'count-mismatch']])(
  'check --bugs with %s is refused',
  (...flags) => {
    const { status, stderr } = lastput('check', '--bugs', ...flags)
    expect(stderr).toContain(`'${flags[0]}`)
    expect(status).toBe(2)
  },
)

test('check --matrix of one driver', () => {
  const { status, stdout } = lastput('check', 'device_dax', '--matrix', '--json', ...SMALL)
  expect(status).toBe(0)
  const cells: MatrixCell[] = JSON.parse(stdout)
  expect(new Set(cells.map(c => c.schema))).toEqual(new Set(['lastput.check/2']))
  const teardown = (protocol: string, property: string) =>
    cells.find(c => c.protocol === protocol && c.scenario === 'teardown' && c.property === property)
  expect(teardown('A', 'pagemap-gone')?.verdict).toBe('holds')
  expect(teardown('G', 'pagemap-gone')?.verdict).toBe('violated')
  expect(teardown('C', 'warn')).toMatchObject({ message: expect.stringContaining('count 0'), consequence: false })
  expect(teardown('C', 'pagemap-gone')?.verdict).toBe('holds')
})

test('check --matrix has the same table for any number of workers, in the same order', () => {
  const of = (workers: string) => {
    const { status, stdout } = lastput('check', 'device_dax', '--matrix', '--workers', workers, ...SMALL)
    expect(status).toBe(0)
    return stdout.replace(/ +[\d.]+$/gm, '').replace(/in \d+ s$/m, '')
  }
  const one = of('1')
  expect(one).toContain('16 systems, ')
  expect(of('3')).toBe(one)
})

test('check --matrix of one protocol, with a change', () => {
  const of = (...more: string[]) => lastput('check', 'p2pdma', '--matrix', '--protocol', 'G', ...more, ...SMALL)
  expect(of().stdout).toContain('bug new-1: ')
  expect(of('--add', 'p2pdma_error_puts_page').stdout).toMatch(
    /^5 systems, \d+ promises kept, \d+ that nothing there can break, 0 broken/m,
  )
})

test('check --matrix that has too little time or memory says so, and is no success', () => {
  const { status, stdout } = lastput('check', 'fsdax', '--matrix', '--protocol', 'G', '--memory', '8K')
  expect(status).toBe(3)
  expect(stdout).toMatch(/G +\? +\? /)
  expect(stdout).toContain('G, free get touch pte pgmap count kill warn bounds dead ends: out of memory')
  expect(stdout).toContain('0 broken')
})

test('explain tells the rule and the life of a page', () => {
  const { status, stdout } = lastput('explain', 'D')
  expect(status).toBe(0)
  expect(stdout).toContain('D callback-then-reset: 5.18 to 6.0 (27674ef6c73f)')
  expect(stdout).toContain('count (1) -> (2) -> (1) -> (0) -> (1)')
})

test('run is the same for the same seed, and names what breaks', () => {
  const run = () => lastput('run', 'test_hmm', '--protocol', 'G', '--seed', '4', ...SMALL)
  expect(run()).toEqual(run())
  const leak = lastput(
    'run',
    'test_hmm',
    '--protocol',
    'G',
    '--threads',
    'migrate:2,leak,exit',
    '--seed',
    '1',
    ...SMALL,
  )
  expect([leak.status, leak.stderr.replace(/\s+/g, ' ')]).toEqual([
    1,
    'lastput run: test_hmm under G, seed 1: count-mismatch: at rest, every count equals the references that page tables, users ' +
      'and the owner hold ',
  ])
})

test('run as JSON and as a report', () => {
  const file = join(folder, 'run.html')
  const args = ['run', 'test_hmm', '--protocol', 'D', '--seed', '2', ...SMALL]
  const { stdout } = lastput(...args, '--json', '--html', file)
  const json = JSON.parse(stdout)
  expect(json).toMatchObject({ schema: 'lastput.run/2', system: 'test_hmm under D', seed: 2 })
  const html = readFileSync(file, 'utf8')
  const embedded = /<script type="application\/json" id="lastput-data">(.*?)<\/script>/s.exec(html)?.[1]
  expect(JSON.parse(embedded ?? '')).toEqual(json)
  expect(lastput(...args, '--html', join(folder, 'no/such/folder.html')).status).toBe(2)
})

needs(program('bash')).test('who reads our output may stop when they have seen enough', () => {
  for (const args of ['check --help', 'explain', 'check device_dax --matrix --pages 1 --vas 1']) {
    const script = `'${process.execPath}' dist/cli/main.js ${args} | head -n 1`
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: root, encoding: 'utf8' })
    expect([stdout.split('\n').length, stderr]).toEqual([2, ''])
  }
})

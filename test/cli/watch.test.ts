// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of watched counts as a user calls for them: what is not known is told as that, and counts are taken from a file.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const watch = 'examples/watch-leak-6.1/perf.data'
/** Where the memory map of the example was. */
const VMEMMAP = '0xfff880fd80000000'
const folder = mkdtempSync(join(tmpdir(), 'lastput-watch-'))
afterAll(() => rmSync(folder, { recursive: true }))

function lastput(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, stdout, stderr, said: stdout.replace(/\s+/g, ' ') }
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('samples without the code of the kernel', () => {
  let alone: string
  beforeAll(() => {
    alone = file('alone', readFileSync(join(root, watch, 'data')))
  })

  test('are no lost events: the amounts are what is not known', () => {
    const { status, stdout, said } = lastput('trace', alone)
    expect(status).toBe(3)
    expect(said).toMatch(/; none lost/)
    expect(said).toMatch(/note: the amounts of \d+ changes of pages 0x\S+, 0x\S+.* are not known: they are left out/)
    expect(said).toMatch(/Nothing was found\. But something may have been missed: .*the amounts of \d+ changes/)
    expect(stdout).not.toMatch(/LOST|lost in|\n\n\n/)
  })

  test('of a file that is cut off, are told apart from what is lost there', () => {
    const cut = file('cut', readFileSync(join(root, watch, 'data')).subarray(0, 60_000))
    const json = JSON.parse(lastput('trace', cut, '--json').stdout)
    expect(json.reasons.map((each: { reason: string }) => each.reason)).toEqual([
      'no-events',
      'damaged',
      'lost-events',
      'unknown-changes',
    ])
    expect(json.source).toMatchObject({ gaps: 2, unknownChanges: 187 })
  })

  test('are told so in JSON, and one by one', () => {
    const json = JSON.parse(lastput('trace', alone, '--json').stdout)
    expect(json.reasons.map((each: { reason: string }) => each.reason)).toContain('unknown-changes')
    expect(json.source).toMatchObject({ lost: 0, gaps: 0, unknownChanges: expect.any(Number) })
    const { status, stdout, stderr } = lastput('events', alone)
    expect(status).toBe(3)
    expect(stdout.match(/CHANGE OF A COUNT BY AN UNKNOWN AMOUNT/g)).toHaveLength(json.source.unknownChanges)
    expect(stdout).not.toContain('DROPPED')
    expect(stderr).toContain('the amounts of some changes are not known')
    const lines = lastput('events', alone, '--json').stdout.trimEnd().split('\n')
    expect(JSON.parse(lines[0]!)).toEqual({ unknownChange: { cpu: expect.any(Number), time: expect.any(String) } })
  })
})

test('the count of a watched page at rest is no idle count', () => {
  expect(lastput('who', watch, '--pfn', '0x7fea1').said).toContain('count 2 (1 from before the recording)')
  expect(lastput('life', watch, '--pfn', '0x7fea1').said).toContain('count 1 from before the recording')
  const [finding] = JSON.parse(lastput('trace', watch, '--json').stdout).findings
  expect(finding).toMatchObject({ kind: 'leak', expected: 1, isRest: true })
})

describe('--counts', () => {
  test.each([
    ['lines that say no count', 'pfn 12\n', 'line 1: expected lines "0xPFN COUNT"'],
    ['no page', '# nothing\n', 'found no page'],
  ])('with %s is refused', (_, content, why) => {
    for (const command of [['trace'], ['events'], ['who', '--pfn', '0x7fea1'], ['life', '--pfn', '0x7fea1']]) {
      const { status, stderr } = lastput(...command, watch, '--counts', file('wrong.txt', content))
      expect({ status, stderr: stderr.replace(/\s+/g, ' ') }).toMatchObject({
        status: 2,
        stderr: expect.stringContaining(why),
      })
    }
    expect(lastput('trace', watch, '--counts', join(folder, 'none')).status).toBe(2)
  })

  test('is held against what the changes tell', () => {
    const right = file(
      'right.txt',
      [0x7fe9f, 0x7fea0, 0x7fea1, 0x7fea2].map(pfn => `0x${pfn.toString(16)} 1`).join('\n'),
    )
    expect(lastput('trace', watch, '--counts', right).said).not.toMatch(/count was read|other pages/)
    const other = file('other.txt', '0x7fea1 7 before turn 1\n')
    expect(lastput('trace', watch, '--counts', other).said).toContain(
      'page 0x7fea1 had 7 when its count was read, and 1 when its first change came',
    )
    const strange = file('strange.txt', '0x1 7\n')
    expect(lastput('trace', watch, '--counts', strange).said).toContain('the counts given are of other pages')
  })
})

describe('--html --full', () => {
  test('of a packed recording keeps where the memory map was, and what was counted', () => {
    const tar = join(folder, 'packed.tar')
    spawnSync('tar', ['-cf', tar, '-C', join(root, 'examples/watch-leak-6.1'), 'perf.data'])
    const html = join(folder, 'full.html')
    const counts = file('full.txt', '0x7fea1 1\n')
    const { status, stderr } = lastput('trace', tar, '--html', html, '--full', '--vmemmap', VMEMMAP, '--counts', counts)
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    const json = /id="lastput-recording">(.*)<\/script>/.exec(readFileSync(html, 'utf8'))![1]!
    expect(JSON.parse(json).options).toMatchObject({ vmemmap: VMEMMAP, startCounts: [[0x7fea1, 1]] })
  })

  test('of a directory says what to do', () => {
    const { status, stderr } = lastput('trace', watch, '--html', join(folder, 'dir.html'), '--full')
    expect({ status, stderr: stderr.replace(/\s+/g, ' ') }).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('pack the directory by tar'),
    })
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The command over a kernel that is made up: exit codes, what it prints, and what it refuses.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examine } from '../../src/core/examine.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { visitPages } from '../../src/core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../../src/node/core-source.ts'
import { PAGE_COLUMNS, pageRow } from '../../src/report/core-page.ts'
import { writeElf, writeKdump } from '../../testkit/core/dump-writer.ts'
import { dumps, realDumps } from '../../testkit/core/real-dumps.ts'
import { ARRANGED, FIRST_PFN, syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'
import { needs } from '../support/needs.ts'
import { root } from '../web/built.ts'

let folder: string
const { frames, vmcoreinfo } = syntheticKernel()

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-core-'))
  writeFileSync(join(folder, 'vmcore'), writeKdump(frames, { vmcoreinfo }))
  const elf = writeElf(frames, { vmcoreinfo })
  writeFileSync(join(folder, 'cut'), elf.subarray(0, elf.length - 4096))
})
afterAll(() => rmSync(folder, { recursive: true }))

function core(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const command = [join(root, 'dist/cli/main.js'), 'core', ...args]
  return spawnSync(process.execPath, command, { encoding: 'utf8', cwd: folder, maxBuffer: 1 << 28 })
}

const pfn = (index: number) => `0x${(FIRST_PFN + index).toString(16)}`

test('findings make exit code 1, and the text says them', () => {
  const { status, stdout, stderr } = core('vmcore')
  expect([status, stderr]).toEqual([1, ''])
  expect(stdout).toContain(`leaked (likely): page ${pfn(ARRANGED.leaked)}, count 1, 0 explained`)
  expect(stdout).toContain(`count-mismatch: page ${pfn(ARRANGED.short)}`)
  expect(stdout).toContain(`${pfn(ARRANGED.pipe)}, count 1: in a pipe of user-0-10`)
  expect(stdout).toContain(`${pfn(ARRANGED.registered)}, count 1024: registered with io_uring by user-0-10`)
})

test('one page: 0 where nothing is wrong with it', () => {
  const held = core('vmcore', '--pfn', pfn(ARRANGED.slab))
  expect([held.status, held.stderr]).toEqual([0, ''])
  expect(held.stdout).toContain('of slab cache test_object')
  expect(core('vmcore', '--pfn', pfn(ARRANGED.leaked)).status).toBe(1)
  const json = JSON.parse(core('vmcore', '--json', '--pfn', pfn(ARRANGED.pipe)).stdout) as {
    findings: { pfn: string }[]
  }
  expect(json).toMatchObject({ schema: 'lastput.core/1', complete: true, page: { pfn: pfn(ARRANGED.pipe), count: 1 } })
  expect(json.findings.map(finding => finding.pfn)).toEqual([pfn(ARRANGED.pipe)])
})

test('what was not asked for is not said to be right', () => {
  const { stdout } = core('vmcore', '--json', '--pagemap', pfn(0))
  expect(JSON.parse(stdout).notes).toEqual([`only findings of the pagemap of page ${pfn(0)} are listed`])
})

test('3 where nothing was found, but not all was looked at', () => {
  const { status, stdout } = core('vmcore', '--pfn', pfn(ARRANGED.leaked), '--no-search')
  expect(status).toBe(3)
  expect(stdout).toContain('no leak is claimed: memory was not searched')
})

test('every page, one a line', () => {
  const { status, stdout } = core('vmcore', '--pages')
  const lines = stdout.trimEnd().split('\n')
  expect([status, lines.length]).toEqual([0, 65])
  expect(lines[1 + ARRANGED.negative]).toMatch(
    new RegExp(`^${pfn(ARRANGED.negative)} 0x[0-9a-f]+ -1 0 0x8.* PRIVATE .* impossible$`),
  )
  expect(core('vmcore', '--pages', '--json').stdout.trimEnd().split('\n')).toHaveLength(64)
})

needs(dumps()).test('a list longer than a pipe has room for comes whole', async () => {
  const dump = realDumps().find(({ needs }) => needs === undefined)!
  const source = new FileCoreSource(dump.path())
  const opened = openDump(source, { codecs: await kdumpCodecs() })
  const rows = [PAGE_COLUMNS]
  visitPages(examine(opened, dump.name, { holders: false }), page => rows.push(pageRow(page)))
  source.close()
  const lines = core(dump.path(), '--pages').stdout.split('\n')
  expect(lines.findIndex((line, i) => line !== rows[i])).toBe(rows.length)
})

test('a dump that was cut off says so', () => {
  expect(core('cut').stdout).toContain('note: the file is damaged: the file is cut short')
})

test.each([
  [['vmcore', '--pfn', '0x1']],
  [['vmcore', '--pagemap', '0x1']],
  [['vmcore', '--any-page', '0x99999999']],
  [['vmcore', '--html', 'no/such/folder/x.html']],
  [['vmcore', '--live']],
  [[]],
  [['nothing']],
  [['vmcore', '--system-map', 'vmcore']],
  [['vmcore', '--vmlinux', 'cut']],
])('2 for %j', args => {
  const { status, stdout, stderr } = core(...args)
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^lastput core: .+\n$/s)
})

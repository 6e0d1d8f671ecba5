// SPDX-License-Identifier: GPL-2.0-or-later
// `lastput trace` of several recordings: they learn from each other, and what was found is told over all of them.
import { describe, expect, test } from 'vitest'
import { lastput } from '../support/in-process.ts'

const recording = (name: string) => `test/ledger/recordings/zd2-${name}-6.12.dat`
const FILES = ['pintwice', 'relleak', 'scanleak'].map(recording)

const certainties = (stdout: string): string[] =>
  JSON.parse(stdout).flatMap((each: { findings: { kind: string; certainty: string }[] }) =>
    each.findings.filter(({ kind }) => kind !== 'held-at-end').map(({ certainty }) => certainty),
  )

describe('several recordings', () => {
  test('learn laws together, unless each is to be judged alone', async () => {
    const together = await lastput('trace', '--json', ...FILES)
    const alone = await lastput('trace', '--json', '--alone', ...FILES)
    expect([together.status, alone.status]).toEqual([1, 1])
    expect(certainties(together.stdout)).toContain('likely')
    expect(certainties(alone.stdout)).not.toEqual(certainties(together.stdout))
    for (const [i, file] of FILES.entries()) {
      const one = JSON.parse((await lastput('trace', '--json', file)).stdout)
      expect(JSON.parse(alone.stdout)[i]).toEqual(one)
    }
  })

  test('end with what was found by cause over all of them', async () => {
    const { stdout } = await lastput('trace', ...FILES)
    expect(stdout).toMatch(/\n3 recordings: findings in \d; 0 without findings may be incomplete\n/)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('of which one cannot be used do not fail', async () => {
    const { status, stdout, stderr } = await lastput('trace', '--json', ...FILES, 'package.json')
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toHaveLength(3)
    expect(stderr.match(/package\.json/g)).toHaveLength(1)
  })

  test('given twice are not another one', async () => {
    const [file] = FILES as [string]
    const { stdout } = await lastput('trace', '--json', file, file)
    const one = JSON.parse((await lastput('trace', '--json', file)).stdout)
    expect(JSON.parse(stdout)).toEqual([one, one])
  })

  test('one recording has no others', async () => {
    const { status, stderr } = await lastput('trace', '--alone', FILES[0]!)
    expect([status, stderr]).toEqual([2, 'lastput trace: --alone is about several recordings'])
  })
})

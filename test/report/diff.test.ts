// SPDX-License-Identifier: GPL-2.0-or-later
// Two recordings of one scenario: what differs is told, what does not is not, in 80 columns and in the shape of the schema.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { openFile } from '../../src/node/open.ts'
import { compare, diffJson, diffText, type Facts, factsOf, isSame } from '../../src/report/diff.ts'

const root = join(import.meta.dirname, '../..')
const schemaOf = (name: string) => JSON.parse(readFileSync(join(root, 'docs/schema', name), 'utf8'))
const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true })
ajv.addSchema(schemaOf('lastput.trace-3.schema.json'))
const validate = ajv.compile(schemaOf('lastput.diff-1.schema.json'))

async function facts(example: string): Promise<Facts> {
  const recording = await openFile(join(root, 'examples', example, 'trace.dat'))
  try {
    return await factsOf(recording, {})
  } finally {
    await recording.close()
  }
}

describe('a recording without the leak, and one with it', async () => {
  const comparison = compare(await facts('ok-7.3'), await facts('leak-6.12'))

  it('differ in the leak, who holds what, and where it was taken', () => {
    expect(comparison.findings).toEqual([{ name: 'leak (fault likely): zdbug_bug_leak_get', first: 0, second: 1 }])
    expect(comparison.held).toEqual([{ name: 'zdbug_bug_leak_get', first: 0, second: 1 }])
    // The laws, and how often a lifetime sees each call site, are the same: the leaking one ended in no lifetime.
    expect([...comparison.laws, ...comparison.traffic]).toEqual([])
  })

  it('as JSON of the schema, and as text of 80 columns', () => {
    const json = JSON.parse(JSON.stringify(diffJson(comparison)))
    expect(validate(json) ? [] : validate.errors).toEqual([])
    const text = diffText(comparison)
    expect(text.filter(line => line.length > 80)).toEqual([])
    expect(text.join('\n')).toMatch(/\n {17}- {17}1 {2}leak \(fault likely\): zdbug_bug_leak_get\n/)
  })
})

it('a recording and itself are the same', async () => {
  const both = await facts('dax-6.12')
  expect(isSame(compare(both, both))).toBe(true)
  expect(diffText(compare(both, both)).at(-1)).toBe('No difference was found.')
})

describe('numbers are compared by lifetime', () => {
  const side = (complete: number, traffic: Record<string, number>): Facts => ({
    ...{
      file: 'x',
      format: 'trace.dat v7',
      kernel: undefined,
      events: 0,
      lifetimes: { complete, open: 0 },
      reasons: [],
    },
    ...{ laws: new Map(), findings: new Map(), held: new Map() },
    traffic: new Map(Object.entries(traffic)),
  })

  it('so that a longer run is no difference', () => {
    expect(isSame(compare(side(100, { 'takes f': 200 }), side(1000, { 'takes f': 2100 })))).toBe(true)
  })

  it('but twice as often is, and what only one has; what may be chance is not', () => {
    const first = side(100, { 'takes f': 200, 'takes g': 1, 'takes h': 4 })
    const { traffic } = compare(first, side(100, { 'takes f': 90, 'takes h': 19 }))
    expect(traffic).toEqual([
      { name: 'takes f', first: 200, second: 90 },
      { name: 'takes g', first: 1, second: 0 },
    ])
  })
})

describe('the command', () => {
  const diff = (...args: string[]) =>
    spawnSync(process.execPath, ['dist/cli/main.js', 'diff', ...args], { cwd: root, encoding: 'utf8' })
  const file = (example: string) => `examples/${example}/trace.dat`

  it('ends with 0 for the same, 1 for differences', () => {
    expect(diff(file('leak-6.12'), file('leak-6.12')).status).toBe(0)
    const { status, stdout } = diff(file('ok-7.3'), file('leak-6.12'), '--json')
    expect([status, JSON.parse(stdout).same]).toEqual([1, false])
  })

  it('refuses what it cannot compare', () => {
    for (const args of [['-', '-'], [file('leak-6.12')], [file('leak-6.12'), 'no-such-file']])
      expect(diff(...args).status).toBe(2)
  })
})

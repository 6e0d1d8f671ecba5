// SPDX-License-Identifier: GPL-2.0-or-later
// The results among the examples are what the model says now (`npm run examples -- results` makes them anew).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { DUMPS, RESULTS } from '../../lab/examples.ts'
import { dumps, realDumps } from '../../testkit/core/real-dumps.ts'
import { needs } from '../support/needs.ts'
import { lastput, root } from '../web/built.ts'

interface Verdict {
  system: string
  verdict: string
  property?: string
  bug?: string
  form?: string
}

const kept = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(join(root, `examples/results/${name}.json.gz`))).toString('utf8'))

/** What must not drift; counts of states and the choice between equal counterexamples may. */
const told = ({ system, verdict, property, bug, form }: Verdict) => ({ system, verdict, property, bug, form })

test('protocols', () => {
  expect(kept('protocols')).toEqual(JSON.parse(lastput([...RESULTS.protocols!, '--json'])))
})

test('the counterexample', () => {
  const now = JSON.parse(lastput([...RESULTS.counterexample!, '--json'])) as Verdict
  expect(told(kept('counterexample') as Verdict)).toEqual(told(now))
})

test('bugs', () => {
  const now = JSON.parse(lastput([...RESULTS.bugs!, '--json'])) as Verdict[]
  expect((kept('bugs') as Verdict[]).map(told)).toEqual(now.map(told))
})

// The whole matrix takes minutes: one driver of it.
test('the matrix', () => {
  const driver = 'device_dax'
  const now = JSON.parse(lastput(['check', driver, '--matrix', '--json'])) as (Verdict & { driver: string })[]
  const all = kept('matrix') as typeof now
  expect(all.filter(cell => cell.driver === driver).map(told)).toEqual(now.map(told))
  expect(new Set(all.map(cell => cell.driver)).size).toBeGreaterThan(5)
})

needs(dumps()).test('the dump', () => {
  for (const [name, folder] of Object.entries(DUMPS)) {
    const path = realDumps()
      .find(each => each.name === folder)!
      .path()
    const now = JSON.parse(lastput(['core', path, '--json']))
    now.source.file = 'vmcore'
    expect(kept(name)).toEqual(now)
  }
})

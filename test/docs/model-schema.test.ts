// SPDX-License-Identifier: GPL-2.0-or-later
// The JSON of `lastput check`, `run` and `explain` has the shape that docs/schema describes, and nothing beside it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { survey } from '../../src/checker/index.ts'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, drivers, properties, protocols, type Scenario, Simulator, verify } from '../../src/linux/index.ts'
import { matrix } from '../../src/linux/scenario/matrix.ts'
import { PROMISES } from '../../src/promises/promises.ts'
import { bugJson } from '../../src/report/bugs.ts'
import { checkJson } from '../../src/report/check.ts'
import { explainJson } from '../../src/report/explain.ts'
import { matrixRow } from '../../src/report/matrix.ts'
import { runJson } from '../../src/report/run.ts'

const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true })
const ids = ['check', 'run', 'explain'].map(name => `lastput.${name}-2.schema.json`)
for (const id of ids)
  ajv.addSchema(JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schema', id), 'utf8')))

function errorsOf(json: unknown): string[] {
  const plain = JSON.parse(JSON.stringify(json))
  const validate = ajv.getSchema(`${plain.schema.replace('/', '-')}.schema.json`)!
  return validate(plain) ? [] : (validate.errors ?? []).map(error => `${error.instancePath} ${error.message}`)
}

const small = (driver: string, protocol: string): Scenario => ({
  driver: drivers.find(d => d.name === driver)!,
  protocol: protocols.find(p => p.id === protocol)!,
  pages: 1,
  vas: 1,
})

describe('check', () => {
  test.each(['1', '4', '8', '13', '19', 'new-1'])('bug %s', async id => {
    const bug = bugs.find(b => b.id === id)!
    const broken = await verify(bug.broken, { properties: bug.breaks })
    const fixed = await verify(bug.fixed, { properties: bug.keeps })
    const elements = bugJson({ bug, broken, fixed })
    expect(elements.map(e => [e.form, e.verdict])).toEqual([
      ['broken', 'violated'],
      ['fixed', 'holds'],
    ])
    for (const element of elements) expect(errorsOf(element)).toEqual([])
    for (const one of [broken, fixed]) expect(errorsOf(checkJson(one))).toEqual([])
  })

  test('a verdict that was not reached', async () => {
    const json = checkJson(await verify(small('test_hmm', 'G'), { memory: 1 }))
    expect(json.verdict).toBe('inconclusive')
    expect(errorsOf(json)).toEqual([])
  })

  test.each([true, false])('cells of the matrix, with counterexamples: %s', async explain => {
    const verdicts = new Set<string>()
    const systems = matrix([drivers.find(d => d.name === 'test_hmm')!], { pages: 1, vas: 1 })
    for (const of of systems.slice(-6)) {
      const built = build(of.system)
      const row = matrixRow(of, built, await survey(built.system, { properties: Object.keys(properties), explain }))
      expect(row.map(c => c.property)).toEqual(Object.keys(properties))
      for (const cell of row) {
        expect(errorsOf(cell)).toEqual([])
        verdicts.add(`${cell.verdict} ${cell.consequence ?? ''} ${cell.cause !== undefined}`)
      }
    }
    expect([...verdicts].sort()).toEqual(['holds  false', 'violated false true', 'violated true false'])
  })

  test('what is missing, misspelt or of another type is refused', async () => {
    const bug = bugs.find(b => b.id === '4')!
    const good = checkJson(await verify(bug.broken, { properties: bug.breaks }))
    expect(errorsOf(good)).toEqual([])
    const spoil: ((json: Record<string, unknown>) => void)[] = [
      json => delete json.bounds,
      json => delete json.property,
      json => delete json.message,
      json => Object.assign(json, { verdict: 'true' }),
      json => Object.assign(json, { surname: 'x' }),
      json => Object.assign(json, { states: -1 }),
      json => Object.assign(json, { scenario: 'teardown', property: undefined }),
      json => Object.assign(json, { bug: '4' }),
      json => Object.assign((json.counterexample as object[])[0]!, { step: 0 }),
    ]
    for (const change of spoil) {
      const bad = structuredClone(good)
      change(bad)
      expect(errorsOf(bad), String(change)).not.toEqual([])
    }
  })
})

test('run, broken and not', () => {
  const found = new Set<boolean>()
  for (let seed = 1; seed <= 30; seed++) {
    const scenario = small('test_hmm', 'D')
    const simulator = new Simulator(build(scenario))
    simulator.run(seed, 60)
    expect(errorsOf(runJson(scenario, simulator, seed))).toEqual([])
    found.add(simulator.violations.length > 0)
  }
  expect(found).toEqual(new Set([true, false]))
})

test('explain', () => {
  const json = explainJson(protocols, PROMISES) as { protocols: { lives: unknown[] }[] }
  expect(json.protocols).toHaveLength(protocols.length)
  expect(errorsOf(json)).toEqual([])
  expect(errorsOf({ ...json, protocols: [{ ...json.protocols[0]!, id: 7 }] })).not.toEqual([])
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The JSON of `lastput trace` and `who` has the shape that docs/schema describes, and nothing beside it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { account, whoHolds } from '../../src/ledger/account.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { whoJson } from '../../src/report/who.ts'
import type { Damage, Recording } from '../../src/trace/events.ts'
import { fakeRecording } from '../../testkit/fake-recording.ts'
import { history, TYPICAL } from '../../testkit/histories/histories.ts'
import { FAULTS, PROTOCOLS } from '../../testkit/histories/options.ts'

const file = join(import.meta.dirname, '../../docs/schema/lastput.trace-3.schema.json')
const schema = JSON.parse(readFileSync(file, 'utf8'))
const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true })
const validate = ajv.compile(schema)
const validateWho = ajv.compile(JSON.parse(readFileSync(file.replace('trace-3', 'who-4'), 'utf8')))

/** As much of the JSON as these tests touch. */
interface TraceJson {
  source: { lost?: unknown; damage: unknown[] }
  lifetimes: Record<string, number>
  findings: { kind: string; pfn: unknown; certainty: string; culprit: Record<string, unknown> }[]
}

async function jsonOf(recording: Recording, damage: Damage[] = []): Promise<TraceJson> {
  const made = await account(recording)
  return JSON.parse(JSON.stringify(traceJson(made, damage)))
}

function errorsOf(json: unknown): string[] {
  return validate(json) ? [] : (validate.errors ?? []).map(error => `${error.instancePath} ${error.message}`)
}

test('of histories with every fault by every protocol, with and without stacks, cut and with gaps', async () => {
  const kinds = new Set<string>()
  for (const protocol of PROTOCOLS) {
    for (const fault of ['none', ...FAULTS] as const) {
      for (const [seed, stacks, gaps, to] of [
        [1, true, 0, 1],
        [2, false, 0, 1],
        [3, true, 2, 1],
        [4, true, 0, 0.7],
      ] as const) {
        const made = history({
          ...TYPICAL,
          seed,
          protocol,
          fault,
          stacks,
          gaps,
          cut: { from: 0, to },
          lives: 40,
          teardown: true,
        })
        const json = await jsonOf(made.recording())
        expect(errorsOf(json)).toEqual([])
        for (const finding of json.findings) kinds.add(finding.kind)
      }
    }
  }
  expect([...kinds]).toEqual(expect.arrayContaining(['leak', 'put-on-free-page', 'get-on-free-page', 'held-at-end']))
})

test('of an empty recording, and of one with damage', async () => {
  expect(errorsOf(await jsonOf(fakeRecording([])))).toEqual([])
  const damage = [{ file: 'x', offset: 7, expected: 'a page header' }]
  const json = await jsonOf(history(TYPICAL).recording(), damage)
  expect(errorsOf(json)).toEqual([])
  expect(json.source.damage).toEqual([{ offset: 7, expected: 'a page header' }])
})

test('the schema refuses what is missing, misspelt or of another type', async () => {
  // Not every history shows its fault, and Node's versions differ in the last digit of a logarithm.
  let good: TraceJson | undefined
  for (let seed = 0; seed < 20 && !good?.findings.length; seed++) {
    good = await jsonOf(history({ ...TYPICAL, seed, fault: 'surplus-put', lives: 40 }).recording())
  }
  if (!good) throw new Error('no history was made')
  expect(errorsOf(good)).toEqual([])
  expect(good.findings.length).toBeGreaterThan(0)
  const spoil: ((json: TraceJson) => void)[] = [
    json => {
      delete json.source.lost
    },
    json => {
      delete json.findings[0]!.culprit.cpu
    },
    json => {
      json.findings[0]!.pfn = 0x1234
    },
    json => {
      json.findings[0]!.certainty = 'sure'
    },
    json => {
      json.findings[0]!.culprit.surname = 'x'
    },
    json => {
      json.lifetimes.completed = 3
    },
  ]
  for (const change of spoil) {
    const bad = structuredClone(good)
    change(bad)
    expect(errorsOf(bad)).not.toEqual([])
  }
})

test('who holds a page, at the end and before, with and without stacks, with losses', async () => {
  const seen = new Set<string>()
  for (const protocol of PROTOCOLS)
    for (const [stacks, gaps, from] of [
      [true, 0, 0],
      [false, 2, 0],
      [true, 0, 0.3],
    ] as const) {
      const cut = { from, to: 0.7 }
      const make = () =>
        history({ ...TYPICAL, seed: 3, protocol, fault: 'leak', stacks, gaps, lives: 40, cut }).recording()
      const { firstTime, lastTime, findings } = await account(make())
      for (const { pfn } of findings.slice(0, 6))
        for (const at of [Number.POSITIVE_INFINITY, (firstTime + lastTime) / 2]) {
          const recording = make()
          const found = await whoHolds(recording, [{ first: pfn, last: pfn }], at)
          const [page] = found.pages
          if (!page) continue
          const json = JSON.parse(JSON.stringify(whoJson(found, at, recording)))
          expect(validateWho(json) ? [] : validateWho.errors).toEqual([])
          for (const { taken, law } of json.pages[0].holders) seen.add(`${taken !== null} ${law !== null}`)
          expect(
            validateWho({
              ...json,
              pages: [{ ...json.pages[0], holders: [{ ...json.pages[0].holders[0], law: 'first' }] }],
            }),
          ).toBe(false)
        }
    }
  expect([...seen].sort()).toEqual(['false false', 'true false', 'true true'])
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Faults planted into recordings of real kernels that behave well.
import { expect, test } from 'vitest'
import { readLedger, summarise } from '../../src/ledger/account.ts'
import { ACCUSATIONS, type Account, account, type Finding } from '../../src/ledger/index.ts'
import { dataRecordings } from '../../testkit/data-recordings.ts'
import { type Expected, Garden, PLANTS, type Planted, rulesOf } from '../../testkit/histories/planting.ts'
import { type Rows, readRows, recordingOf } from '../../testkit/histories/variants.ts'
import { random } from '../../testkit/random.ts'
import { namesAny } from '../support/named.ts'
import { needs, some } from '../support/needs.ts'

/** One recording of each sort of memory and protocol, some of them by every third page only. */
const CHOSEN: [name: string, everyNth: number][] = [
  ['5.10/zdbug-ok', 1],
  ['5.10/hmm-private-narrow-stacks', 16],
  ['5.10/devdax-2M-stacks', 16],
  ['6.12/zdbug-ok', 1],
  ['6.12/hmm-one-migrate_fault', 2],
  ['6.12/devdax-4k-stacks', 8],
  ['6.12/fsdax-ext4-stacks', 8],
  ['6.12/p2pdma-stacks', 8],
  ['7.3/zdbug-ok', 1],
  ['7.3/fsdax-ext4-stacks', 8],
  ['7.3/p2pdma-stacks', 8],
]
const SEEDS = 3
/** Share of the plants that must be found, and of those whose culprit must be named, if only as the page's holder at the end. */
const FOUND = 0.7
const NAMED = 0.9

const recordings = dataRecordings().filter(({ name }) => CHOSEN.some(([chosen]) => chosen === name))

const say = ({ kind, pfn, certainty, culprit }: Finding) =>
  `${kind} 0x${pfn.toString(16)} ${culprit?.frame?.name} ${certainty}`

function isFault({ kind, pfn }: Finding, expected: Expected): boolean {
  return expected.kinds.includes(kind) && pfn === expected.pfn
}

function isRight(finding: Finding, expected: Expected): boolean {
  return isFault(finding, expected) && namesAny(finding, expected.functions)
}

/** By the account of the recording as it was: whether a law has one function give back what another takes. */
function givesBack({ laws }: Account): (get: string, put: string) => boolean {
  return (get, put) =>
    laws.some(({ gets, puts }) => gets.some(site => site?.name === get) && puts.some(site => site?.name === put))
}

async function plantsOf(rows: Rows): Promise<Planted[]> {
  const recording = recordingOf(rows)
  const ledger = await readLedger(recording)
  const isPair = givesBack(summarise(recording, ledger))
  const garden = new Garden(rows, rulesOf(ledger))
  const all = PLANTS.flatMap(plant => Array.from({ length: SEEDS }, (_, seed) => ({ plant, seed })))
  return all.flatMap(({ plant, seed }) => garden.plant(plant, random(seed * 7919 + plant.length), isPair) ?? [])
}

needs(some(recordings)).describe('faults planted into well-behaved recordings', () => {
  test.each(recordings.map(recording => [recording.name, recording] as const))('%s', async (name, recording) => {
    const nth = CHOSEN.find(([chosen]) => chosen === name)![1]
    const planted = await plantsOf(await readRows(recording.file, recording.kallsyms, pfn => pfn % nth === 0))
    expect(planted.length).toBeGreaterThan(SEEDS)
    const lost: string[] = []
    const held: string[] = []
    for (const { rows, expected } of planted) {
      const { findings } = await account(recordingOf(rows))
      const accused = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
      expect(accused.filter(({ pfn }) => pfn !== expected.pfn).map(say), expected.plant).toEqual([])
      const missed = accused.filter(finding => !isRight(finding, expected))
      const wrong = accused.filter(finding => finding.certainty === 'certain' && !isFault(finding, expected))
      expect(wrong.map(say), expected.plant).toEqual([])
      const wrongCulprit = missed.filter(({ culpritCertainty }) => culpritCertainty === 'certain')
      expect(wrongCulprit.map(say), expected.plant).toEqual([])
      if (accused.length === 1 && missed.length === 0) continue
      const holder = findings.find(({ kind, pfn }) => kind === 'held-at-end' && pfn === expected.pfn)
      const isNamed = accused.length === 0 && expected.functions.includes(holder?.culprit?.frame?.name ?? '')
      const list = isNamed ? held : lost
      list.push(`${expected.plant}: ${findings.map(say)}`)
    }
    expect(lost.length, lost.join('; ')).toBeLessThanOrEqual((1 - NAMED) * planted.length)
    expect(lost.length + held.length, held.join('; ')).toBeLessThanOrEqual((1 - FOUND) * planted.length)
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Every sentence of every finding is true: its numbers are counted once more from the events, by a reading that shares nothing
// with the ledger (testkit/evidence-check.ts).
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'
import type { Recording } from '../../src/trace/events.ts'
import { dataRecordings } from '../../testkit/data-recordings.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import { checkEvidence, type FalseSentence } from '../../testkit/evidence-check.ts'
import { history, TYPICAL } from '../../testkit/histories/histories.ts'
import { FAULTS, PROTOCOLS } from '../../testkit/histories/options.ts'
import { needs, some } from '../support/needs.ts'

const root = join(import.meta.dirname, '../..')

/** Larger recordings take longer to check than a test should. */
const MOST_BYTES = 2_000_000
/** Simulated recordings that are tried. */
const SEEDS = 24

async function wrongIn(open: () => Recording | Promise<Recording>): Promise<FalseSentence[]> {
  const recording = await open()
  const made = await account(recording)
  await recording.close()
  const again = await open()
  const { wrong } = await checkEvidence(again, made)
  await again.close()
  return wrong
}

/** Opens a recording with the symbols beside it. */
function opener(file: string): () => Promise<Recording> {
  const symbols = ['kallsyms', 'kallsyms.txt'].map(name => join(dirname(file), name)).filter(path => existsSync(path))
  return () => openFile(file, { kallsyms: symbols.map(path => readFileSync(path, 'utf8')) })
}

const isRecording = (name: string) => /\.(dat|data)$|^trace\.txt$/.test(name)

function recordingsBelow(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter(name => isRecording(name.replace(/^.*\//, ''))).map(name => join(folder, name))
}

test.each([...recordingsBelow('examples'), ...recordingsBelow('test/ledger/recordings')])('%s', async file => {
  expect(await wrongIn(opener(join(root, file)))).toEqual([])
})

const shared = dataRecordings().filter(({ file }) => statSync(file).isFile() && statSync(file).size <= MOST_BYTES)
needs(some(shared)).test(
  'recordings of the shared data',
  async () => {
    const wrong: unknown[] = []
    for (const { name, file } of shared) wrong.push(...(await wrongIn(opener(file))).map(each => ({ name, ...each })))
    expect(wrong).toEqual([])
  },
  600_000,
)

test('simulated histories with every fault', async () => {
  for (const protocol of PROTOCOLS)
    for (const fault of FAULTS)
      for (const stacks of [true, false]) {
        const made = history({ ...TYPICAL, seed: 7, protocol, fault, stacks, lives: 60 })
        expect(await wrongIn(() => made.recording()), `${protocol} ${fault} ${stacks}`).toEqual([])
      }
})

test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))('simulated driver %i', async seed => {
  const made = makeRecording(seed)
  expect(await wrongIn(() => made.recording())).toEqual([])
})

test('a false number, a wrong name and an unknown sentence are seen', async () => {
  const open = opener(join(root, 'examples/leak-6.12/trace.dat'))
  const made = await account(await open())
  const [finding] = made.findings
  expect(finding!.evidence.length).toBeGreaterThan(1)
  const spoilt = finding!.evidence.map(sentence =>
    sentence.replace(/\d+(?= pages| lifetimes)/, n => `${2 * Number(n) + 7}`),
  )
  for (const evidence of [
    spoilt.filter((sentence, i) => sentence !== finding!.evidence[i]),
    finding!.evidence.filter(each => each.includes('+0x')).map(each => each.replace('zdbug_', 'zdnone_')),
    ['the moon was full'],
  ]) {
    const { wrong } = await checkEvidence(await open(), { ...made, findings: [{ ...finding!, evidence }] })
    expect(wrong.map(each => each.sentence)).toEqual(evidence)
  }
})

// SPDX-License-Identifier: GPL-2.0-or-later
// A text gives the findings that its trace.dat gives, whatever people have put around its lines.
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { account } from '../../../src/ledger/account.ts'
import { nodeCodecs } from '../../../src/node/codecs.ts'
import { reportText } from '../../../src/print/trace-cmd-report.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { openRecording } from '../../../src/trace/open.ts'
import { data, dataPath } from '../../../testkit/data.ts'
import { needs } from '../../support/needs.ts'
import { ENCODINGS, FORMS } from './forms.ts'

const RECORDINGS = [
  '5.10/zdbug-leak',
  '5.10/zdbug-dput',
  '7.3/zdbug-drvleak',
  '5.10/zdbug-noinit',
  '6.12/zdbug-leak',
  '6.12/zdbug-drvleak',
  '6.12/zdbug-uaf',
  '7.3/zdbug-leak',
  '7.3/zdbug-dput',
  'glint/g-dropcomp-1',
]

async function findings(bytes: Uint8Array, kallsyms: string[]) {
  const recording = await openRecording(new BytesSource('recording', bytes), { kallsyms, codecs: nodeCodecs })
  // Only trace.dat says when the recording ended, which is evidence of its own.
  recording.info.endTime = undefined
  const { findings, lives, events, lost } = await account(recording)
  const named = findings.map(({ kind, pfn, culprit }) => ({ kind, pfn, function: culprit?.frame?.name }))
  return { named, lives, events, gaps: lost.gaps, damage: recording.damage }
}

async function textOf(file: string): Promise<string> {
  let text = ''
  for await (const part of reportText(new BytesSource('recording', readFileSync(file)), [], { codecs: nodeCodecs }))
    text += part
  return text
}

function inForm(name: string, text: string): Uint8Array {
  const form = FORMS[name]
  return form ? new TextEncoder().encode(form(text.split('\n').slice(0, -1))) : ENCODINGS[name]!(text)
}

// Packed texts are unpacked before they are read (test/cli/answers.test.ts).
const NAMES = [...Object.keys(FORMS), ...Object.keys(ENCODINGS).filter(name => !name.startsWith('packed'))]

for (const folder of RECORDINGS) {
  needs(data(`${folder}/trace.dat`)).test(
    `${folder} in every form`,
    async () => {
      const file = dataPath(`${folder}/trace.dat`)
      const symbols = dataPath(`${folder}/kallsyms.txt`)
      const kallsyms = existsSync(symbols) ? [readFileSync(symbols, 'utf8')] : []
      const binary = await findings(readFileSync(file), kallsyms)
      const text = await textOf(file)
      expect(binary.named.length).toBeGreaterThan(0)
      for (const name of NAMES)
        expect({ name, ...(await findings(inForm(name, text), kallsyms)) }).toEqual({ name, ...binary })
    },
    600_000,
  )
}

test('the example, in every form', async () => {
  const file = new URL('../../../examples/leak-6.12/trace.dat', import.meta.url).pathname
  const binary = await findings(readFileSync(file), [])
  const text = await textOf(file)
  expect(binary.named).toEqual([{ kind: 'leak', pfn: 0xfcf83fc, function: 'zdbug_bug_leak_get' }])
  for (const name of NAMES) expect({ name, ...(await findings(inForm(name, text), [])) }).toEqual({ name, ...binary })
}, 600_000)

test('a text that is one string of a program is not read, and says how to unpack it', async () => {
  const text = await textOf(new URL('../../../examples/leak-6.12/trace.dat', import.meta.url).pathname)
  const json = JSON.stringify({ body: text.slice(0, 20_000) })
  const recording = await openRecording(new BytesSource('mail.json', new TextEncoder().encode(json)))
  const { findings, events } = await account(recording)
  expect([findings, events, recording.damage.length > 0]).toEqual([[], 0, true])
  expect(recording.notes.join('\n')).toContain("jq -r '.. | strings' FILE")
})

// SPDX-License-Identifier: GPL-2.0-or-later
// What a recording proves must not depend on its form: the text that trace-cmd report makes of it, with times rounded to
// microseconds and flags without their top bits, gives the same findings.

import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { account } from '../../../src/ledger/account.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { openRecording } from '../../../src/trace/open.ts'
import { data, dataPath, program, run } from '../../../testkit/data.ts'
import { needs } from '../../support/needs.ts'

const kernels = ['5.10', '6.12', '7.3']
const scenarios = ['dput', 'drvleak', 'leak', 'noinit', 'ok', 'race', 'uaf', 'uafput'].map(name => `zdbug-${name}`)
const folders = kernels.flatMap(kernel => [...scenarios, 'p2pdma-stacks'].map(scenario => `${kernel}/${scenario}`))

async function findings(bytes: Uint8Array, kallsyms: string[]) {
  const recording = await openRecording(new BytesSource('recording', bytes), { kallsyms })
  // Only trace.dat says when the recording ended, which is evidence of its own.
  recording.info.endTime = undefined
  const { findings, lives, events } = await account(recording)
  const named = findings.map(({ kind, pfn, culprit }) => ({ kind, pfn, function: culprit?.frame?.name }))
  return { named, lives, events }
}

needs(program('trace-cmd'), data()).describe('text and trace.dat give the same findings', () => {
  for (const folder of folders) {
    needs(data(`${folder}/trace.dat`)).test(folder, async () => {
      const file = dataPath(`${folder}/trace.dat`)
      const symbols = dataPath(`${folder}/kallsyms.txt`)
      const kallsyms = existsSync(symbols) ? [readFileSync(symbols, 'utf8')] : []
      const binary = await findings(readFileSync(file), kallsyms)
      const text = await findings(new TextEncoder().encode(run('trace-cmd', ['report', file])), kallsyms)
      expect(binary.events).toBeGreaterThan(1000)
      expect(text).toEqual(binary)
    })
  }
})

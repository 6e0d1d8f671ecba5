// SPDX-License-Identifier: GPL-2.0-or-later
// What is kept by right and what looks like it: who forgets is accused, who keeps is not.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account, type Finding } from '../../src/ledger/index.ts'
import type { Recording } from '../../src/trace/events.ts'
import { makeRecording as makeDriver } from '../../testkit/drivers/make.ts'
import { checkEvidence } from '../../testkit/evidence-check.ts'
import { makeRecording } from '../../testkit/lifecycles/index.ts'

async function accusations(made: { recording(): Recording }): Promise<Finding[]> {
  const found = await account(made.recording())
  const accused = found.findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  if (accused.length > 0) expect((await checkEvidence(made.recording(), found)).wrong).toEqual([])
  return accused
}

test('nobody is accused of what is out with references of another law on more than a fifth of the pages', async () => {
  const made = makeRecording(85_000_662)
  expect(made.truth.correct).toBe(true)
  expect(await accusations(made)).toEqual([])
})

test('nobody hands out pages in use where the puts of a task are not recorded', async () => {
  const made = makeRecording(84_000_135)
  expect(made).toMatchObject({ truth: { correct: true }, conditions: { filter: 'task' } })
  expect(await accusations(made)).toEqual([])
})

test.each([
  ['the only reference of a call site is lost, on a page that was given up', 86_000_307, 'likely'],
  ['pages that tasks were handed are lost, again and again', 86_000_145, 'possible'],
])('%s (%i)', async (_, seed, certainty) => {
  const made = makeRecording(seed)
  const [fault] = made.truth.planted
  const found = (await accusations(made)).find(({ pfn }) => pfn === fault!.pfn)
  expect(found).toMatchObject({ kind: 'leak', certainty })
  expect(fault!.functions).toContain(found!.culprit!.frame!.name)
  const mayBeKept =
    /gets of that law were overtaken .*: a fault that strikes again and again looks like that, and so does a table/
  expect(mayBeKept.test(found!.evidence.join('\n'))).toBe(certainty === 'possible')
})

test('a page is lost that a task was handed, while a few others are in use', async () => {
  const made = makeDriver(86_000_582)
  const fault = made.truth.faults.find(({ kind }) => kind === 'leak')!
  expect((await accusations(made)).filter(({ pfn }) => pfn === fault.pfn)).toMatchObject([{ kind: 'leak' }])
})

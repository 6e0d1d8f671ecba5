// SPDX-License-Identifier: GPL-2.0-or-later
// What check and explain print fits the width of a mail, whatever the counterexample.
import { describe, expect, test } from 'vitest'
import { survey } from '../../src/checker/index.ts'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, drivers, properties, protocols, verify } from '../../src/linux/index.ts'
import { matrix } from '../../src/linux/scenario/matrix.ts'
import { bugsEnd, bugText } from '../../src/report/bugs.ts'
import { checkText } from '../../src/report/check.ts'
import { explainText } from '../../src/report/explain.ts'
import { MatrixText, matrixRow } from '../../src/report/matrix.ts'
import { WIDTH } from '../../src/report/words.ts'

const tooWide = (text: string) => text.split('\n').filter(line => line.length > WIDTH || line !== line.trimEnd())

test.each(protocols)('explain $id', protocol => {
  expect(tooWide(explainText(protocol))).toEqual([])
})

describe.each(bugs.map(b => [b.id, b] as const))('bug %s', (_, bug) => {
  test('its line in the corpus, and its counterexample', async () => {
    const broken = await verify(bug.broken, { properties: bug.breaks })
    const fixed = await verify(bug.fixed, { properties: bug.breaks })
    expect(tooWide(bugText({ bug, broken, fixed }))).toEqual([])
    expect(tooWide(checkText(broken))).toEqual([])
    expect(tooWide(checkText(fixed))).toEqual([])
  })
})

test.each(['fsdax', 'p2pdma'])('%s with all its threads', async name => {
  const driver = drivers.find(d => d.name === name)!
  for (const protocol of protocols) {
    const checked = await verify({ driver, protocol })
    expect(tooWide(checkText(checked))).toEqual([])
    for (const line of checkText(checked).split('\n')) expect(line).not.toMatch(/undefined|NaN/)
  }
})

test('the end of the corpus', () => expect(tooWide(bugsEnd(1, 28, true))).toEqual([]))

test('what is inconclusive', async () => {
  const checked = await verify({ driver: drivers[0]!, protocol: protocols[0]! }, { memory: 1 })
  expect(tooWide(checkText(checked))).toEqual([])
})

test('the matrix', async () => {
  const text = new MatrixText(Object.keys(properties))
  let all = text.head()
  for (const of of matrix([drivers.find(d => d.name === 'p2pdma')!], { pages: 1, vas: 1 })) {
    const built = build(of.system)
    const row = matrixRow(
      of,
      built,
      await survey(built.system, { properties: Object.keys(properties), explain: false }),
    )
    all += text.row(row)
  }
  expect(tooWide(all + text.end(1234))).toEqual([])
})

// SPDX-License-Identifier: GPL-2.0-or-later
import { expect, test } from 'vitest'
import { readingOptions, readingOptionsJson } from '../../src/report/reading-options.ts'
import type { OpenOptions } from '../../src/trace/events.ts'

test('how a recording is read survives the JSON of a report', () => {
  const options = {
    kallsyms: ['ffffffff81000000 T a'],
    vmemmap: 0xffffea0000000000n,
    startCounts: new Map([[0x7fe9f, 2]]),
    endCounts: new Map([[0x7fe9f, 1]]),
    allPages: true,
  }
  expect(readingOptions(JSON.parse(JSON.stringify(readingOptionsJson(options))))).toEqual(options)
  const none: OpenOptions = { kallsyms: [] }
  expect(readingOptions(readingOptionsJson(none))).toEqual(none)
})

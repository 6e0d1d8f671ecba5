// SPDX-License-Identifier: GPL-2.0-or-later
// Counts that somebody read off the machine, in the forms in which they come.
import { expect, test } from 'vitest'
import { CountsFile, turnOf } from '../../../../src/trace/perfdata/watch/counts-file.ts'

const read = (text: string, turn = 1) => {
  const file = new CountsFile(text)
  return { wrong: file.wrongLine, before: [...file.before(turn)], after: [...file.after(turn)] }
}

test('what lastput record writes, of one turn', () => {
  const text = '0x7fe9f 5 before turn 1\n0x7fe9f 6 after turn 1\n0x7fe9f 7 before turn 2\n0x7fea0 -1 before turn 2\n'
  expect(read(text, 2)).toEqual({
    wrong: 0,
    before: [
      [0x7fe9f, 7],
      [0x7fea0, -1],
    ],
    after: [],
  })
  expect(read(text)).toEqual({ wrong: 0, before: [[0x7fe9f, 5]], after: [[0x7fe9f, 6]] })
})

test('a list by hand, with remarks', () => {
  expect(read('# crash> struct page._refcount\r\n\r\n0x10 2\r\n0x11\t3\r\n')).toMatchObject({
    wrong: 0,
    before: [
      [0x10, 2],
      [0x11, 3],
    ],
  })
})

test('a turn of its own goes before what is said of all', () => {
  expect(read('0x10 2\n0x10 4 before turn 3\n', 3).before).toEqual([[0x10, 4]])
})

test('JSON of lastput core, of pages one a line or of one page', () => {
  const line = (pfn: string, count: number) => JSON.stringify({ pfn, page: '0xffffea0000000400', count })
  expect(read(`${line('0x10', 2)}\n${line('0x11', 0)}\n`)).toMatchObject({
    wrong: 0,
    before: [
      [0x10, 2],
      [0x11, 0],
    ],
  })
  const whole = { schema: 'lastput.core/1', page: { pfn: '0x10', count: 3 } }
  expect(read(JSON.stringify(whole, null, 2)).before).toEqual([[0x10, 3]])
})

test.each([
  ['0x10 2\n0x10 two\n', 2],
  ['10 2\n', 1],
  ['0x10 2 during turn 1', 1],
  ['{"pfn":"0x10","count":2}\n{"pfn":16,"count":2}\n', 2],
  ['{"pfn":"0x10"', 1],
])('%j has a line that says no count', (text, line) => {
  expect(new CountsFile(text).wrongLine).toBe(line)
})

test.each([
  ['out/perf.data/data', 1],
  ['out/perf-12.data/data', 12],
  ['perf-3.data.tar.gz', 3],
  ['C:\\rec\\perf-4.data', 4],
  ['perf-5.database', 1],
  ['standard input', 1],
])('%s is of turn %i', (name, turn) => expect(turnOf(name)).toBe(turn))

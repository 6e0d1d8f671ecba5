// SPDX-License-Identifier: GPL-2.0-or-later
// Colour on a terminal that takes it, and nowhere else; what is said is the same.
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { coloured, takesColour } from '../../src/cli/colour.ts'

const RED = '\u001b[31m'
const YELLOW = '\u001b[33m'
const GREEN = '\u001b[32m'

describe('lines', () => {
  it.each([
    ['1. put-on-free-page (fault certain, culprit possible): f put', RED],
    ['12. leak (fault likely): one of these took', YELLOW],
    ['toygpu under E: VIOLATED touch-after-free: page 0', RED],
    ['test_hmm under G: holds', GREEN],
    ['damaged: trace.dat: offset 7: expected', YELLOW],
  ])('%s', (line, colour) => {
    const [shown] = coloured([line])
    expect(shown).toContain(colour)
    expect(stripVTControlCharacters(shown!)).toBe(line)
  })

  it('in which nothing is told stay as they are', () => {
    const lines = [
      '',
      '   count 1 at the end; an idle page has 0',
      '     f+0x10 [m]',
      '1. things',
      '255 lifetimes complete, 1 open at the end.',
    ]
    expect(coloured(lines)).toEqual(lines)
  })
})

describe('a stream', () => {
  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { NO_COLOR: '' }, true],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
    [{}, {}, false],
    [{ isTTY: false }, {}, false],
  ])('%o with %o: %s', (stream, env, expected) => {
    expect(takesColour(stream, env)).toBe(expected)
  })
})

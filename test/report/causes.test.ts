// SPDX-License-Identifier: GPL-2.0-or-later
// How causes, culprits and candidates are told.
import { describe, expect, test } from 'vitest'
import type { Certainty, Finding } from '../../src/ledger/findings/finding.ts'
import { CallSiteNames } from '../../src/report/call-site-names.ts'
import { traceText } from '../../src/report/trace.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { WIDTH } from '../../src/report/words.ts'
import { accountOf, actor, finding, ns } from '../support/account.ts'

const text = (findings: Finding[], options = {}) => traceText(accountOf(findings, []), [], options).join('\n')

const leaks = (pages: number, certainty: (page: number) => Certainty = () => 'likely') =>
  Array.from({ length: pages }, (_, page) => {
    const culprit = { ...actor('drv_get', 'drv_work'), time: ns(1 + page) }
    const pfn = 0x1000 + page + (page > 2 ? 7 : 0)
    const candidates = [{ actor: culprit, reasons: ['nothing that came back fits it'] }]
    return finding('leak', { pfn, certainty: certainty(page), culprit, culpritCertainty: 'likely', candidates })
  })

describe('one bug that made many findings', () => {
  test('is told once, with its pages, its times and one of them in full', () => {
    const shown = text(leaks(200))
    expect(shown).toContain('200 findings of 1 cause:\n\n1. leak (fault likely, culprit likely): drv_get took 200')
    expect(shown.replace(/\s+/g, ' ')).toContain('drv_get took 200 references to 200 pages that never came back.')
    expect(shown).toContain('200 findings, the first at 1.000000, the last at 200.000000')
    expect(shown).toContain('   pages 0x1000-0x1002, 0x100a-0x10ce\n')
    expect(shown).toContain('   one of them in full, page 0x1000:\n')
    expect(shown.match(/evidence:/g)).toHaveLength(1)
  })

  test('each is printed where all are asked for, and as many as --top says', () => {
    const shown = text(leaks(21), { each: true })
    expect(shown.match(/evidence:/g)).toHaveLength(20)
    expect(shown).toContain('20. leak (fault likely')
    expect(shown).toContain('... and 1 more finding: --top shows more, --json all')
  })

  test('says how many are how sure where they differ, and shows the surest', () => {
    const shown = text(leaks(4, page => (page === 3 ? 'certain' : 'likely')))
    expect(shown).toContain('1. leak (fault certain, culprit likely): ')
    expect(shown).toContain('4 findings (1 certain, 3 likely), ')
    expect(shown).toContain('one of them in full, page 0x100a:')
  })

  test('JSON has the group and its members', () => {
    expect(traceJson(accountOf(leaks(5), []), [])).toMatchObject({
      causes: [
        {
          kind: 'leak',
          functions: [{ function: 'drv_get', offset: 16 }],
          findings: [0, 1, 2, 3, 4],
          pages: [
            { first: '0x1000', last: '0x1002' },
            { first: '0x100a', last: '0x100b' },
          ],
          references: 5,
          first: 1,
          last: 5,
        },
      ],
    })
  })
})

describe('who did it', () => {
  const first = { actor: actor('put_helper', 'drv_io'), reasons: ['nothing of its law was out when it came'] }
  const second = { actor: actor('put_helper', 'drv_dma'), reasons: ['it puts under the same law'] }

  test('is not said where several could be it', () => {
    const shown = text([finding('leak', { candidates: [first, second] })])
    expect(shown).toContain(
      '1. leak (fault certain): one of these took a reference to page 0x1000 that never\n   came back:\n   a. put_helper+0x10 from drv_io+0x10\n      - nothing of its law was out when it came\n',
    )
    expect(shown).toContain('   b. put_helper+0x10 from drv_dma+0x10\n      - it puts under the same law\n')
    expect(shown).not.toContain('why this culprit')
  })

  test('is said with the reason, and with who comes next', () => {
    const culprit = first.actor
    const shown = text([
      finding('surplus-put', { culprit, culpritCertainty: 'likely', candidates: [first, second], references: 7 }),
    ])
    expect(shown.replace(/\s+/g, ' ')).toContain(
      '1. surplus-put (fault certain, culprit likely): put_helper from drv_io put 7 references to page 0x1000 that were not its own.',
    )
    expect(shown).toContain('   why this culprit:\n   - nothing of its law was out when it came\n   next after it:\n')
    expect(shown.replace(/\s+/g, ' ')).toContain(
      '- put_helper+0x10 from drv_dma+0x10 at 2.000000 (it puts under the same law)',
    )
  })

  test('more candidates than are shown are counted', () => {
    const candidates = Array.from({ length: 7 }, (_, i) => ({ actor: actor(`drv_get_${i}`), reasons: [] }))
    expect(text([finding('leak', { candidates })])).toContain('   (1 more candidate)\n')
  })
})

test('names from a recording are harmless, and lines fit a mail', () => {
  const evil = actor('\u001b[31mget\u202e', `a${'_long'.repeat(9)}`, '\u0007')
  const other = actor('\u001b[31mget\u202e', 'another_caller')
  const both = [evil, other].map(each => ({ actor: each, reasons: ['\u001b[0m'] }))
  for (const over of [{ candidates: both }, { candidates: both, culprit: evil, culpritCertainty: 'likely' as const }]) {
    const shown = text([finding('leak', over), ...leaks(50)])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    expect(shown.split('\n').filter(line => line.length > WIDTH)).toEqual([])
  }
})

describe('names of call sites', () => {
  const names = new CallSiteNames([
    ['f+0x1', 'a', 'main'],
    ['f+0x1', 'b', 'x', 'main'],
    ['f+0x1', 'b', 'y', 'main'],
    ['g+0x2', 'a'],
    ['g+0x2', 'a'],
    [],
  ])

  test.each([
    [['g+0x2', 'a'], 'g+0x2'],
    [['f+0x1', 'a', 'main'], 'f+0x1 from a'],
    [['f+0x1', 'b', 'x', 'main'], 'f+0x1 from b from x'],
    [['f+0x1', 'b', 'y', 'main'], 'f+0x1 from b from y'],
    [['h+0x3', 'a'], 'h+0x3'],
    [[], 'an unknown site (no stack)'],
  ])('%j', (stack, name) => expect(names.name(stack)).toBe(name))
})

test('JSON has the name of the function, and the symbol where the compiler made another of it', () => {
  const culprit = actor('drv_get.constprop.0', 'drv_work.isra.0.cold', 'main')
  const [json] = (traceJson(accountOf([finding('leak', { culprit })], []), []) as { findings: object[] }).findings
  expect(json).toMatchObject({
    culprit: {
      function: 'drv_get',
      symbol: 'drv_get.constprop.0',
      stack: [{ function: 'drv_get' }, { function: 'drv_work', symbol: 'drv_work.isra.0.cold' }, { function: 'main' }],
    },
  })
  expect(JSON.stringify(json)).not.toContain('"symbol":"main"')
  const shown = text([finding('leak', { culprit })])
  expect(shown).toContain('drv_get took a reference')
  expect(shown).toContain('     drv_get.constprop.0+0x10\n')
})

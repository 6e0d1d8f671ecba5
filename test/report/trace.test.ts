// SPDX-License-Identifier: GPL-2.0-or-later
// What an account says beyond its counts: waits, retries, and the kernel's own reports.
import { describe, expect, test } from 'vitest'
import type { Account } from '../../src/ledger/account.ts'
import type { ErrorReport } from '../../src/ledger/findings/finding.ts'
import { select } from '../../src/report/filter.ts'
import { hasAccusation, traceText } from '../../src/report/trace.ts'
import { accountOf, actor, finding, frame, ns } from '../support/account.ts'

const report = (over: Partial<ErrorReport> = {}): ErrorReport => ({
  detector: 'warning',
  address: 0xffffffff81234567n,
  frame: frame('nouveau_dmem_fini'),
  stack: [frame('nouveau_dmem_fini'), frame('device_remove')],
  task: 'rmmod',
  pid: 42,
  cpu: 1,
  time: ns(2),
  page: undefined,
  times: 1,
  ...over,
})

const text = (of: Account) => traceText(of, []).join('\n')

test('a recording without anything', () => {
  expect(text(accountOf([], [], 0))).toContain('Nothing was found.')
  expect(text(accountOf([], [], 0))).not.toContain('probe')
  expect(text(accountOf([], []))).toContain('9 page_ref events and 3 probes from')
})

test('a page that was not followed after a fault is not said to lack events', () => {
  const of = (broken: number) => {
    const made = accountOf([], [])
    return text({ ...made, lives: { ...made.lives, broken, openAtEnd: 3, unknown: 1 } }).replaceAll(/\s+/g, ' ')
  }
  expect(of(2)).toContain('3 open at the end, of which 1 not followed (lost events, begun before, or after a fault).')
  expect(of(0)).toContain('3 open at the end, of which 1 not followed (lost events, or begun before).')
})

describe('the clock', () => {
  const by = (info: Partial<Account['info']>) => {
    const of = accountOf([finding('leak')], [report({ time: 70_000_000 })])
    return text({ ...of, info: { ...of.info, ...info }, firstTime: 0, timeBase: 21_000_000_000n })
  }

  test('is not spoken of where it is fine', () => {
    for (const resolution of [1, 1000, 20_000])
      expect(by({ resolution })).toContain('from 21.000000 to 24.000000; none lost\n\n')
  })

  test('is named where it is slow, and times have the digits that it gives', () => {
    expect(by({ clock: 'uptime', resolution: 1e7 })).toContain(
      'from 21.00 to 24.00; none lost\nthe clock uptime moved on every 10 ms only, so little says what came first\n\n',
    )
    expect(by({ clock: 'uptime', resolution: 1e7 })).toContain('  21.07 [001] rmmod-42')
    expect(by({ resolution: 4e6 })).toContain('the clock local moved on every 4.0 ms only')
    expect(by({ clock: 'unknown', resolution: 4e6 })).toContain('the clock moved on every 4.0 ms only')
  })

  test('may count ticks', () => {
    expect(by({ clock: 'counter', unit: 'ticks' })).toContain(
      'from 21000000000 to 24000000000; none lost\ntimes are ticks of the clock counter\n\n',
    )
    expect(by({ clock: 'ticks', unit: 'ticks' })).toContain('times are ticks of a clock\n\n')
  })
})

describe('reports of the kernel', () => {
  test('stand by themselves, with their stack', () => {
    const shown = text(accountOf([], [report({ page: 0x1000, times: 2000 })]))
    expect(shown).not.toContain('Nothing was found')
    expect(shown).toContain("open at the end.\n\n1 report of the kernel's own:")
    expect(shown).toContain('- warning at nouveau_dmem_fini, by a task that was at page 0x1000, 2,000 times')
    expect(shown).toContain('  2.000000 [001] rmmod-42\n    nouveau_dmem_fini\n    device_remove')
  })

  test('without a stack, by address', () => {
    expect(text(accountOf([], [report({ frame: undefined, stack: [] })]))).toContain(
      '- warning at 0xffffffff81234567\n',
    )
  })

  test('names in them are harmless', () => {
    const evil = report({ frame: frame('\u001b[31mx'), stack: [frame('\u001b[31mx')], task: '\u0007' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text(accountOf([], [evil]))).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  })

  test('accuse, and are filtered by page and time', () => {
    const of = accountOf([], [report({ page: 0x1000 })])
    expect(hasAccusation(of)).toBe(true)
    expect(select(of, { pages: [{ first: 0x1000, last: 0x1000 }], from: ns(2), to: ns(2) }).reports).toHaveLength(1)
    for (const filter of [
      { pages: [{ first: 0x1001, last: 0x1fff }] },
      { from: ns(2.1) },
      { to: ns(1.9) },
      { pagemap: 0x1000 },
    ])
      expect(select(of, filter).reports).toEqual([])
  })
})

describe('what waits and what is tried again', () => {
  test('is no accusation, and is told with its evidence', () => {
    const of = accountOf([finding('teardown-waits'), finding('fault-retries'), finding('held-at-end')], [])
    expect(hasAccusation(of)).toBe(false)
    const shown = text(of)
    expect(shown).toContain('Nobody is accused.')
    expect(shown).toContain('which is no accusation:\n\n- teardown-waits (certain): ')
    expect(shown).toContain('\n\n- fault-retries (certain): ')
    expect(shown).toContain('1 page held at the end')
    expect(shown.match(/it began at/g)).toHaveLength(2)
  })

  test('of a page with several references, one is told, and the next command is for the first page that is told', () => {
    const later = finding('held-at-end', { pfn: 0x20, references: 2, culprit: { ...actor('lru'), time: ns(4) } })
    const first = finding('held-at-end', { pfn: 0x30, culprit: { ...actor('slot'), time: ns(3) } })
    const shown = text(accountOf([later, first], []))
    expect(shown).toMatch(/0x30 count \d since 3\..*\n(?: {4}.*\n)* {2}0x20 count \d, 1 of 2 references since 4\./)
    expect(shown).toMatch(/next: lastput who \S+ --pfn 0x30$/)
  })

  test('a teardown that waits for no page has no count', () => {
    const shown = text(accountOf([finding('teardown-waits', { references: 0 })], []))
    expect(shown).toContain('memunmap_pages() waits, and not for a page')
    expect(shown).not.toContain('count')
  })

  test('only pages that are merely held are left out by their age', () => {
    const of = accountOf([finding('teardown-waits'), finding('held-at-end')], [])
    expect(select(of, { older: ns(5) }).findings.map(each => each.kind)).toEqual(['teardown-waits'])
  })
})

test('of what is held, what may be forgotten comes first, and pins are told as such', () => {
  const old = finding('held-at-end', { pfn: 0x100 })
  const pinned = finding('held-at-end', { pfn: 0x200, held: { isPin: true, doubt: 'exited' } })
  const overtaken = finding('held-at-end', { pfn: 0x300, held: { isPin: false, doubt: 'overtaken' } })
  expect(text(accountOf([old], []))).toContain('Longest held first:\n  0x100 count')
  const all = text(accountOf([old, pinned, overtaken], []))
  expect(all).toContain('What may be forgotten first, then longest held:\n  0x200 count')
  expect(all).toContain('0x200 count 1 pinned; its task exited')
  expect(all).toContain('0x300 count 1; others that were taken later came back')
  expect(all.indexOf('0x100')).toBeGreaterThan(all.indexOf('0x300'))
})

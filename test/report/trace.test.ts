// SPDX-License-Identifier: GPL-2.0-or-later
// What an account says beyond its counts: waits, retries, and the kernel's own reports.
import { describe, expect, test } from 'vitest'
import type { Account } from '../../src/ledger/account.ts'
import { causesOf } from '../../src/ledger/diagnose/causes.ts'
import type { ErrorReport, Finding } from '../../src/ledger/findings/finding.ts'
import { hasAccusation, select, traceText } from '../../src/report/trace.ts'

const frame = (name: string) => ({ address: 0n, name, offset: undefined, module: undefined })
const ns = (seconds: number) => seconds * 1e9

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

const finding = (kind: Finding['kind'], over: Partial<Finding> = {}): Finding => ({
  kind,
  pfn: 0x1000,
  pagemap: 0,
  life: { began: ns(1), ended: undefined },
  history: [],
  count: 1,
  expected: 0,
  certainty: 'certain',
  culprit: undefined,
  culpritCertainty: undefined,
  candidates: [],
  law: undefined,
  references: 1,
  consequences: [],
  moreConsequences: 0,
  evidence: ['it began at 1.000000'],
  ...over,
})

const account = (findings: Finding[], reports: ErrorReport[], probes = 3): Account => ({
  info: {
    file: 'x',
    format: 'ftrace text',
    kernel: undefined,
    cpus: 2,
    clock: 'local',
    rawFlags: false,
    machine: undefined,
  },
  timeBase: 0n,
  events: 9,
  skipped: 0,
  probes,
  firstTime: ns(1),
  lastTime: ns(3),
  lost: { gaps: 0, events: 0, from: Infinity, to: -Infinity },
  pagemaps: [],
  lives: { complete: 1, partial: 0, broken: 0, openAtEnd: 0, unknown: 0 },
  findings,
  causes: causesOf(findings),
  reports,
  laws: [],
  open: [],
  notes: [],
  dropped: { incidents: 0, shapes: 0 },
})

const text = (of: Account) => traceText(of, []).join('\n')

test('a recording without anything', () => {
  expect(text(account([], [], 0))).toContain('Nothing was found.')
  expect(text(account([], [], 0))).not.toContain('probe')
  expect(text(account([], []))).toContain('9 page_ref events and 3 probes from')
})

describe('reports of the kernel', () => {
  test('stand by themselves, with their stack', () => {
    const shown = text(account([], [report({ page: 0x1000, times: 2000 })]))
    expect(shown).not.toContain('Nothing was found')
    expect(shown).toContain("open at the end.\n\n1 report of the kernel's own:")
    expect(shown).toContain('- warning at nouveau_dmem_fini, by a task that was at page 0x1000, 2,000 times')
    expect(shown).toContain('  2.000000 [001] rmmod-42\n    nouveau_dmem_fini\n    device_remove')
  })

  test('without a stack, by address', () => {
    expect(text(account([], [report({ frame: undefined, stack: [] })]))).toContain('- warning at 0xffffffff81234567\n')
  })

  test('names in them are harmless', () => {
    const evil = report({ frame: frame('\u001b[31mx'), stack: [frame('\u001b[31mx')], task: '\u0007' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text(account([], [evil]))).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  })

  test('accuse, and are filtered by page and time', () => {
    const of = account([], [report({ page: 0x1000 })])
    expect(hasAccusation(of)).toBe(true)
    expect(select(of, { pfn: 0x1000, from: ns(2), to: ns(2) }).reports).toHaveLength(1)
    for (const filter of [{ pfn: 0x1001 }, { from: ns(2.1) }, { to: ns(1.9) }, { pagemap: 0x1000 }])
      expect(select(of, filter).reports).toEqual([])
  })
})

describe('what waits and what is tried again', () => {
  test('is no accusation, and is told with its evidence', () => {
    const of = account([finding('teardown-waits'), finding('fault-retries'), finding('held-at-end')], [])
    expect(hasAccusation(of)).toBe(false)
    const shown = text(of)
    expect(shown).toContain('Nobody is accused.')
    expect(shown).toContain('which is no accusation:\n\n- teardown-waits (certain): ')
    expect(shown).toContain('\n\n- fault-retries (certain): ')
    expect(shown).toContain('1 page held at the end')
    expect(shown.match(/it began at/g)).toHaveLength(2)
  })

  test('a teardown that waits for no page has no count', () => {
    const shown = text(account([finding('teardown-waits', { references: 0 })], []))
    expect(shown).toContain('memunmap_pages() waits, and not for a page')
    expect(shown).not.toContain('count')
  })

  test('only pages that are merely held are left out by their age', () => {
    const of = account([finding('teardown-waits'), finding('held-at-end')], [])
    expect(select(of, { older: ns(5) }).findings.map(each => each.kind)).toEqual(['teardown-waits'])
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The viewer's filter of findings against that of the command line: with whole names they let the same through.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Actor, ErrorReport, Finding } from '../../src/ledger/findings/finding.ts'
import { select } from '../../src/report/filter.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { rangeText } from '../../src/report/words.ts'
import type { TraceJson } from '../../web/src/documents.ts'
import { complaintsAbout, type FilterTexts, FindingFilter } from '../../web/src/finding-filter.ts'
import { Times } from '../../web/src/words.ts'
import { accountOf, actor, finding, ns } from '../support/account.ts'

const FUNCTIONS = ['alloc', 'alloc_more', 'put', 'free'] as const
const TASKS = ['worker', 'worker-2', '7'] as const
const KINDS = ['leak', 'surplus-put', 'held-at-end'] as const

const acting = fc
  .record({
    names: fc.array(fc.constantFrom(...FUNCTIONS), { minLength: 1, maxLength: 3 }),
    task: fc.constantFrom(...TASKS),
    pid: fc.integer({ min: 6, max: 8 }),
    time: fc.integer({ min: 1000, max: 3000 }),
  })
  .map(({ names, task, pid, time }): Actor => ({ ...actor(...(names as [string])), task, pid, time: time * 1e6 }))

const found = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    pfn: fc.integer({ min: 0x10, max: 0x2f }),
    began: fc.option(fc.integer({ min: 1000, max: 3000 }), { nil: undefined }),
    culprit: fc.option(acting, { nil: undefined }),
    others: fc.array(acting, { maxLength: 2 }),
  })
  .map(({ kind, pfn, began, culprit, others }): Finding => {
    const candidates = [...(culprit ? [culprit] : []), ...others].map(each => ({ actor: each, reasons: [] }))
    return finding(kind, { pfn, life: { began: began && began * 1e6, ended: undefined }, culprit, candidates })
  })

const reported = fc
  .record({ by: acting, page: fc.option(fc.integer({ min: 0x10, max: 0x2f }), { nil: undefined }) })
  .map(({ by, page }): ErrorReport => {
    const { frame, stack, task, pid, cpu, time } = by
    return { detector: 'warning', address: 1n, frame, stack, task, pid, cpu, time, page, times: 1 }
  })

const page = fc.integer({ min: 0x10, max: 0x2f })
const range = fc.tuple(page, page).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))
const seconds = fc.integer({ min: 1000, max: 3000 }).map(ms => ms / 1e3)
const some = <T>(what: fc.Arbitrary<T>) => fc.option(what, { nil: undefined, freq: 1 })

const wanted = fc.record({
  pages: some(fc.array(range, { minLength: 1, maxLength: 3 })),
  pagemap: some(fc.constantFrom(0x10, 0x20)),
  kind: some(fc.constantFrom(...KINDS)),
  functions: some(fc.uniqueArray(fc.constantFrom(...FUNCTIONS), { minLength: 1, maxLength: 2 })),
  tasks: some(
    fc.uniqueArray(fc.constantFrom('worker', '7', '8', 'worker-7', 'worker-2'), { minLength: 1, maxLength: 2 }),
  ),
  times: some(fc.tuple(seconds, seconds).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }))),
})

test('what lastput trace shows of findings and reports, the viewer shows', () => {
  fc.assert(
    fc.property(
      fc.array(found, { maxLength: 12 }),
      fc.array(reported, { maxLength: 4 }),
      wanted,
      (findings, reports, { pages, pagemap, kind, functions, tasks, times }) => {
        const maps = [0x10, 0x20].map(firstPfn => ({
          type: undefined,
          firstPfn,
          lastPfn: firstPfn + 15,
          pages: 16,
          protocol: 'E',
          recognisedBy: '',
          idleCount: 0,
          device: true,
        }))
        const account = { ...accountOf(findings, reports), pagemaps: maps }
        const chosen = select(account, {
          pages,
          pagemap,
          kinds: kind && [kind],
          functions,
          tasks,
          from: times && ns(times.from),
          to: times && ns(times.to),
        })
        const trace = traceJson(account, []) as TraceJson
        const texts: FilterTexts = {
          filter: '',
          kind: kind ?? '',
          pages: pages?.map(rangeText).join(',') ?? '',
          pagemap: pagemap === undefined ? '' : `0x${pagemap.toString(16)}`,
          function: functions?.join(', ') ?? '',
          task: tasks?.join(',') ?? '',
          from: times ? String(times.from) : '',
          to: times ? String(times.to) : '',
        }
        expect(complaintsAbout(texts)).toEqual({})
        // A name that does not occur is refused by the command line; in the viewer it may be one that is being typed.
        const stacks = [...findings.flatMap(({ candidates }) => candidates.map(each => each.actor)), ...reports]
        const names = stacks.flatMap(({ stack, task, pid }) => [
          ...stack.map(({ name }) => name),
          task,
          `${pid}`,
          `${task}-${pid}`,
        ])
        fc.pre([...(functions ?? []), ...(tasks ?? [])].every(name => names.includes(name)))
        const filter = new FindingFilter(texts, trace, new Times(trace))
        expect(findings.filter((_, i) => filter.passesFinding(trace.findings[i]!))).toEqual(chosen.findings)
        expect(reports.filter((_, i) => filter.passesReport(trace.reports[i]!))).toEqual(chosen.reports)
      },
    ),
    { numRuns: 400 },
  )
})

test('a part of a name takes all that contain it, in any case; what makes no sense is said, and filters nothing', () => {
  const trace = traceJson(
    accountOf([finding('leak', { culprit: actor('Alloc_more') }), finding('leak', { culprit: actor('put') })], []),
    [],
  ) as TraceJson
  const none: FilterTexts = { filter: '', kind: '', pages: '', pagemap: '', function: '', task: '', from: '', to: '' }
  const passing = (texts: Partial<FilterTexts>) =>
    trace.findings.filter(each => new FindingFilter({ ...none, ...texts }, trace, new Times(trace)).passesFinding(each))
  expect(passing({ function: 'alloc' })).toEqual([trace.findings[0]])
  expect(passing({ function: 'nothing' })).toEqual([])
  expect(passing({ filter: 'WORK' })).toEqual(trace.findings)
  for (const [key, text] of [
    ['pages', '0x5-0x1'],
    ['pages', 'x'],
    ['from', 'yesterday'],
  ] as const) {
    expect(Object.keys(complaintsAbout({ ...none, [key]: text }))).toEqual([key])
    expect(passing({ [key]: text })).toEqual(trace.findings)
  }
  expect(complaintsAbout({ ...none, from: '2', to: '1' })).toEqual({ to: 'no time lies between these two' })
})

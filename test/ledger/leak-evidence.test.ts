// SPDX-License-Identifier: GPL-2.0-or-later
// What speaks for a leak, and what it is worth: the table of docs/internals/ledger.md.
import { expect, test } from 'vitest'
import { judgeLeak, type LeakFacts, leakWords } from '../../src/ledger/leak-evidence.ts'

/** A reference that is out for a moment, on a page whose other references came back. */
const PLAIN: LeakFacts = {
  held: 1e6,
  hasStack: true,
  isPin: false,
  isEviction: false,
  returned: 100,
  usualPut: { site: 'put_it', lives: 100 },
  longestOfSite: 2e6,
  longest: 5e6,
  alike: undefined,
  tables: 0,
  isAlone: true,
  task: 'worker-7',
  later: 0,
  exited: false,
  passed: 0,
  evicted: undefined,
  waits: false,
  isHeadless: false,
  isGivenUp: false,
  lives: 100,
}

const cases: [string, Partial<LeakFacts>, string | undefined][] = [
  ['held for no longer than others', {}, undefined],
  ['a teardown waits', { waits: true }, 'certain'],
  ['a teardown waits, without stacks', { waits: true, hasStack: false }, 'likely'],
  ['a teardown waits, and no other life was seen', { waits: true, lives: 0 }, 'likely'],
  ['an eviction came by', { evicted: 1e6 }, 'likely'],
  ['an eviction came by, but others hold the page', { evicted: 1e6, isAlone: false }, undefined],
  ['held for too long, task at rest', { held: 1e7 }, undefined],
  ['held for too long, task went on', { held: 1e7, later: 60 }, 'likely'],
  ['held for too long, task exited', { held: 1e7, exited: true }, 'likely'],
  ['held for too long, overtaken', { held: 1e7, passed: 40 }, 'likely'],
  ['held for too long, begun before the recording', { held: 1e7, later: 60, isHeadless: true }, undefined],
  ['a site that gave nothing back, task went on', { returned: 0, held: 2e7, later: 60 }, 'likely'],
  ['a pin that was never given back, task went on', { returned: 0, held: 2e7, later: 60, isPin: true }, undefined],
  ['a pin of a site that always gives back, held for too long', { held: 1e7, later: 60, isPin: true }, 'likely'],
]

test.each(cases)('%s', (_, some, certainty) => {
  expect(judgeLeak({ ...PLAIN, ...some }).certainty).toBe(certainty)
})

test('what the driver has given up and nobody maps, kept by a site that gave nothing back, is leaked whatever its task does', () => {
  const facts = { ...PLAIN, returned: 0, held: 2e7, isGivenUp: true, alike: { lives: 9, missing: undefined } }
  expect(judgeLeak(facts).certainty).toBe('likely')
  expect(judgeLeak({ ...facts, isGivenUp: false }).certainty).toBeUndefined()
  expect(judgeLeak({ ...facts, alike: undefined }).certainty).toBeUndefined()
})

test('times in evidence are spans: the ledger does not know what its times count from', () => {
  const words = leakWords({ ...PLAIN, held: 1e7, evicted: 3e6, later: 60, exited: true, waits: true })
  expect(words).toContain('an eviction of its pagemap came by 3.0 ms later and could not free it')
  expect(words.join()).toContain('held for 10.0 ms')
})

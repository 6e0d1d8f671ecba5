// SPDX-License-Identifier: GPL-2.0-or-later
// Drivers without a fault that were accused once: nobody is.
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { ACCUSATIONS } from '../../src/ledger/findings/kinds.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import { makeRecording as makeLifecycles } from '../../testkit/lifecycles/index.ts'

test.each([
  ['one of three ways back is slow while the others move on', 600081],
  ['a page that the core resets has fewer references out than its laws are over by, all together', 600384],
  ['events that one task lacks make lifetimes impossible', 600774],
  ['events that all lack for a moment do, on another page', 600862],
  ['of eight references that one get took the last comes back late', 700198],
  ['pages are in use that have the count of an idle one', 800785],
  ['a teardown waits for those who have not come to give back what they took', 701263],
  ["an impossible event that is nobody's fault shows that events are missing: a law is short on another page", 800059],
  ['pages whose counts are doubtful may be in use, too', 800414],
  ['one of three readers stopped before it gave anything back', 800701],
  ['a teardown waits, and by the laws more is out than the count says', 800150],
  ['a teardown waits, and an impossible event close to the end shows that events are missing', 801557],
  ['a rare way gave back one of several references of a law that were out', 801938],
  ['what seems to have come back late is of a law that is short more often than over', 1200638],
  ['a task fills the slots of a table at random, and most of its references are out', 2100036],
  ['the lifetimes are too few to tell two laws apart, and one is short where the other is over', 2100151],
  ['a table that took once, and no law knows, still has the page: others find it there', 2002459],
  ['a table keeps one reference while it replaces all others at random, and others find the page there', 2003298],
  ['pages are kept by their hand-out, and puts of its law gave back what another took', 2002564],
  ['a rare way of a mapping back looks like that of a reference without a law', 2003837],
  ['a task is scheduled out before its stamp, after an interrupt has made one with its pid', 2003904],
  ['the same where a CPU began to record late', 2003941],
  ['the clock counts events, and a burst of them is missing without a mark', 800206],
  ['the clock counts events, and a pause of recording has no mark', 801640],
  ['a put is stamped after the end, and every lifetime since has the put of the next one', 1401307],
])('%s', async (_, seed) => {
  const made = makeRecording(seed, { driver: { bugs: [] } })
  expect(made.truth.correct).toBe(true)
  const { findings } = await account(made.recording())
  expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toEqual([])
})

test.each([
  ['what is out of a law is on pages that have references of others out as long', 9100256],
  ['the same of two laws that the lifetimes do not tell apart', 9100036],
  ['two references are out, on two pages that have others out as long', 9100102],
  ['a law after the other is kept, each on pages of its own', 9000198],
  ['a task that keeps pages for good has stopped', 9100218],
  ['a task keeps what it took at the start, and its references are few among all', 13200361],
  ['pages are kept: few for the references of their law, many for its lifetimes', 9100252],
  ['nearly a third as many are kept as come back', 32000208],
  ['the same of what one gives back for others', 32000824],
  ['without stacks, some are kept for good', 32000979],
  ['the same, few among all that come back', 35050182],
  ['a call site keeps the only reference that it took, by a lookup', 84000040],
  ['the same on a page that others keep', 84000643],
  ['a call site keeps the only page that it was handed', 86000712],
  ['a page that is kept has references of several laws, and few of one of these are out', 84000925],
  ['tasks hand most pages back in the call that was handed them, and keep others', 86000587],
  ['the only task of a driver keeps some of what it mostly gives back at once', 32000171],
  ['the owner of the last page in use waits for others', 86000359],
])('second simulator: %s', async (_, seed) => {
  const made = makeLifecycles(seed, { faults: 0 })
  expect(made.truth.correct).toBe(true)
  const { findings } = await account(made.recording())
  expect(findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toEqual([])
  // It is not silent either: of what is out it tells.
  expect(findings.some(({ kind }) => kind === 'held-at-end')).toBe(true)
})

test.each([
  ['a task that leaks each sixth', 9500444, 86],
  ['whoever gives back what others took', 9500325, 40],
])('a fault that goes on does not teach that leaking is normal: %s', async (_, seed, least) => {
  const made = makeLifecycles(seed, { faults: 1 })
  const leaked = new Set(made.truth.planted.filter(({ kind }) => kind === 'leak').map(({ pfn }) => pfn))
  const { findings } = await account(made.recording())
  const accused = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  expect(accused.length).toBeGreaterThanOrEqual(least)
  expect(accused.filter(({ kind, pfn }) => kind !== 'leak' || !leaked.has(pfn))).toEqual([])
})

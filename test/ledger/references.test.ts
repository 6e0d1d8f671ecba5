// SPDX-License-Identifier: GPL-2.0-or-later
// References of a lifetime that are out, by laws.
import { expect, test } from 'vitest'
import { pairReferences } from '../../src/ledger/diagnose/references.ts'
import { LawBook } from '../../src/ledger/learn/law-book.ts'
import type { LifetimeEvent } from '../../src/ledger/track/lifetime-event.ts'
import { signatureOf } from '../../src/ledger/track/unit-key.ts'

/** Every two signatures are of one law: what the even one takes, the odd one gives back. */
class Pairs extends LawBook {
  override lawOf(key: number): number {
    return signatureOf(key) >> 1
  }
}

/** @param changes signature of the call site, and its change of the count */
const lifetime = (...changes: [signature: number, delta: number][]) =>
  changes.map(([signature, delta], ordinal) => ({ signature, delta, ordinal, pid: 1 }) as LifetimeEvent)

test('the oldest comes first, also where its law was used later than that of another', () => {
  const { open } = pairReferences(lifetime([0, 1], [1, -1], [2, 1], [0, 1], [4, 1]), 0, new Pairs())
  expect(open.map(({ law, event }) => [law, event!.ordinal])).toEqual([
    [1, 2],
    [0, 3],
    [2, 4],
  ])
})

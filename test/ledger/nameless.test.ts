// SPDX-License-Identifier: GPL-2.0-or-later
// Stacks without symbols: perf.data carries none, and under kptr_restrict trace.dat does not either.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import type { Frame } from '../../src/trace/events.ts'
import { fakeRecording } from '../../testkit/fake-recording.ts'
import { history, TYPICAL } from '../../testkit/histories/histories.ts'
import type { Protocol } from '../../testkit/histories/options.ts'

const nameless = ({ address }: Frame): Frame => ({
  address,
  name: `0x${address.toString(16)}`,
  offset: undefined,
  module: undefined,
})

async function accountOf(protocol: Protocol, seed: number) {
  const { rows, expected } = history({ ...TYPICAL, protocol, seed, fault: 'leak', lives: 40 })
  // Of the two frames of the tracepoint, perf's stacks have one.
  const bare = rows.map(row => ({ ...row, stack: row.stack?.slice(1).map(nameless) }))
  return { found: await account(fakeRecording(bare, [], { cpus: TYPICAL.cpus })), expected: expected! }
}

test.each(['A', 'E', 'P2PDMA_73'] as const)(
  'protocol %s is recognised, and a leak is told by its address',
  async protocol => {
    for (let seed = 0; seed < 5; seed++) {
      const { found, expected } = await accountOf(protocol, seed)
      expect(found.pagemaps.map(({ device }) => device)).toEqual([true])
      expect(found.notes.join()).toContain('--kallsyms')
      const accused = found.findings.filter(({ kind }) => ACCUSATIONS.has(kind))
      expect(accused.map(({ kind, pfn }) => [kind, pfn])).toEqual([['leak', expected.pfn]])
      expect(accused[0]!.culprit!.frame!.name).toMatch(/^0xffffffffc/)
    }
  },
)

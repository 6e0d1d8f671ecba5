// SPDX-License-Identifier: GPL-2.0-or-later
// The generator of histories is the ledger's judge, so it is judged first: by the definition of the operations.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Op } from '../../src/trace/events.ts'
import { byPage, type History, history, historyOptions, TYPICAL } from '../../testkit/histories/histories.ts'
import { FAULTS, PROTOCOLS, type TrueRow } from '../../testkit/histories/options.ts'
import { canShow } from '../../testkit/histories/protocol-rules.ts'

function checkResult(row: TrueRow, before: number): void {
  const after = row.after
  if (row.op === Op.SET) expect(after).toBe(row.val)
  else if (row.op === Op.MOD_UNLESS && before === 0) expect([row.ret, after]).toEqual([0, 0])
  else expect(after).toBe(before + row.val)
  if (row.op === Op.MOD_AND_TEST) expect(row.ret).toBe(after === 0 ? 1 : 0)
  if (row.op === Op.MOD_AND_RETURN) expect(row.ret).toBe(after)
}

test('operations in their true order explain every result, and each event comes after its operation', () => {
  fc.assert(
    fc.property(historyOptions({ fault: fc.constantFrom('none', ...FAULTS) }), options => {
      for (const rows of byPage(history(options).rows)) {
        let count = 0
        for (const row of [...rows].sort((a, b) => a.opTime - b.opTime || a.sequence - b.sequence)) {
          checkResult(row, count)
          count = row.after
          expect(row.time).toBeGreaterThanOrEqual(row.opTime)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('the events of a CPU are stamped in the order of their operations, and the recording delivers that order', async () => {
  const check = async (options: typeof TYPICAL, size: number) => {
    const { rows, recording } = history(options)
    const seen: number[][] = Array.from({ length: options.cpus }, () => [])
    const times: number[] = []
    for await (const batch of recording(size).batches()) {
      for (const row of batch.order) {
        seen[batch.cpu[row]!]!.push(batch.time[row]!)
        times.push(batch.time[row]!)
      }
    }
    expect(times).toEqual(rows.map(row => row.time))
    for (const own of seen) expect(own).toEqual([...own].sort((a, b) => a - b))
  }
  await fc.assert(fc.asyncProperty(historyOptions(), fc.integer({ min: 1, max: 50 }), check), { numRuns: 100 })
})

/** A history in which every reference came back and every page is idle at the end. */
function isClean({ rows, held, options }: History): boolean {
  const counts = new Map<number, number>()
  for (const row of [...rows].sort((a, b) => a.opTime - b.opTime || a.sequence - b.sequence))
    counts.set(row.pfn, row.after)
  // Without stacks, the teardown of a page or two is left out: see simulated-kernel.ts.
  const tornDown = options.protocol === 'A' && options.teardown && (options.stacks || options.pages > 2)
  const idle = new Set(tornDown ? [0] : [0, 1])
  return [...held.values()].every(n => n === 0) && [...counts.values()].every(count => idle.has(count))
}

test('without a fault all references come back, with one they do not or the count is wrong on the way', () => {
  fc.assert(
    fc.property(historyOptions(), options => {
      const made = history(options)
      expect(made.expected).toBeUndefined()
      expect(isClean(made)).toBe(true)
    }),
    { numRuns: 200 },
  )
})

test.each(
  PROTOCOLS.flatMap(protocol =>
    FAULTS.filter(fault => canShow(protocol, fault)).map(fault => [protocol, fault] as const),
  ),
)('protocol %s has histories with the fault %s', (protocol, fault) => {
  // By 6.12's FS_DAX rules only pins nest, and those put 1024 at once.
  if (protocol === 'FSDAX_612' && fault === 'surplus-put-early') return
  const made = Array.from({ length: 20 }, (_, seed) => history({ ...TYPICAL, seed, protocol, fault }))
  expect(made.filter(one => one.expected?.fault === fault).length).toBeGreaterThan(10)
})

test('timestamps of two CPUs swap where the window allows it, and never without', () => {
  const swaps = (window: 'none' | 'long') => {
    let n = 0
    for (let seed = 0; seed < 20; seed++) {
      for (const rows of byPage(history({ ...TYPICAL, seed, cpus: 4, tasks: 6, window }).rows)) {
        for (let i = 1; i < rows.length; i++) if (rows[i]!.opTime < rows[i - 1]!.opTime) n++
      }
    }
    return n
  }
  expect(swaps('none')).toBe(0)
  expect(swaps('long')).toBeGreaterThan(20)
})

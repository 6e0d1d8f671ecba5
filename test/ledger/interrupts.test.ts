// SPDX-License-Identifier: GPL-2.0-or-later
// An interrupt acts in the name of the task that it found running, also between that task's operation and its stamp; and
// what interrupts do on CPUs that idle is in the name of one task 0 for each CPU.
import { describe, expect, it } from 'vitest'
import type { OrderedEvent } from '../../src/ledger/track/lifetime-event.ts'
import { linearize, linearizeInterrupted } from '../../src/ledger/track/linearize.ts'
import { UNKNOWN_LIMITS } from '../../src/ledger/track/op-semantics.ts'
import { OrderLimits } from '../../src/ledger/track/order-limits.ts'
import { Op } from '../../src/trace/events.ts'

const US = 1000
const order = new OrderLimits()

/** Puts of a page with five references, each of which tells the count that it left. */
function puts(...all: [at: number, cpu: number, pid: number, ret: number][]): OrderedEvent[] {
  return all.map(([at, cpu, pid, ret]) => ({
    time: at,
    since: at - 100 * US,
    pid,
    cpu,
    op: Op.MOD_AND_RETURN,
    val: -1,
    ret,
  }))
}

const counts = (events: readonly OrderedEvent[] | undefined) => events?.map(({ ret }) => ret)

describe('the first put is stamped last', () => {
  it('by an interrupt of three events in the name of its task', () => {
    const events = puts([0, 0, 100, 3], [US, 0, 100, 2], [2 * US, 0, 100, 1], [4 * US, 0, 100, 4])
    expect(linearize(5, events, UNKNOWN_LIMITS, order)).toBeUndefined()
    expect(counts(linearizeInterrupted(5, events, UNKNOWN_LIMITS, order))).toEqual([4, 3, 2, 1])
  })

  it('but not in the name of its task on another CPU, nor by an interrupt long before', () => {
    const elsewhere = puts([0, 1, 100, 3], [US, 1, 100, 2], [4 * US, 0, 100, 4])
    expect(linearizeInterrupted(5, elsewhere, UNKNOWN_LIMITS, order)).toBeUndefined()
    const before = puts([0, 0, 100, 3], [US, 0, 100, 2], [order.interrupt + 2, 0, 100, 4])
    expect(linearizeInterrupted(5, before, UNKNOWN_LIMITS, order)).toBeUndefined()
  })

  it('on another CPU that idles as well', () => {
    const events = puts([0, 2, 0, 3], [US, 2, 0, 2], [2 * US, 2, 0, 1], [4 * US, 1, 0, 4])
    expect(counts(linearize(5, events, UNKNOWN_LIMITS, order))).toEqual([4, 3, 2, 1])
  })

  it('but not on the same CPU without an interrupt', () => {
    expect(linearize(5, puts([0, 2, 0, 3], [US, 2, 0, 4]), UNKNOWN_LIMITS, order)).toBeUndefined()
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Surplus puts that free a page early, and what hid them: the bugs of drivers that were once missed, or laid on others.
import { describe, expect, it } from 'vitest'
import { ACCUSATIONS, account, type Finding } from '../../src/ledger/index.ts'
import type { Conditions } from '../../testkit/drivers/conditions.ts'
import { drawOptions } from '../../testkit/drivers/driver.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import type { TrueFault } from '../../testkit/drivers/truth.ts'
import { makeRecording as makeLifecycles } from '../../testkit/lifecycles/index.ts'
import { namesAny } from '../support/named.ts'

interface Judged {
  fault: TrueFault
  /** What accuses somebody, on the page of the fault and on others. */
  there: Finding[]
  elsewhere: Finding[]
}

/** Judges a whole recording, by an exact clock, of the driver that a seed draws, with one bug that strikes once. */
async function judge(seed: number, some: Partial<Conditions> = {}): Promise<Judged> {
  const clock = { kind: 'local', offsets: Array<number>(drawOptions(seed).cpus).fill(0) } as const
  const ideal = {
    start: 'whole',
    startAt: 0,
    clock,
    stacks: true,
    markedGaps: 0,
    unmarked: 'none',
    kernelKnown: true,
  } as const
  const made = makeRecording(seed, { driver: { bugs: [{ strikes: 1 }] }, conditions: { ...ideal, ...some } })
  const [fault, ...more] = made.truth.faults
  expect(fault).toMatchObject({ kind: 'surplus-put' })
  expect(more).toEqual([])
  const { findings } = await account(made.recording())
  const accusing = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  const isThere = ({ pfn }: Finding) => pfn === fault!.pfn
  return { fault: fault!, there: accusing.filter(isThere), elsewhere: accusing.filter(each => !isThere(each)) }
}

async function expectNamed(seed: number): Promise<void> {
  const { fault, there, elsewhere } = await judge(seed)
  expect(there).toHaveLength(1)
  expect(fault.accepted).toContain(there[0]!.kind)
  expect(namesAny(there[0]!, fault.functions)).toBe(true)
  expect(elsewhere).toEqual([])
}

describe('a page that is idle at 1 and put to 0', () => {
  it('lost the reference of its owner, where the release hands no page out without an event', async () => {
    await expectNamed(12_000_031)
  })

  it('may have been returned, where the release is not known', async () => {
    const { there, elsewhere } = await judge(12_000_031, { kernelKnown: false })
    expect([...there, ...elsewhere]).toEqual([])
  })
})

describe('a law that is short when the page is freed, though not in the end', () => {
  it.each([
    ['since more of its references are held at the end', 12_000_366],
    ['since the next lifetime ends early in turn, and then what is out makes up for it', 12_000_234],
    ['since many lifetimes after it are shifted', 12_000_452],
    ['since the page stays in use under other laws, too', 12_000_425],
  ])('%s', async (_, seed) => {
    await expectNamed(seed)
  })
})

describe('a count below zero that was read', () => {
  it.each([
    ['by the surplus put, which a late stamp of the next hand-out would explain', 12_000_591],
    ['by a put, while a get of the free page before it is held back', 12_000_714],
    ['by a put that later gets on the CPU of another task would explain', 12_000_227],
  ])('%s', async (_, seed) => {
    await expectNamed(seed)
  })
})

// The recording begins in mid-life: what the put gives back may have been taken before, and another put may have freed the page then.
it('a put that is the first that is known of its page is possibly at fault, no more', async () => {
  const made = makeLifecycles(71_000_831)
  const { findings } = await account(made.recording())
  const firsts = findings.filter(
    ({ kind, life, culprit }) => kind === 'put-on-free-page' && life.began === culprit?.time,
  )
  expect(firsts.length).toBeGreaterThan(3)
  expect(new Set(firsts.map(({ culpritCertainty }) => culpritCertainty))).toEqual(new Set(['possible']))
})

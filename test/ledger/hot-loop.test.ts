// SPDX-License-Identifier: GPL-2.0-or-later
// The hot loop in WebAssembly and the tracker take in every event alike. More recordings are in hot-loop.long.test.ts.
import { expect, it, test, vi } from 'vitest'
import { StackTrait } from '../../src/ledger/callsites/symbol-lists.ts'
import * as layout from '../../src/ledger/track/hot-layout.ts'
import { PageInit } from '../../src/ledger/track/page-init.ts'
import { canClaim, isOrdinary, LIFETIME_BITS, PageBit } from '../../src/ledger/track/page-state.ts'
import { makeRecording as makeDriver } from '../../testkit/drivers/make.ts'
import { fakeRecording } from '../../testkit/fake-recording.ts'
import { makeRecording as makeLifecycles } from '../../testkit/lifecycles/index.ts'
import { compare, compareNoise, compareRecording, initialisation, RECORDINGS } from './compare-loops.ts'

it.each(RECORDINGS.filter((_, i) => i % 12 === 0))('a real kernel: %s', compareRecording)
it.each([4200, 4201])('the first simulator, seed %i', seed => compare(makeDriver(seed).recording))
it.each([4200, 4201])('the second simulator, seed %i', seed => compare(makeLifecycles(seed).recording))
it.each([0, 1, 2, 3])('events that no kernel writes, seed %i', compareNoise)

test('the loop knows the same bits as the tracker', () => {
  const { countKnown, open, skipped } = PageBit
  expect([layout.BIT_COUNT_KNOWN, layout.BIT_OPEN, layout.BIT_SKIPPED]).toEqual([countKnown, open, skipped])
  expect(layout.BITS_OF_LIFETIME).toBe(LIFETIME_BITS)
  for (let bit = 2; bit < 1 << 16; bit *= 2) {
    expect((layout.BITS_EXTRAORDINARY & bit) === 0, `bit ${bit}`).toBe(isOrdinary(bit | countKnown))
    expect((layout.BITS_UNCLAIMABLE & bit) === 0, `bit ${bit}`).toBe(canClaim(bit))
  }
  const { INIT, INIT_DEVICE, TEARDOWN, DEVICE, NAMELESS, FAULT, INTERRUPT, TYPE } = StackTrait
  const { TRAIT_INIT, TRAIT_INIT_DEVICE, TRAIT_TEARDOWN, TRAIT_DEVICE, TRAIT_NAMELESS } = layout
  const { TRAIT_FAULT, TRAIT_INTERRUPT, TRAIT_TYPE } = layout
  expect([TRAIT_INIT_DEVICE, TRAIT_TYPE]).toEqual([INIT_DEVICE, TYPE])
  expect([TRAIT_INIT, TRAIT_TEARDOWN, TRAIT_DEVICE, TRAIT_NAMELESS, TRAIT_FAULT, TRAIT_INTERRUPT]).toEqual([
    INIT,
    TEARDOWN,
    DEVICE,
    NAMELESS,
    FAULT,
    INTERRUPT,
  ])
})

test('the loop initialises all pages but those that tell something new', async () => {
  const inTracker = vi.spyOn(PageInit.prototype, 'initialise')
  await compare(() => fakeRecording(initialisation(5000), []), { isPlain: true })
  const all = inTracker.mock.calls.length
  inTracker.mockClear()
  await compare(() => fakeRecording(initialisation(5000), []))
  const few = inTracker.mock.calls.length - all / 2
  inTracker.mockRestore()
  expect(all).toBe(4 * 10_000)
  expect(few).toBeLessThan(50)
})

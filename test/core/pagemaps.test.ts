// SPDX-License-Identifier: GPL-2.0-or-later
// A pgmap_array that an attacker wrote: pagemaps over pagemaps, each with as many ranges as there can be, of any length.
import { expect, test } from 'vitest'
import { type Examination, examine } from '../../src/core/examine.ts'
import { pointer } from '../../src/core/kernel/typed.ts'
import { openDump } from '../../src/core/memory/open.ts'
import type { Dump } from '../../src/core/memory/physical.ts'
import { BytesCoreSource } from '../../src/core/memory/source.ts'
import { coreIncompleteness } from '../../src/report/core-completeness.ts'
import { FRAME, type Frames, writeElf } from '../../testkit/core/dump-writer.ts'
import { FIRST_PFN, PAGES, syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'

const { frames, vmcoreinfo } = syntheticKernel()
const SLOTS = 64
const ALL_MEMORY = (1n << 52n) - 1n

function dumpOf(memory: Frames): Dump {
  return openDump(new BytesCoreSource('dump', writeElf(memory, { vmcoreinfo })))
}

/** Number of the first of `count` frames at the end of memory, which the kernel has left empty. */
function emptyFrames(count: number): number {
  const first = Math.max(...frames.keys()) + 1 - count
  for (let pfn = first; pfn < first + count; pfn++) expect(frames.get(pfn)!.every(byte => byte === 0)).toBe(true)
  return first
}

/** Returns the same memory with an array of `nodes` nodes full of pagemaps that lie over each other. */
function hostile({ kernel }: Examination, nodes: number): Dump {
  const copies = new Map([...frames].map(([pfn, frame]) => [pfn, frame.slice()]))
  const write = (place: number, word: bigint) =>
    new DataView(copies.get(Math.floor(place / FRAME))!.buffer).setBigUint64(place % FRAME, word, true)
  const physical = (address: bigint) => kernel.memory.frameOf(address) * FRAME + Number(address % BigInt(FRAME))
  const array = kernel.address('pgmap_array')!
  const top = pointer(kernel.at('xarray', array), 'xa_head') - 2n
  const slots = BigInt(kernel.need('xa_node.slots'))
  const nodeBytes = kernel.sizeOf('xa_node')
  const empty = emptyFrames(10)
  const addressOf = (place: number) => kernel.regions.directMap + BigInt(place)
  const pagemaps = (empty + 3) * FRAME
  for (let place = pagemaps; place < (empty + 10) * FRAME; place += 16) {
    write(place, 0n)
    write(place + 8, ALL_MEMORY)
  }
  for (let n = 0; n < nodes; n++) {
    const node = empty * FRAME + n * nodeBytes
    // The first entry stays the true pagemap.
    write(physical(top + slots + BigInt(8 * (n + 1))), addressOf(node) + 2n)
    for (let i = 0; i < SLOTS; i++) {
      write(node + Number(slots) + 8 * i, addressOf(pagemaps + 16 * (n * SLOTS + i)))
    }
  }
  return dumpOf(copies)
}

test('many pagemaps with many ranges', () => {
  const found = examine(dumpOf(frames), 'dump')
  const attacked = examine(hostile(found, 12), 'dump')
  const reasons = coreIncompleteness(attacked).map(({ text }) => text)
  expect(reasons).toContain('pagemaps have more than 16384 ranges, which is all that is read')
  expect(reasons.join()).toMatch(/pagemaps overlap: \d+ of their ranges are left out/)
  // What is true is still found.
  expect(attacked.pagemaps.flatMap(({ ranges }) => ranges)).toContainEqual({
    first: FIRST_PFN,
    end: FIRST_PFN + PAGES,
    reserved: 0,
  })
  const kindsOf = ({ findings }: Examination) => findings.map(({ kind, pfn }) => `${kind} ${pfn}`)
  expect(kindsOf(attacked)).toEqual(expect.arrayContaining(kindsOf(found).filter(words => !words.startsWith('leaked'))))
})

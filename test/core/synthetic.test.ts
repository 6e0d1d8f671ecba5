// SPDX-License-Identifier: GPL-2.0-or-later
// The whole way from a dump to findings, with a kernel that is made up: what is arranged is found, with its holders.
import { expect, test } from 'vitest'
import { examine } from '../../src/core/examine.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { BytesCoreSource } from '../../src/core/memory/source.ts'
import { PageView } from '../../src/core/mm/page-layout.ts'
import { PageRuns } from '../../src/core/mm/page-runs.ts'
import { coreText } from '../../src/report/core.ts'
import { coreIncompleteness } from '../../src/report/core-completeness.ts'
import { inBlocks, writeElf, writeKdump } from '../../testkit/core/dump-writer.ts'
import {
  SYNTHETIC_AARCH64,
  SYNTHETIC_AARCH64_BEFORE_6_11,
  type SyntheticArch,
} from '../../testkit/core/synthetic-arch.ts'
import { ARRANGED, FIRST_PFN, PAGES, syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'
import { differingRuns } from './page-runs.ts'

const { frames, vmcoreinfo } = syntheticKernel()

/** An ELF core of the same kernel on another architecture. */
function elfOf(arch: SyntheticArch): Uint8Array {
  const { frames, vmcoreinfo } = syntheticKernel(arch)
  return writeElf(frames, { vmcoreinfo, machine: arch.machine })
}

/** As QEMU writes it for arm64: blocks of 64 KiB, of a machine without a name. */
function kdumpOfQemu(arch: SyntheticArch): Uint8Array {
  const { frames, vmcoreinfo } = syntheticKernel(arch)
  return writeKdump(inBlocks(frames, 65536), { vmcoreinfo, blockBytes: 65536, machineName: 'Unknown' })
}

test.each([
  ['ELF', writeElf(frames, { vmcoreinfo })],
  ['kdump', writeKdump(frames, { vmcoreinfo })],
  ['aarch64', elfOf(SYNTHETIC_AARCH64)],
  ['aarch64 before 6.11', elfOf(SYNTHETIC_AARCH64_BEFORE_6_11)],
  ['aarch64, kdump of QEMU', kdumpOfQemu(SYNTHETIC_AARCH64)],
])('%s', (_, file) => {
  const found = examine(openDump(new BytesCoreSource('dump', file)), 'dump')
  expect(found.notes).toEqual([])
  expect(coreIncompleteness(found)).toEqual([])
  expect(found.pagemaps).toMatchObject([
    {
      type: 'PRIVATE',
      protocol: 'E',
      opsName: 'test_ops',
      pageFree: 'test_page_free',
      driver: 'vmlinux',
      ref: { state: 'percpu', references: BigInt(Object.keys(ARRANGED).length + 1) },
      pages: {
        idle: PAGES - Object.keys(ARRANGED).length,
        busy: Object.keys(ARRANGED).length - 1,
        impossible: 1,
        unknown: 0,
        absent: 0,
      },
    },
  ])
  expect(differingRuns(found)).toEqual([])
  // An alias comes later in the enumeration.
  expect(found.kernel.btf.enumerators('pageflags').get(13)).toBe('PG_reserved')
  const of = (index: number) => found.findings.find(({ pfn }) => pfn === FIRST_PFN + index)!
  const words = (index: number) => of(index).holders.map(({ words }) => words.replace(/0x[0-9a-f]+/g, 'X'))
  expect(of(ARRANGED.mapped)).toMatchObject({ kind: 'held', explained: 1 })
  expect(words(ARRANGED.mapped)).toEqual(['user-0-10 maps it (device-private entry) at X'])
  expect(words(ARRANGED.mappedTwice)).toHaveLength(2)
  expect(of(ARRANGED.slab)).toMatchObject({ kind: 'held', explained: 1 })
  expect(words(ARRANGED.slab)).toEqual(['object X of slab cache test_object, at offset 16'])
  expect(words(ARRANGED.pipe)[0]).toBe('pipe of user-0-10, descriptor 1, buffer 0')
  expect(words(ARRANGED.stack)).toEqual(['stack of user-0-10'])
  expect(of(ARRANGED.registered)).toMatchObject({ kind: 'held', count: 1024, explained: 1024 })
  expect(of(ARRANGED.registered).holders).toMatchObject([
    { task: 'user-0', pid: 10, cache: 'test_object', member: 'io_mapped_ubuf.bvec[0].bv_page' },
  ])
  expect(words(ARRANGED.registered)[0]).toMatch(
    /^buffer 0 registered with io_uring by user-0-10, descriptor 2, in object X/,
  )
  expect(words(ARRANGED.bio)).toEqual([
    'object X of slab cache bio-64, at offset 32, bio_vec[0].bv_page of a bio that ends in test_end_io',
  ])
  expect(words(ARRANGED.bioArray)).toEqual([
    'object X of slab cache biovec-4, at offset 16, bio_vec[1].bv_page of bio X of slab cache bio-64 that ends in test_end_io',
  ])
  expect(words(ARRANGED.scatterlist)).toEqual([
    'object X of slab cache kmalloc-64, at offset 32, likely scatterlist[1].page_link',
  ])
  expect(words(ARRANGED.module)).toEqual(['variable test_variable [test_module]'])
  // A freed object and the unused part of a stack point to it, which hold nothing.
  expect(of(ARRANGED.leaked)).toMatchObject({ kind: 'leaked', certainty: 'likely', explained: 0, holders: [] })
  expect(of(ARRANGED.short)).toMatchObject({ kind: 'count-mismatch', certainty: 'certain', count: 1, explained: 2 })
  expect(of(ARRANGED.negative)).toMatchObject({ kind: 'impossible-state', certainty: 'certain', count: -1 })
  expect(coreText('dump', found).filter(line => line.length > 80)).toEqual([])
})

test('more runs than there is room for are left out, and counted', () => {
  const room = { runs: 2 }
  const [one, two] = [new PageRuns(room), new PageRuns(room)]
  const page = new PageView()
  for (let pfn = 0; pfn < 6; pfn++) one.head(Object.assign(page, { pfn, count: pfn >> 1 }), 'busy')
  one.finish(false)
  two.without('absent', 10, 15)
  two.finish(false)
  expect([one.length, one.leftOut, two.length, two.leftOut]).toEqual([2, 2, 0, 5])
  expect([...one.pages.subarray(0, 2)]).toEqual([2, 2])
})

test('a damaged range of 2^40 pages is passed over in a few steps', () => {
  const first = BigInt(FIRST_PFN) * 4096n
  const damaged = new Map([...frames].map(([pfn, frame]) => [pfn, frame.slice()]))
  for (const frame of damaged.values()) {
    const words = new DataView(frame.buffer)
    for (let at = 0; at + 16 <= frame.length; at += 8) {
      if (
        words.getBigUint64(at, true) === first &&
        words.getBigUint64(at + 8, true) === first + BigInt(PAGES * 4096 - 1)
      )
        words.setBigUint64(at + 8, (1n << 52n) - 1n, true)
    }
  }
  let steps = 0
  const source = new BytesCoreSource('dump', writeElf(damaged, { vmcoreinfo }))
  const found = examine(openDump(source), 'dump', { progress: what => (steps += what === 'pages' ? 1 : 0) })
  expect(found.pagemaps[0]!.pages.absent).toBeGreaterThan(2 ** 40 - 2 ** 16)
  expect(steps).toBeLessThan(300)
})

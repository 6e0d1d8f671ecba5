// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of every format give back the memory that was written, and nothing where nothing was.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CoreError } from '../../src/core/error.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { BytesCoreSource } from '../../src/core/memory/source.ts'
import { kdumpCodecs } from '../../src/node/core-source.ts'
import { FRAME, PACKERS, writeElf, writeFlattened, writeKdump } from '../../testkit/core/dump-writer.ts'

/** What a frame is filled with; the frame itself would make failures unreadable. */
const spec = fc.record({ kind: fc.constantFrom('zero', 'byte', 'runs', 'noise'), seed: fc.nat(1 << 30) })
const memory = fc.array(fc.tuple(fc.nat(70_000), spec), { minLength: 1, maxLength: 12 })

function filled({ kind, seed }: { kind: string; seed: number }, size = FRAME): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed | 1
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8
  if (kind === 'byte') bytes.fill(seed)
  if (kind === 'noise') for (let i = 0; i < size; i++) bytes[i] = next()
  if (kind === 'runs') for (let i = 0; i < size; ) bytes.fill(next(), i, (i += 1 + (next() % 400)))
  return bytes
}

const framesOf = (specs: readonly [number, { kind: string; seed: number }][]) =>
  new Map(specs.map(([pfn, spec]) => [pfn, filled(spec)]))

const open = async (bytes: Uint8Array, portable = false) =>
  openDump(new BytesCoreSource('dump', bytes), portable ? {} : { codecs: await kdumpCodecs() })

/** The frames that a dump has among those of interest. */
function read(dump: Awaited<ReturnType<typeof open>>, frames: ReadonlyMap<number, Uint8Array>) {
  for (const [pfn, bytes] of frames) {
    expect(Buffer.compare(dump.memory.frame(pfn)!, bytes), `frame ${pfn}`).toBe(0)
    for (const other of [pfn - 1, pfn + 1, pfn + 512])
      if (!frames.has(other)) expect(dump.memory.frame(other)).toBeUndefined()
  }
}

test('ELF', () =>
  fc.assert(
    fc.asyncProperty(memory, async specs => {
      const frames = framesOf(specs)
      const dump = await open(writeElf(frames, { vmcoreinfo: 'OSRELEASE=1\n', roots: [0x1234000] }))
      read(dump, frames)
      expect(dump).toMatchObject({ vmcoreinfo: 'OSRELEASE=1\n', machine: 'x86_64', damage: [] })
    }),
    { numRuns: 100 },
  ))

test.each(Object.entries(PACKERS))('kdump, %s', (_, pack) =>
  fc.assert(
    fc.asyncProperty(memory, fc.boolean(), async (specs, portable) => {
      const frames = framesOf(specs)
      const excluded = [70_001, 70_009]
      const dump = await open(writeKdump(frames, { vmcoreinfo: 'OSRELEASE=2\n', pack, excluded }), portable)
      read(dump, frames)
      for (const pfn of excluded) expect(dump.memory.frame(pfn)).toBeUndefined()
      expect(dump).toMatchObject({ vmcoreinfo: 'OSRELEASE=2\n', machine: 'x86_64', damage: [] })
      expect(dump.memory.ranges.some(({ first, end }) => first <= 70_009 && 70_009 < end)).toBe(true)
    }),
    { numRuns: 60 },
  ),
)

test('kdump with blocks of 64 KiB, as QEMU writes them for arm64', async () => {
  const blockBytes = 65536
  const blocks = new Map([3, 4, 9].map(number => [number, filled({ kind: 'noise', seed: number }, blockBytes)]))
  const dump = await open(writeKdump(blocks, { blockBytes, excluded: [12] }))
  expect(dump.memory.ranges.map(({ first, end }) => [first, end])).toEqual([
    [48, 80],
    [144, 160],
    [192, 208],
  ])
  for (const [number, block] of blocks) {
    for (let i = 0; i < 16; i++) {
      const frame = block.subarray(i * FRAME, (i + 1) * FRAME)
      expect(Buffer.compare(dump.memory.frame(16 * number + i)!, frame)).toBe(0)
    }
  }
  for (const pfn of [47, 80, 143, 160, 192]) expect(dump.memory.frame(pfn)).toBeUndefined()
})

test('flattened, whatever the order and however often a place is written', () =>
  fc.assert(
    fc.asyncProperty(memory, fc.array(fc.tuple(fc.nat(), fc.nat(50_000)), { maxLength: 20 }), async (specs, extra) => {
      const frames = framesOf(specs)
      const file = writeKdump(frames)
      // Pieces of wrong bytes first, then the whole file in pieces from its end to its beginning.
      const wrong = file.map(byte => byte ^ 0xff)
      const flat = writeFlattened(
        wrong,
        extra.map(([at, length]) => [at % file.length, Math.min(length, file.length - (at % file.length))] as const),
        false,
      )
      const pieces: [number, number][] = []
      for (let at = 0; at < file.length; at += 10_000) pieces.unshift([at, Math.min(10_000, file.length - at)])
      const right = writeFlattened(file, pieces)
      const both = new Uint8Array([...flat, ...right.subarray(FRAME)])
      read(await open(both), frames)
    }),
    { numRuns: 40 },
  ))

test('a flattened file without its end is read as far as it goes, and says so', async () => {
  const file = writeKdump(new Map([[3, new Uint8Array(FRAME).fill(7)]]))
  const dump = await open(writeFlattened(file, [[0, file.length]], false))
  expect(dump.damage).toEqual(['the flattened file ends before its end mark'])
  expect(dump.memory.frame(3)![0]).toBe(7)
})

test('a file that ends too early lacks its last frames', async () => {
  const frames = new Map([1, 2, 3].map(pfn => [pfn, new Uint8Array(FRAME).fill(pfn)]))
  const elf = writeElf(frames)
  const dump = await open(elf.subarray(0, elf.length - 100))
  expect(dump.damage[0]).toContain('cut short')
  expect(dump.memory.frame(2)![0]).toBe(2)
  expect(dump.memory.frame(3)).toBeUndefined()
  const kdump = writeKdump(frames)
  expect((await open(kdump.subarray(0, kdump.length - 5))).memory.frame(3)).toBeUndefined()
})

test('what is no dump is refused with what it is, or what was expected', async () => {
  const refused = async (bytes: Uint8Array | string, text: string) => {
    const input = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
    await expect(open(input)).rejects.toThrow(text)
    await expect(open(input)).rejects.toThrow(CoreError)
  }
  await refused('', 'expected an ELF core or a kdump file')
  await refused('# tracer: nop', 'lastput trace')
  await refused(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), 'zstd -d')
  await refused('KDUMP   ', 'the header of a kdump file')
  await refused('makedumpfile\0\0\0\0', 'a flattened dump')
  const elf = writeElf(new Map([[1, new Uint8Array(FRAME)]]))
  elf[4] = 1
  await refused(elf, '64-bit')
  const program = writeElf(new Map([[1, new Uint8Array(FRAME)]]))
  program[16] = 2
  await refused(program, 'core file')
})

test('a frame that does not unpack is missing, and the file is damaged there', async () => {
  const frames = new Map([5, 6, 7].map(pfn => [pfn, new Uint8Array(FRAME).fill(pfn)]))
  const file = writeKdump(frames)
  const dump = await open(file)
  expect(dump.damage).toEqual([])
  file[file.length - 3]! ^= 0xff
  expect(dump.memory.frame(7)).toBeUndefined()
  expect(dump.memory.frame(6)![9]).toBe(6)
  expect(dump.damage).toHaveLength(1)
  expect(dump.damage[0]).toMatch(/^frames cannot be unpacked, and count as missing \(the first is 0x7 at byte \d+: /)
})

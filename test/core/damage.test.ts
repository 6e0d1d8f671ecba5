// SPDX-License-Identifier: GPL-2.0-or-later
// Files that are damaged in ways that no random mutation finds: each is refused with place and reason, or read with the damage told.
import { expect, test } from 'vitest'
import { CoreError } from '../../src/core/error.ts'
import { examine } from '../../src/core/examine.ts'
import { tableOf } from '../../src/core/kernel/kallsyms.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { BytesCoreSource } from '../../src/core/memory/source.ts'
import { coreIncompleteness } from '../../src/report/core-completeness.ts'
import { FRAME, PACKERS, writeElf, writeFlattened, writeKdump } from '../../testkit/core/dump-writer.ts'
import { syntheticKernel } from '../../testkit/core/synthetic-kernel.ts'

const { frames, vmcoreinfo } = syntheticKernel()
const INSTEAD = 'crash and drgn read such dumps, and lastput trace reads recordings of any architecture (docs/dumps.md)'
const elf = () => writeElf(frames, { vmcoreinfo })
const kdump = () => writeKdump(frames, { vmcoreinfo, pack: PACKERS.none })

const read = (bytes: Uint8Array) => examine(openDump(new BytesCoreSource('dump', bytes)), 'dump')

/** What a file is refused with. */
function refusal(bytes: Uint8Array): string {
  try {
    read(bytes)
  } catch (error) {
    if (error instanceof CoreError) return error.message
    throw error
  }
  throw new Error('it was read')
}

const edited = (bytes: Uint8Array, edit: (view: DataView) => void) => {
  edit(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return bytes
}

test('blocks of sizes that no kernel has', () => {
  for (const size of [0, 1, -1, 4095, 1 << 30]) {
    const file = edited(kdump(), view => view.setInt32(428, size, true))
    expect(refusal(file)).toBe(
      `dump: at byte 428: expected blocks of 4096, or 16384 or 65536 as arm64 has, not of ${size} bytes: it is damaged`,
    )
  }
})

test('pages of another size, by VMCOREINFO', () => {
  expect(refusal(writeElf(frames, { vmcoreinfo: `PAGESIZE=65536\n${vmcoreinfo}` }))).toBe(
    `dump: expected a kernel with pages of 4096 bytes, not of 65536: ${INSTEAD}`,
  )
})

test('architectures that are not read', () => {
  for (const [machine, name] of [
    [21, 'ppc64le'],
    [243, 'riscv64'],
    [41, 'ELF machine 41'],
  ] as const) {
    const file = edited(elf(), view => view.setUint16(18, machine, true))
    expect(refusal(file)).toBe(`dump: expected a dump of x86_64 or aarch64, not of ${name}: ${INSTEAD}`)
  }
  const named = writeKdump(frames, { vmcoreinfo, machineName: 'ppc64le' })
  expect(refusal(named)).toContain('not of ppc64le')
  const bigEndian = edited(elf(), view => {
    view.setUint8(5, 2)
    view.setUint16(18, 22)
  })
  expect(refusal(bigEndian)).toContain('at byte 4: expected a 64-bit little-endian ELF file, not one of s390x')
  const narrow = edited(elf(), view => {
    view.setUint8(4, 1)
    view.setUint16(18, 3, true)
  })
  expect(refusal(narrow)).toContain('not one of i386')
})

test('a kdump file that ends anywhere says so, and accuses nobody for what is missing', () => {
  const whole = kdump()
  const header = whole.length - frames.size * FRAME
  for (let length = 8; length < whole.length; length += length < header ? 997 : FRAME + 13) {
    const cut = whole.slice(0, length)
    let found: ReturnType<typeof read>
    try {
      found = read(cut)
    } catch (error) {
      expect(error).toBeInstanceOf(CoreError)
      expect((error as Error).message, String(length)).toMatch(/ends at|cut short/)
      continue
    }
    expect(
      coreIncompleteness(found)
        .map(({ text }) => text)
        .join(),
    ).toContain('cut short')
    expect(found.findings.filter(({ kind }) => kind === 'leaked')).toEqual([])
  }
})

test('notes of absurd sizes', () => {
  for (const [at, size] of [
    [0, 0xffffffff],
    [4, 0xffffffff],
    [4, 1 << 30],
  ] as const) {
    const notes = (view: DataView) => Number(view.getBigUint64(64 + 8, true))
    const file = edited(elf(), view => view.setUint32(notes(view) + at, size, true))
    expect(refusal(file)).toContain(`(the file is damaged: the note 0 bytes into the notes should have`)
    expect(refusal(file)).toMatch(new RegExp(` ${size} (bytes of name|of content)`))
  }
})

test('a BTF of 2 GB, and one that ends before it begins', () => {
  const start = 0xffffffff01000000n
  for (const bytes of [1n << 31n, -8n, 23n]) {
    const symbols = () =>
      tableOf([
        { name: '__start_BTF', address: start },
        { name: '__stop_BTF', address: start + bytes },
      ])
    expect(() => examine(openDump(new BytesCoreSource('dump', elf())), 'dump', { symbols })).toThrow(
      `its BTF cannot have ${bytes} bytes, as its symbols say; give --vmlinux`,
    )
  }
})

test('pieces of a flattened file that lie over each other, and one that is far out', () => {
  const file = kdump()
  const pieces: [number, number][] = []
  for (let at = 0; at < file.length; at += 5000) pieces.push([at, Math.min(9000, file.length - at)])
  const flat = writeFlattened(file, pieces)
  expect(coreIncompleteness(read(flat))).toEqual([])
  const far = edited(flat.slice(), view => view.setBigUint64(FRAME, 1n << 45n))
  expect(refusal(far)).toContain(
    `at byte ${FRAME}: expected pieces of one file, but the last of them is for byte ${2 ** 45}`,
  )
  expect(refusal(flat.slice(0, FRAME))).toContain('expected pieces of a dump in the flattened file')
})

test('segments of the same bytes for all of memory do not make the file endless', () => {
  const file = edited(elf(), view => {
    const table = Number(view.getBigUint64(32, true))
    for (let i = 1; i < view.getUint16(56, true); i++) {
      view.setBigUint64(table + 56 * i + 8, 0n, true)
      view.setBigUint64(table + 56 * i + 24, BigInt(i) << 32n, true)
      view.setBigUint64(table + 56 * i + 32, BigInt(view.byteLength), true)
    }
  })
  const dump = openDump(new BytesCoreSource('dump', file))
  const all = dump.memory.ranges.reduce((sum, { first, end }) => sum + end - first, 0)
  expect(all * FRAME).toBeLessThanOrEqual(file.length + 2 * FRAME)
  expect(dump.damage.join()).toMatch(/^$|more memory than the file has bytes/)
})

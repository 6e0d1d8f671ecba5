// SPDX-License-Identifier: GPL-2.0-or-later
// Whatever a shell can put in a file's place is read: files, named pipes (as of `<(zcat trace.txt.gz)`), files without a size.

import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openFile } from '../../src/node/open.ts'
import { BlobSource } from '../../src/trace/common/bytes.ts'
import { writePerf } from '../../testkit/writers/perfdata.ts'
import { collect } from '../support/collect.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-input-'))
afterAll(() => rmSync(folder, { recursive: true }))

const traceDat = readFileSync(fileURLToPath(new URL('../../examples/leak-6.12/trace.dat', import.meta.url)))
const line =
  '     sh-1     [000] .....     1.000001: page_ref_set: pfn=0x1 flags=none count=1 mapcount=0 mapping=0 mt=0 val=1\n'
const sample = { kind: 'sample', time: 1n, event: 'page_ref_set', values: { pfn: 1, val: 1 } } as const
const inputs = {
  'trace.dat': { bytes: traceDat, events: 3329 },
  'perf.data': { bytes: writePerf({ records: [sample] }).bytes, events: 1 },
  text: { bytes: Buffer.from(line.repeat(50_000)), events: 50_000 },
}

describe.each(Object.entries(inputs))('%s', (kind, { bytes, events }) => {
  const file = join(folder, kind)
  writeFileSync(file, bytes)

  it('is read from a file', async () => {
    const recording = await openFile(file)
    expect((await collect(recording)).events).toHaveLength(events)
    await recording.close()
  })

  it('is read from a named pipe, and called by its name', async () => {
    const pipe = join(folder, `${kind}.pipe`)
    execFileSync('mkfifo', [pipe])
    const writer = spawn('sh', ['-c', 'cat "$0" > "$1"', file, pipe], { stdio: 'ignore' })
    const recording = await openFile(pipe)
    expect(recording.info.file).toBe(pipe)
    expect((await collect(recording)).events).toHaveLength(events)
    await recording.close()
    writer.kill()
  })
})

it('what is no recording is refused by name', async () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  await expect(openFile(empty)).rejects.toThrow(`${empty}: expected trace.dat, perf.data or ftrace text`)
  await expect(openFile('/proc/version')).rejects.toThrow(
    /^\/proc\/version: expected .* found text that begins "Linux /,
  )
  await expect(openFile(folder)).rejects.toMatchObject({ code: 'EISDIR', path: folder })
  await expect(openFile(join(folder, 'none'))).rejects.toThrow('ENOENT')
})

describe('a Blob', () => {
  it('gives the bytes asked for, whatever was read before', async () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 24)
    const piece = fc.tuple(fc.integer({ min: 0, max: 310_000 }), fc.integer({ min: 0, max: 120_000 }), fc.nat(6))
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async pieces => {
        const source = new BlobSource('blob', new Blob([bytes]))
        for (const [start, length, times] of pieces) {
          // One after the other, as decoders read: part of the next piece has mostly been read with the last one.
          for (let at = start, i = 0; i <= times; i++, at += length >> 1) {
            const read = await source.read(at, length)
            expect(Buffer.compare(read, bytes.subarray(at, at + length))).toBe(0)
            // Whoever reads may hand the memory on.
            structuredClone(read, { transfer: [read.buffer as ArrayBuffer] })
          }
        }
      }),
      { numRuns: 50 },
    )
  })

  it('is asked once for what is read in small pieces', async () => {
    const blob = new Blob([new Uint8Array(1 << 22)])
    let asked = 0
    const slice = blob.slice.bind(blob)
    blob.slice = (from, to) => {
      asked++
      return slice(from, to)
    }
    const source = new BlobSource('blob', blob)
    for (let at = 0; at < blob.size; at += 5000) await source.read(at, 6000)
    expect(asked).toBeLessThan(10)
  })

  it('that cannot be read any more is named', async () => {
    const blob = new Blob(['abc'])
    blob.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('it has changed')) }) as unknown as Blob
    await expect(new BlobSource('gone.dat', blob).read(1, 2)).rejects.toThrow(/gone\.dat: offset 1: .*it has changed/)
  })
})

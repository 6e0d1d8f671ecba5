// SPDX-License-Identifier: GPL-2.0-or-later
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ZstdStream } from '../../../src/trace/perfdata/zstd-stream.ts'
import { program, runBytes } from '../../../testkit/data.ts'
import { random } from '../../../testkit/random.ts'
import { storedZstd } from '../../../testkit/writers/tracedat.ts'
import { needs } from '../../support/needs.ts'

/** Unpacks a stream that comes in pieces cut at these places. */
async function unpack(packed: Uint8Array, cuts: readonly number[] = []): Promise<Uint8Array> {
  const stream = new ZstdStream()
  await stream.load()
  const parts: Uint8Array[] = []
  const places = [0, ...[...cuts].sort((a, b) => a - b), packed.length]
  for (let i = 1; i < places.length; i++) {
    stream.push(packed.subarray(places[i - 1], places[i]))
    for (const part of stream.unpack()) parts.push(part)
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** Bytes that repeat here and there. */
function sample(length: number): Uint8Array {
  const source = random(length)
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const run = Math.min(source.int(1, 300), length - at)
    if (at > 0 && source.chance(0.6)) bytes.copyWithin(at, source.int(0, at - 1), at)
    else for (let i = 0; i < run; i++) bytes[at + i] = source.int(0, 255)
    at += run
  }
  return bytes
}

needs(program('zstd')).describe('a stream of the zstd program', () => {
  const raw = sample(300_000)
  const packed = new Uint8Array(runBytes('zstd', ['-q', '-c', '-3', '--no-check'], { input: raw }))
  const checked = new Uint8Array(runBytes('zstd', ['-q', '-c', '-1', '--check'], { input: raw.subarray(0, 9000) }))

  it('comes out whole, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: packed.length }), { maxLength: 30 }), async cuts => {
        expect(Buffer.compare(await unpack(packed, cuts), raw)).toBe(0)
      }),
      { numRuns: 20 },
    )
  })

  it('may have several frames, with checksums', async () => {
    const both = new Uint8Array(Buffer.concat([checked, checked, packed]))
    const wanted = Buffer.concat([raw.subarray(0, 9000), raw.subarray(0, 9000), raw])
    expect(Buffer.compare(await unpack(both, [checked.length - 2, checked.length + 1]), wanted)).toBe(0)
  })

  it('whose window would fill memory is refused', async () => {
    const large = new Uint8Array(runBytes('zstd', ['-q', '-c', '--long=27', '-'], { input: raw }))
    await expect(unpack(large)).rejects.toThrow('zstd window')
    await expect(unpack(storedZstd(new Uint8Array(9 << 20)))).rejects.toThrow('zstd window')
  })
})

it('stops at blocks that would only cost time', async () => {
  // A window of 8 MB, and blocks that repeat one byte once.
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3]
  const blocks = Array.from({ length: 200_000 }, () => [(1 << 3) | (1 << 1), 0, 0, 7]).flat()
  await expect(unpack(Uint8Array.from([...head, ...blocks]))).rejects.toThrow('too many zstd blocks')
})

it('says what is no frame', async () => {
  await expect(unpack(new Uint8Array(100))).rejects.toThrow('no zstd frame')
})

it('unpacks nothing more once it has failed', async () => {
  const stream = new ZstdStream()
  stream.fail()
  stream.push(new Uint8Array(100))
  expect(stream.pending).toBe(false)
})

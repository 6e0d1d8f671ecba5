// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that are unpacked together are read as they are one by one, and damage is told at its own chunk.
import { deflateSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { nodeCodecs } from '../../../src/node/codecs.ts'
import { type DecodeJob, LocalDecoder } from '../../../src/trace/tracedat/block-decoder.ts'
import { type SynthRecord, storedZstd, writeTraceDat } from '../../../testkit/writers/tracedat.ts'
import { contentsOf } from '../../support/both-walks.ts'

const PAGE = 1024

function jobOf(chunks: Uint8Array[], pack: (bytes: Uint8Array) => Uint8Array, broken?: number): DecodeJob {
  const packed = chunks.map(pack)
  // In zstd and zlib alike, a first byte like this begins nothing.
  if (broken !== undefined) packed[broken] = packed[broken]!.map((byte, i) => (i === 0 ? 0xff : byte))
  let at = 0
  const table = packed.flatMap((bytes, i) => [(at += bytes.length) - bytes.length, bytes.length, chunks[i]!.length])
  return { cpu: 0, bytes: Uint8Array.from(Buffer.concat(packed)), chunks: Uint32Array.from(table), buffer: undefined }
}

/** Five chunks of two sub-buffers each, the last of one and a half if it is `cut`. */
async function chunksOf(cut: boolean) {
  const records: SynthRecord[] = []
  for (let i = 0; i < 10; i++) {
    for (let n = 0; n < 10; n++) records.push({ kind: 'event', time: BigInt(1 + i * 10 + n), event: 'page_ref_mod' })
    records.push({ kind: 'page' })
  }
  const { bytes } = writeTraceDat({
    version: 7,
    pageSize: PAGE,
    buffers: [{ name: '', cpus: new Map([[0, records]]) }],
  })
  const contents = (await contentsOf(bytes))!
  const { value: job } = await contents.jobs().next()
  const chunks = [0, 1, 2, 3, 4].map(i => job!.bytes.slice(i * 2 * PAGE, (i + 1) * 2 * PAGE))
  if (cut) chunks[4] = chunks[4]!.subarray(0, PAGE * 1.5)
  return { plan: contents.setup.plan, chunks }
}

/** What is decoded, with the number of the chunk as the place of damage. Unlike zstd, zlib is unpacked one chunk at a time. */
async function decoded(chunks: Uint8Array[], plan: Awaited<ReturnType<typeof chunksOf>>['plan'], broken?: number) {
  const of = async (compression: 'zlib' | 'zstd') => {
    const decoder = await LocalDecoder.create({ plan, compression }, nodeCodecs)
    const job = jobOf(chunks, compression === 'zlib' ? bytes => deflateSync(bytes) : storedZstd, broken)
    const { state } = (await decoder.decode(job)).block
    const places = [...job.chunks].filter((_, i) => i % 3 === 0)
    const damage = state.damage.map(({ at, expected }) => ({ chunk: places.indexOf(at), expected }))
    return { ...state, damage }
  }
  return { zlib: await of('zlib'), zstd: await of('zstd') }
}

it('reads chunks together', async () => {
  const { plan, chunks } = await chunksOf(false)
  const { zlib, zstd } = await decoded(chunks, plan)
  expect(zstd).toEqual(zlib)
  expect(zstd).toMatchObject({ row: 100, damage: [] })
})

it('tells damage at its chunk', async () => {
  const { plan, chunks } = await chunksOf(false)
  new DataView(chunks[2]!.buffer).setUint32(PAGE + 16, 1, true)
  new DataView(chunks[3]!.buffer).setUint32(8, 2 * PAGE, true)
  const { zlib, zstd } = await decoded(chunks, plan)
  expect(zstd).toEqual(zlib)
  expect(zstd.damage.map(({ chunk }) => chunk)).toEqual([2, 3])
  expect(zstd.damage[0]!.expected).toMatch(new RegExp(`byte ${PAGE + 16} of the unpacked chunk`))
  expect(zstd.row).toBe(80)
})

it('reads the chunks around one that cannot be unpacked', async () => {
  const { plan, chunks } = await chunksOf(false)
  const { zlib, zstd } = await decoded(chunks, plan, 1)
  expect({ ...zstd, damage: [] }).toEqual({ ...zlib, damage: [] })
  expect(zstd.damage).toMatchObject([
    { chunk: 1, expected: expect.stringMatching(/^expected 2048 bytes of packed events/) },
  ])
  expect(zstd.row).toBe(80)
})

it('does not take a part of a sub-buffer for the beginning of the next chunk', async () => {
  const { plan, chunks } = await chunksOf(true)
  const { zlib, zstd } = await decoded([chunks[4]!, ...chunks.slice(0, 4)], plan)
  expect(zstd).toEqual(zlib)
  expect(zstd.damage).toMatchObject([{ chunk: 0 }])
  expect(zstd.row).toBe(90)
})

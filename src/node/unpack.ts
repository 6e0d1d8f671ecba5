// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decompresses files that were compressed as a whole by gzip or zstd, while they are read. A truncated file yields what came
 * before.
 */
import { createGunzip } from 'node:zlib'
import { Decompress } from 'fzstd'
import { type Damage, TraceError } from '../trace/events.ts'

/** Maximum number of unpacked bytes, because a small file can expand to any number of zeros. */
const MOST_BYTES = 2 ** 36

const GZIP = [0x1f, 0x8b]
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd]

type Bytes = AsyncIterable<Uint8Array>

/** Returns the decompressor for a file that begins with these bytes; undefined if it is not compressed, or by another program. */
export function unpackerFor(start: Uint8Array): ((packed: Bytes) => Bytes) | undefined {
  const begins = (magic: number[]) => magic.every((byte, i) => start[i] === byte)
  if (begins(GZIP)) return gunzip
  return begins(ZSTD) ? unzstd : undefined
}

/**
 * Decompresses a stream.
 *
 * @param damage receives where compressed data end early or are invalid
 */
export async function* unpacked(
  name: string,
  unpack: (packed: Bytes) => Bytes,
  packed: Bytes,
  damage: Damage[],
): Bytes {
  const counter = new Counter()
  let size = 0
  try {
    for await (const bytes of unpack(counter.count(packed))) {
      size += bytes.length
      if (size > MOST_BYTES)
        throw new TraceError(name, counter.bytes, `expected at most ${MOST_BYTES} bytes when unpacked: unpack it first`)
      yield bytes
    }
  } catch (error) {
    if (error instanceof TraceError) throw error
    const why = error instanceof Error ? error.message : String(error)
    damage.push({ file: name, offset: counter.bytes, expected: `expected packed data to go on (${why})` })
  }
}

/** Counts the bytes read from a stream. */
class Counter {
  bytes = 0
  async *count(stream: Bytes): Bytes {
    for await (const bytes of stream) {
      this.bytes += bytes.length
      yield bytes
    }
  }
}

/**
 * Data are taken as they flow, so that output before an error is not lost. A part of the input expands at most a thousandfold.
 */
async function* gunzip(packed: Bytes): Bytes {
  const stream = createGunzip()
  let ready: Uint8Array[] = []
  let failed: Error | undefined
  stream.on('data', (bytes: Uint8Array) => ready.push(bytes))
  stream.on('error', error => {
    failed = error
  })
  const closed = new Promise(resolve => stream.once('close', resolve))
  for await (const bytes of packed) {
    await new Promise(resolve => stream.write(bytes, resolve))
    yield* ready
    ready = []
    if (failed) throw failed
  }
  stream.end()
  await closed
  yield* ready
  if (failed) throw failed
}

async function* unzstd(packed: Bytes): Bytes {
  let ready: Uint8Array[] = []
  const decompress = new Decompress(bytes => {
    ready.push(bytes)
  })
  for await (const bytes of packed) {
    decompress.push(bytes)
    yield* ready
    ready = []
  }
  decompress.push(new Uint8Array(0), true)
  yield* ready
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The compressions of trace.dat: zlib by the platform's own decoder, zstd in WebAssembly. */

/** Unpacks `data` to exactly `size` bytes; throws when it holds anything else. */
export type Unpack = (data: Uint8Array, size: number) => Uint8Array | Promise<Uint8Array>

export type Compression = 'none' | 'zlib' | 'zstd'

/** Decompressors a platform hands in to be used instead of the ones that run everywhere. */
export type Codecs = { [name in 'zlib' | 'zstd']?: () => Promise<Unpack> }

/** Refuses anything but `size` bytes. */
export function exactly(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length !== size) throw new Error(`${bytes.length} bytes instead of ${size}`)
  return bytes
}

/** zstd in WebAssembly, in browsers and in Node. */
export async function portableZstd(): Promise<Unpack> {
  const { ZSTDDecoder } = await import('zstddec')
  const decoder = new ZSTDDecoder()
  await decoder.init()
  return (data, size) => exactly(decoder.decode(data, size), size)
}

async function inflate(data: Uint8Array, size: number): Promise<Uint8Array> {
  const unpacked = new Uint8Array(size)
  let at = 0
  const stream = new Blob([data as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('deflate'))
  const reader = stream.getReader()
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > size) {
      await reader.cancel()
      throw new Error(`more than ${size} bytes`)
    }
    unpacked.set(part.value, at)
    at += part.value.length
  }
  return exactly(unpacked.subarray(0, at), size)
}

/** The decompressor of a compression; undefined for 'none'. */
export async function unpackerOf(compression: Compression, codecs: Codecs = {}): Promise<Unpack | undefined> {
  if (compression === 'none') return undefined
  const handedIn = codecs[compression]
  if (handedIn) return handedIn()
  return compression === 'zstd' ? portableZstd() : inflate
}

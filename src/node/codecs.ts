// SPDX-License-Identifier: GPL-2.0-or-later
/** Decompressors of this platform: zlib, and zstd where Node has it (22.15 and later). */
import * as zlib from 'node:zlib'
import { type Codecs, exactly, portableZstd, type Unpack } from '../trace/compression.ts'

type Decompress = (data: Uint8Array, options: { maxOutputLength: number }) => Uint8Array

function bounded(decompress: Decompress): Unpack {
  // Node refuses a limit of 0.
  return (data, size) => exactly(decompress(data, { maxOutputLength: Math.max(1, size) }), size)
}

async function zstd(): Promise<Unpack> {
  const native = (zlib as { zstdDecompressSync?: Decompress }).zstdDecompressSync
  if (native) return bounded(native)
  const { fetch } = globalThis
  try {
    // zstddec loads its WebAssembly through fetch() where there is one, which costs Node 30 ms more.
    Reflect.deleteProperty(globalThis, 'fetch')
    return await portableZstd()
  } finally {
    globalThis.fetch = fetch
  }
}

export const nodeCodecs: Codecs = {
  zlib: async () => bounded(zlib.inflateSync),
  zstd,
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decompressors of this platform. For zstd that is WebAssembly too: Node's own, from 22.15 on, allocates for every call,
 * and decoding a recording with it takes half as long again and twice the memory.
 */
import { inflateSync } from 'node:zlib'
import { type Codecs, exactly, portableZstd, type Unpack } from '../trace/common/compression.ts'

const zlib: Unpack = (data, size) => {
  // Node refuses a limit of 0.
  const bytes = exactly(inflateSync(data, { maxOutputLength: Math.max(1, size) }), size)
  // Not a Buffer, whose slice() does not copy.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

async function zstd(): Promise<Unpack> {
  const { fetch } = globalThis
  try {
    // zstddec loads its WebAssembly through fetch() where there is one, which costs Node 30 ms more.
    Reflect.deleteProperty(globalThis, 'fetch')
    return await portableZstd()
  } finally {
    globalThis.fetch = fetch
  }
}

export const nodeCodecs = { zlib: async () => zlib, zstd } satisfies Codecs

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decompressors for Node. zstd uses WebAssembly here too: Node's own, available from 22.15 on, allocates in every call, which
 * makes decoding take 50 % longer and twice the memory.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { inflateSync } from 'node:zlib'
import {
  type Codecs,
  exactly,
  portableZstd,
  type Unpack,
  type ZstdModule,
  zstdUnpacker,
} from '../trace/common/compression.ts'

const zlib: Unpack = (data, size) => {
  // Node rejects a limit of 0.
  const bytes = exactly(inflateSync(data, { maxOutputLength: Math.max(1, size) }), size)
  // Wrapped because slice() of a Buffer does not copy.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Matches a base64 string that begins as a WebAssembly module does. */
const WASM = /["'`](AGFzbQ[\w+/]+=*)["'`]/

/**
 * Instantiates zstddec's WebAssembly from its source file. Its own loader uses fetch(), which costs 30 ms of CPU time in Node.
 */
async function instantiated(): Promise<Unpack | undefined> {
  const file = createRequire(import.meta.url).resolve('zstddec')
  const text = WASM.exec(await readFile(file, 'utf8'))?.[1]
  if (text === undefined) return undefined
  // The memory's buffer is looked up in each call, so its growth need not be signalled.
  const env = { emscripten_notify_memory_growth: () => undefined }
  const { instance } = await WebAssembly.instantiate(Buffer.from(text, 'base64'), { env })
  return zstdUnpacker(instance.exports as unknown as ZstdModule)
}

let loaded: Promise<Unpack> | undefined

/**
 * Returns the one decompressor for all recordings of a thread. If zstddec no longer contains its module in this form, it loads it
 * itself.
 */
function zstd(): Promise<Unpack> {
  return (loaded ??= instantiated().then(unpack => unpack ?? portableZstd()))
}

export const nodeCodecs = { zlib: async () => zlib, zstd } satisfies Codecs

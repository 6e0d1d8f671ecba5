// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decompressors of this platform. For zstd that is WebAssembly too: Node's own, from 22.15 on, allocates for every call,
 * and decoding a recording with it takes half as long again and twice the memory.
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
  // Node refuses a limit of 0.
  const bytes = exactly(inflateSync(data, { maxOutputLength: Math.max(1, size) }), size)
  // Not a Buffer, whose slice() does not copy.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A text in base64 that begins as WebAssembly does. */
const WASM = /["'`](AGFzbQ[\w+/]+=*)["'`]/

/** zstddec's WebAssembly, out of its file: by itself it loads it through fetch(), which costs Node 30 ms of CPU. */
async function instantiated(): Promise<Unpack | undefined> {
  const file = createRequire(import.meta.url).resolve('zstddec')
  const text = WASM.exec(await readFile(file, 'utf8'))?.[1]
  if (text === undefined) return undefined
  // Memory is looked up anew at each call, so nobody needs to be told that it has grown.
  const env = { emscripten_notify_memory_growth: () => undefined }
  const { instance } = await WebAssembly.instantiate(Buffer.from(text, 'base64'), { env })
  return zstdUnpacker(instance.exports as unknown as ZstdModule)
}

let loaded: Promise<Unpack> | undefined

/** One for all recordings of a thread. A zstddec that carries it in another way loads it as it likes. */
function zstd(): Promise<Unpack> {
  return (loaded ??= instantiated().then(unpack => unpack ?? portableZstd()))
}

export const nodeCodecs = { zlib: async () => zlib, zstd } satisfies Codecs

// SPDX-License-Identifier: GPL-2.0-or-later
/** Decompressors of trace.dat: zlib by the platform's own decoder, zstd in WebAssembly. */

/** The memory of a WebAssembly module, and its allocator. */
export interface Heap {
  memory: WebAssembly.Memory
  /** Returns an address, a multiple of 8; 0 if there is no memory left. */
  malloc(size: number): number
  free(pointer: number): void
}

/** Unpacks `data` to exactly `size` bytes, which are valid until the next call. Throws if the data unpack to anything else. */
export interface Unpack {
  (data: Uint8Array, size: number): Uint8Array | Promise<Uint8Array>
  /** The memory in which the unpacked bytes are; undefined if they are not in any of WebAssembly. */
  readonly heap?: Heap
  /**
   * Unpacks chunks, one behind the other, to `size` bytes in all. The chunks are those of `DecodeJob` from index `first` to
   * `last`, and adjacent. Throws if one of them unpacks to anything else.
   */
  readonly all?: (data: Uint8Array, chunks: Uint32Array, first: number, last: number, size: number) => Uint8Array
}

/** Maximum size in bytes of what `Unpack.all` unpacks at once. */
export const MAX_UNPACKED = 1 << 22

/** Unpacks to memory that the caller owns. */
export async function unpackCopy(unpack: Unpack, data: Uint8Array, size: number): Promise<Uint8Array> {
  const bytes = unpack(data, size)
  // Copied at once, because anything that runs in between might call the same decompressor.
  return bytes instanceof Promise ? bytes : bytes.slice()
}

export type Compression = 'none' | 'zlib' | 'zstd'

/** Decompressors of the platform, used instead of the portable ones. */
export type Codecs = { [name in 'zlib' | 'zstd']?: () => Promise<Unpack> }

/** Returns `bytes` if they are `size` bytes, and throws otherwise. */
export function exactly(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length !== size) throw new Error(`${bytes.length} bytes instead of ${size}`)
  return bytes
}

/** Exports of zstddec's WebAssembly module. */
export interface ZstdModule extends Heap {
  /** Returns the number of bytes unpacked, or a negative error code. */
  ZSTD_decompress(target: number, targetSize: number, source: number, sourceSize: number): number
}

/** Buffers in WebAssembly memory that are larger than this (in bytes) are freed after use. */
const KEPT_BUFFER = MAX_UNPACKED

/** A buffer in the module's memory, as large as the largest request so far. */
class ZstdBuffer {
  readonly #module: ZstdModule
  #pointer = 0
  #size = 0

  constructor(module: ZstdModule) {
    this.#module = module
  }

  /** Returns the address of at least `size` bytes. */
  reserve(size: number): number {
    if (size <= this.#size) return this.#pointer
    this.release()
    this.#pointer = this.#module.malloc(size)
    if (this.#pointer === 0) throw new Error(`no memory for ${size} bytes`)
    this.#size = size
    return this.#pointer
  }

  release(): void {
    if (this.#size > 0) this.#module.free(this.#pointer)
    this.#size = 0
  }
}

/** Makes a decompressor from an instance of the module. */
export function zstdUnpacker(module: ZstdModule): Unpack {
  const source = new ZstdBuffer(module)
  const target = new ZstdBuffer(module)
  const unpack: Unpack = (data, size) => {
    const from = source.reserve(data.length)
    const to = target.reserve(size)
    new Uint8Array(module.memory.buffer).set(data, from)
    const unpacked = module.ZSTD_decompress(to, size, from, data.length)
    if (unpacked !== size)
      throw new Error(unpacked < 0 ? `zstd error ${-unpacked}` : `${unpacked} bytes instead of ${size}`)
    const bytes = new Uint8Array(module.memory.buffer, to, size)
    if (size <= KEPT_BUFFER) return bytes
    const copy = bytes.slice()
    target.release()
    return copy
  }
  /** One short loop without any object made in it: the engine has it compiled soon, and there are thousands of chunks. */
  const all = (data: Uint8Array, chunks: Uint32Array, first: number, last: number, size: number) => {
    const start = chunks[first]!
    const end = chunks[last - 3]! + chunks[last - 2]!
    const from = source.reserve(end - start)
    const to = target.reserve(size)
    new Uint8Array(module.memory.buffer).set(data.subarray(start, end), from)
    let at = to
    for (let i = first; i < last; i += 3) {
      const unpacked = module.ZSTD_decompress(at, chunks[i + 2]!, from + chunks[i]! - start, chunks[i + 1]!)
      if (unpacked !== chunks[i + 2]!) throw new Error('not the size that was expected')
      at += unpacked
    }
    return new Uint8Array(module.memory.buffer, to, size)
  }
  return Object.assign(unpack, { heap: module, all })
}

let zstd: Promise<Unpack> | undefined

/** Returns the zstd decompressor in WebAssembly, for browsers and Node. All recordings of a thread share it. */
export function portableZstd(): Promise<Unpack> {
  return (zstd ??= loadZstd())
}

async function loadZstd(): Promise<Unpack> {
  const { ZSTDDecoder } = await import('zstddec')
  const decoder = new ZSTDDecoder()
  let module: ZstdModule | undefined
  const { _init } = decoder
  // The decoder's own decode() allocates and copies in every call, which takes longer than unpacking a chunk.
  decoder._init = result => {
    _init(result)
    module = result.instance.exports as unknown as ZstdModule
  }
  await decoder.init()
  // If zstddec was initialised before, `_init` is not called again, and the module is not accessible.
  return module ? zstdUnpacker(module) : (data, size) => exactly(decoder.decode(data, size), size)
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
